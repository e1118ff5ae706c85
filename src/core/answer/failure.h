// src/core/answer/failure.h
// How an attempt failed, in words that dispatch can act on. Every failure of
// every engine and socket is one of these.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace hanse::answer {

enum class Failure : std::uint8_t {
  none,
  unreachable,  // refused, no route, name not resolved, connection timed out
  tls,
  silent,            // connected, then nothing within the limit
  stalled,           // began, then too slow or nothing
  reset,             // cut before the end, by whatever bytes
  bad_answer,        // not HTTP, not JSON, not the events of an answer, an HTML page
  rate_limited,      // 429
  overloaded,        // 503, 529
  server_error,      // 500, 502, 504 and other 5xx
  credentials,       // 401, 403: our key is wrong there; not the client's fault
  model_missing,     // 404 for the model
  context_exceeded,  // the prompt does not fit
  content_filter,    // refused by the site's policy
  client_request,    // 400, 422: the site says that the request is wrong
  error_event,       // an error in mid-stream
  oversize,          // an answer past our bounds
  diverged,          // a repeat told another answer than the client has begun to read
};

inline constexpr Failure kLastFailure = Failure::diverged;

std::string_view to_string(Failure failure);

// Whose fault a failure is when nothing else helps. The site's words are shown
// to the client only when the fault is the client's.
Fault fault_of(Failure failure);

// A failure with what the site said about it.
struct FailureReport {
  Failure failure = Failure::none;
  std::int32_t http_status = 0;              // 0: there was none, or it was 200
  std::optional<Duration> retry_after = {};  // how long the site asks to be left alone
  // For the operator's log, one line, bounded. May quote the site, so it may
  // hold pieces of the prompt: never for logs at their default level.
  std::string site_message = {};
  // For the client, when the fault is the client's: the site's words, bounded,
  // and the words of OpenAI for them.
  std::string client_message = {};
  std::string client_code = {};   // "context_length_exceeded"; may be empty
  std::string client_param = {};  // the field that is wrong; may be empty
};

}  // namespace hanse::answer
