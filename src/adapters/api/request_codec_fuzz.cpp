// Reads any bytes as a question. A body that is taken must be one JSON object,
// and every field must lie where the question says.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "adapters/api/request_codec.h"
#include "base/check.h"
#include "base/json_cursor.h"
#include "core/answer/answer.h"

namespace hanse::api {
namespace {

void check_field(const answer::Field& field, std::string_view body, std::string_view name) {
  if (!field.present()) return;
  HANSE_CHECK(field.value.end <= body.size() && field.member.end == field.value.end);
  JsonCursor value(field.value.in(body));
  HANSE_CHECK(value.skip() && value.at_end());
  JsonCursor member(field.member.in(body));
  JsonString said;
  HANSE_CHECK(member.read_string(said));
  if (!name.empty()) HANSE_CHECK(said.says(name));
}

void check(answer::Dialect dialect, std::string_view body) {
  QuestionScratch scratch;
  const auto question = read_question(dialect, body, scratch);
  if (!question) {
    HANSE_CHECK(http_status(question.error()) == 400);
    return;
  }
  JsonCursor whole(body);
  HANSE_CHECK(whole.skip() && whole.at_end());
  HANSE_CHECK(body[question->closing_brace] == '}');
  HANSE_CHECK(!question->model.empty() && question->prompt_bytes >= 0);
  check_field(question->model_field, body, "model");
  check_field(question->stream_field, body, "stream");
  check_field(question->stream_options_field, body, "stream_options");
  check_field(question->output_limit_field, body, "");
  for (const answer::Field& empty : question->empty_limit_fields) {
    check_field(empty, body, "");
    HANSE_CHECK(empty.value.in(body) == "null");
  }
  check_field(question->tool_choice_field, body, "tool_choice");
  check_field(question->tools_field, body, "tools");
  check_field(question->messages_field, body, "messages");
  check_field(question->prompt_field, body, "prompt");
  const answer::Answer answer(*question);
  HANSE_CHECK(!answer.complete());
}

}  // namespace
}  // namespace hanse::api

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  hanse::api::check(hanse::answer::Dialect::chat, body);
  hanse::api::check(hanse::answer::Dialect::completion, body);
  return 0;
}
