// src/core/answer/delta.h
// One event of an engine's answer, parsed: what it adds, in words of no
// dialect, and the bytes it came in.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bounded.h"
#include "base/usage.h"
#include "core/answer/failure.h"
#include "core/answer/question.h"

namespace hanse::answer {

enum class Finish : std::uint8_t {
  none,
  stop,    // the model was done, or met a stop sequence
  length,  // met the output limit
  tool_calls,
  content_filter,
  other,
};

// What an edit of an event's bytes is about.
enum class Part : std::uint8_t {
  id,        // a value, with quotes: the gateway's own goes there
  model,     // likewise
  created,   // a value: one for the whole stream
  role,      // a member with one comma beside it: goes when the role was said
  unwanted,  // bytes that never reach the client: the engine's usage, private
             // members, other choices of the same event
};

struct Edit {
  ByteRange range;
  Part part = Part::unwanted;
};

// What one event says about one choice. An event with several choices makes
// several deltas. A delta's views live until the decoder is fed again.
struct Delta {
  static constexpr std::size_t kEditsMax = 12;

  // The event's JSON object as the engine sent it, blanks around it trimmed.
  std::string_view json;
  // Where it is to be edited, in order, without overlaps.
  InlineVector<Edit, kEditsMax> edits;
  bool has_id = false;     // else the writer adds ours
  bool has_model = false;  // likewise

  // The value of `model` as it stands, with quotes if it is a string; empty when
  // it was not given.
  [[nodiscard]] std::string_view model() const {
    for (const Edit& edit : edits) {
      if (edit.part == Part::model) return edit.range.in(json);
    }
    return {};
  }

  std::string_view fingerprint;  // `system_fingerprint` with quotes

  bool has_choice = false;   // false: only usage, or nothing for the client
  std::uint32_t choice = 0;  // its index
  bool has_role = false;
  // All of these still escaped as in JSON, strings without their quotes.
  std::string_view text;  // content, or a completion's text
  std::string_view reasoning;
  std::string_view refusal;
  std::string_view tool_calls;     // the array
  std::string_view function_call;  // the object of the older kind
  std::string_view logprobs;       // the object
  std::string_view finish_value;   // the finish reason with quotes
  // The choice says something that this list does not know and that is not
  // null or empty; the client must get it.
  // From its first member to its last; empty: there is none.
  std::string_view vendor_part;
  Finish finish = Finish::none;
  std::optional<Usage> usage;
  // The sides of it that the engine left out, or for which it wrote no count.
  bool usage_lacks_prompt = false;
  bool usage_lacks_output = false;
  // The usage is of one choice alone, as llama.cpp reports it: others report
  // theirs, and each counts the prompt again.
  std::optional<std::uint32_t> usage_of_choice;

  // Whether it moves the answer on: text, reasoning or a part of a tool call.
  // Keep-alive comments, roles and empty deltas are no progress.
  [[nodiscard]] bool is_progress() const {
    return !text.empty() || !reasoning.empty() || !refusal.empty() || !tool_calls.empty() ||
           !function_call.empty();
  }
};

std::string_view to_string(Finish finish);

}  // namespace hanse::answer
