// src/core/answer/delta.h
// One event of an engine's answer, parsed: what it adds, in words of no
// dialect, and the bytes it came in.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/usage.h"
#include "core/answer/question.h"

namespace hanse::answer {

enum class Finish : std::uint8_t {
  none,
  stop,            // the model was done, or met a stop sequence
  length,          // met the output limit
  tool_calls,
  content_filter,
  other,
};

// A delta's views live until the decoder is fed again.
struct Delta {
  // The event's JSON as the engine sent it; empty for one made here.
  std::string_view json;
  // In `json`: what is the gateway's to change. Values, with quotes.
  ByteRange id_value;
  ByteRange model_value;
  ByteRange usage_member;    // `"usage": ...`, absent or null counts as absent
  ByteRange choices_value;   // the whole array
  // Members that are the engine's private talk (timings and the like) and must
  // not reach a client who did not ask; `extra_member_count` of them are set.
  ByteRange private_member;

  std::uint32_t choice = 0;       // of the first choice in the event
  std::uint32_t choice_count = 0; // choices in this event
  bool has_role = false;
  std::string_view text;          // content, still escaped as in JSON, without quotes
  std::string_view reasoning;     // likewise
  bool has_tool_call = false;     // carries a part of a tool call
  Finish finish = Finish::none;
  std::optional<Usage> usage;

  // Whether it moves the answer on: text, reasoning or a part of a tool call.
  // Keep-alive comments and empty deltas are no progress.
  [[nodiscard]] bool is_progress() const {
    return !text.empty() || !reasoning.empty() || has_tool_call;
  }
};

// How an attempt failed, in words that dispatch can act on. Every failure of
// every engine and socket is one of these.
enum class Failure : std::uint8_t {
  none,
  unreachable,        // refused, no route, name not resolved, connection timed out
  tls,
  silent,             // connected, then nothing within the limit
  stalled,            // began, then too slow or nothing
  reset,              // cut before the end, by whatever bytes
  bad_answer,         // not HTTP, not JSON, not the events of an answer, an HTML page
  rate_limited,       // 429
  overloaded,         // 503, 529
  server_error,       // 500, 502, 504 and other 5xx
  credentials,        // 401, 403: our key is wrong there; not the client's fault
  model_missing,      // 404 for the model
  context_exceeded,   // the prompt does not fit
  content_filter,     // refused by the site's policy
  client_request,     // 400, 422: the site says that the request is wrong
  error_event,        // an error in mid-stream
  oversize,           // an answer past our bounds
};

std::string_view to_string(Failure failure);
std::string_view to_string(Finish finish);

}  // namespace hanse::answer
