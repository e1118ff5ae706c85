// Decodes any bytes as an engine's reply, whole and in pieces, and stops when
// the two disagree, or when a delta's edits do not fit its JSON.
//
// The first byte chooses engine, dialect and content type, the second the size
// of the pieces.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/engines/response_decoder.h"
#include "base/check.h"
#include "base/json_cursor.h"
#include "core/answer/answer.h"

namespace hanse::engines {
namespace {

using answer::Delta;
using answer::Edit;

struct Choice {
  const Engine* engine = nullptr;
  DecoderOptions options;
  std::string_view content_type;
  std::int32_t status = 200;
};

Choice choose(std::uint8_t byte) {
  Choice choice;
  choice.engine = find_engine((byte & 1U) != 0 ? "openai" : "llama.cpp");
  if ((byte & 2U) != 0) choice.options.dialect = answer::Dialect::completion;
  if ((byte & 4U) != 0) choice.options.whole_replies = WholeReplies::as_they_are;
  if ((byte & 8U) != 0) choice.options.limits.event_bytes_max = 200;
  choice.content_type = std::array<std::string_view, 4>{"text/event-stream", "application/json", "",
                                                        "text/plain"}[(byte >> 4U) & 3U];
  if ((byte & 64U) != 0) choice.status = 400;
  return choice;
}

// What the writer would do with the edits must leave one JSON object.
void check_edits(const Delta& delta) {
  std::string edited;
  std::size_t at = 0;
  for (const Edit& edit : delta.edits) {
    HANSE_CHECK(edit.range.begin >= at && edit.range.end >= edit.range.begin &&
                edit.range.end <= delta.json.size());
    edited.append(delta.json.substr(at, edit.range.begin - at));
    at = edit.range.end;
    const bool is_value = edit.part == answer::Part::id || edit.part == answer::Part::model ||
                          edit.part == answer::Part::created;
    if (is_value) edited += "0";
  }
  edited.append(delta.json.substr(at));
  JsonCursor json(edited, {.lone_surrogates_allowed = true});
  HANSE_CHECK(json.peek() == JsonType::object && json.skip() && json.at_end());
  HANSE_CHECK(edited.find('\n') == std::string::npos || delta.edits.empty() ||
              delta.json.find('\n') != std::string::npos);
}

std::string decode(const Choice& choice, std::string_view body, std::size_t piece) {
  ResponseDecoder decoder(*choice.engine, choice.options);
  decoder.begin({.status = choice.status, .content_type = choice.content_type});
  answer::Answer answer(choice.options.dialect, 2);
  std::string said;
  Delta delta;
  const auto pull = [&] {
    for (;;) {
      const Step step = decoder.next(delta);
      if (step != Step::delta) return step;
      check_edits(delta);
      const answer::Emission emission = answer.take(delta);
      said += emission.forward ? "+" : "-";
      said.append(delta.text).append("|").append(delta.tool_calls).append("|");
    }
  };
  Step step = pull();
  while (step == Step::more && !body.empty()) {
    const std::string_view read = body.substr(0, piece);
    const std::vector<char> exact(read.begin(), read.end());
    decoder.feed({exact.data(), exact.size()});
    step = pull();
    body.remove_prefix(read.size());
  }
  if (step == Step::more) {
    decoder.feed_end(BodyEnd::clean);
    step = pull();
  }
  HANSE_CHECK(step != Step::more);
  HANSE_CHECK(decoder.next(delta) == step);
  said += std::to_string(static_cast<int>(step));
  if (step == Step::failed) said += to_string(decoder.failure().failure);
  return said;
}

}  // namespace
}  // namespace hanse::engines

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse::engines;
  if (size < 2) return 0;
  const Choice choice = choose(data[0]);
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t piece = 1 + data[1] % 64;
  const std::string whole = decode(choice, body, size);
  // A bound may be met a little earlier when a line comes in pieces.
  if (choice.options.limits.event_bytes_max > size) {
    HANSE_CHECK(decode(choice, body, piece) == whole);
  } else {
    decode(choice, body, piece);
  }
  return 0;
}
