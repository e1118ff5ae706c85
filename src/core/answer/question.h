// src/core/answer/question.h
// What is asked, in words of no dialect, with the places in the client's own
// bytes where the few fields stand that an engine must be told differently.
//
// The body is spliced, never written anew: tools, images, vendors' fields and
// their order reach the engine byte for byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bounded.h"
#include "base/money.h"

namespace hanse::answer {

// How the client speaks, and so how its answer must look.
enum class Dialect : std::uint8_t { chat, completion };

// A range [begin, end) of bytes in the body; empty when the field is absent.
struct ByteRange {
  std::uint32_t begin = 0;
  std::uint32_t end = 0;

  [[nodiscard]] bool present() const { return end > begin; }
  [[nodiscard]] std::string_view in(std::string_view body) const {
    return body.substr(begin, end - begin);
  }
  bool operator==(const ByteRange&) const = default;
};

// A member of the body's outermost object.
struct Field {
  ByteRange value;   // of the value alone
  ByteRange member;  // of the whole `"name": value`, without the commas around it

  [[nodiscard]] bool present() const { return value.present(); }
};

struct Question {
  Dialect dialect = Dialect::chat;
  std::string_view model;  // unescaped; lives as long as the body's owner says
  bool stream = false;
  bool include_usage = false;  // the client asked for the usage chunk

  // max_completion_tokens, max_tokens or n_predict, of which a client may name
  // one; nothing when it is absent, null or -1.
  std::optional<Tokens> output_limit;
  std::int32_t choices = 1;      // `n`: answers to each prompt
  std::int32_t generations = 1;  // that the engine makes for each: `best_of` may exceed `n`
  std::int32_t prompts = 1;      // of a completion, `prompt` may be a list
  std::int32_t messages = 0;
  std::int32_t images = 0;  // and other media: audio, video, files
  // Of all text in messages, prompts, tools and schemas: what bounds the
  // prompt tokens. Media are counted above instead.
  std::int64_t prompt_bytes = 0;

  // What forbids going on with a half-delivered answer elsewhere.
  bool has_tools = false;
  bool has_response_format = false;
  bool has_logprobs = false;
  bool has_stop = false;
  bool has_echo = false;  // the completion repeats its prompt

  // Where in the body: what an engine may have to be told differently.
  Field model_field;
  Field stream_field;
  Field stream_options_field;
  Field output_limit_field;  // the one that was named, also when null
  // Limits under the other names, in order. All are null; none may leave, for
  // an engine may believe the null instead of the number.
  InlineVector<Field, 2> empty_limit_fields;
  Field tool_choice_field;
  Field tools_field;
  Field messages_field;
  Field prompt_field;
  // Offset of the last `}`: where a member can be added, after a comma unless
  // the object is empty.
  std::uint32_t closing_brace = 0;
};

}  // namespace hanse::answer
