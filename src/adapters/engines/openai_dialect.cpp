#include "adapters/engines/openai_dialect.h"

#include <fmt/format.h>

#include <array>
#include <iterator>

#include "base/json_cursor.h"

namespace hanse::engines {

using answer::Dialect;
using answer::Question;

std::string_view openai_path(Dialect dialect) {
  return dialect == Dialect::chat ? "/v1/chat/completions" : "/v1/completions";
}

void splice_model_and_limit(const Question& question, const Ask& ask, BodySplice& splice) {
  std::string model = "\"";
  append_json_escaped(ask.upstream_model, model);
  model += '"';
  splice.replace(question.model_field.value, model);

  for (const answer::Field& empty : question.empty_limit_fields) splice.cut(empty);
  const auto limit = ask.output_limit ? ask.output_limit : question.output_limit;
  if (!limit) return;
  std::array<char, 24> digits{};
  const auto end = fmt::format_to_n(digits.begin(), digits.size(), "{}", limit->count()).out;
  splice.rename_and_set(question.output_limit_field, "max_tokens", {digits.begin(), end});
}

void splice_stream_with_usage(const Question& question, BodySplice& splice) {
  if (!question.stream) splice.set(question.stream_field, "stream", "true");
  if (!question.stream || !question.include_usage) {
    splice.set(question.stream_options_field, "stream_options", R"({"include_usage":true})");
  }
}

void splice_answer_so_far(const Question& question, const Ask& ask, BodySplice& splice) {
  if (ask.answer_so_far.empty()) return;
  if (question.dialect == Dialect::completion) {
    const std::uint32_t quote = question.prompt_field.value.end - 1;
    return splice.replace({quote, quote}, ask.answer_so_far);
  }
  std::string message = R"(,{"role":"assistant","content":")";
  message.append(ask.answer_so_far).append("\"}");
  const std::uint32_t bracket = question.messages_field.value.end - 1;
  splice.replace({bracket, bracket}, message);
}

Status OpenAiDialect::write_request(const Question& question, std::string_view body, const Ask& ask,
                                    UpstreamRequest& out) const {
  BodySplice splice(question, body, out);
  splice_model_and_limit(question, ask, splice);
  if (question.stream) splice_stream_with_usage(question, splice);
  splice_answer_so_far(question, ask, splice);
  splice_own(question, ask, splice);
  splice.finish();
  out.path = openai_path(question.dialect);
  out.streamed = question.stream;
  return {};
}

}  // namespace hanse::engines
