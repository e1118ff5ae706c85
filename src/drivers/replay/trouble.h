// src/drivers/replay/trouble.h
// What goes wrong at a simulated site: with one attempt, or with all of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/money.h"
#include "base/time.h"
#include "base/usage.h"
#include "core/answer/failure.h"
#include "core/fleet/sign_book.h"

namespace hanse::replay {

// What goes wrong with one attempt.
enum class Trouble : std::uint8_t {
  none,
  // Before anything has been answered.
  refused,  // nobody listens
  tls_failure,
  silent,        // takes the connection, then says nothing
  headers_only,  // says 200, then nothing
  rate_limited,
  overloaded,
  server_error,
  credentials,
  model_missing,
  context_exceeded,
  content_filter,
  client_request,
  bad_answer,  // 200 with an HTML page
  // After AttemptScript::after tokens.
  cut,
  stall,
  error_event,
  oversize,
  // All the way.
  slow,
};
inline constexpr std::size_t kTroubles = 19;

// The words of scenario files: "server_error" and so on.
std::string_view to_string(Trouble trouble);
std::optional<Trouble> parse_trouble(std::string_view word);

// The status or the broken bytes that the trouble shows as; none for those
// that are only noticed by waiting, or that come after a part was answered.
answer::Failure failure_at_once(Trouble trouble);
// Likewise, for those that come after AttemptScript::after tokens; a stall is
// only noticed by waiting.
answer::Failure failure_in_mid_stream(Trouble trouble);

// How a site treats one attempt.
struct AttemptScript {
  Trouble trouble = Trouble::none;
  Tokens after{1};                      // tokens answered before it, in mid-stream
  std::int64_t slowness = 1;            // time per token, times this
  std::optional<Duration> retry_after;  // sent with rate_limited and overloaded
  bool says_usage = true;               // false: the gateway must count
  // What the site says that it used, if that is not the truth.
  std::optional<TokenCounts> claims;
  // News of the attempt comes once more, so long after it is over.
  std::optional<Duration> told_again_after = {};

  bool operator==(const AttemptScript&) const = default;
};

// What is wrong with a whole site.
enum class Condition : std::uint8_t {
  up,
  down,     // its process is gone: connections are refused, open ones reset
  hung,     // takes connections and says nothing
  cut_off,  // the link is: whatever is sent is lost
};

// What a site's engine tells of itself when it is asked.
struct Telling {
  enum class What : std::uint8_t {
    nothing,  // it has no such page
    truth,    // what it has of us, and `more` of others' beside
    words,    // `more`, whatever it does: a page that stands still, or lies
  };

  What what = What::nothing;
  fleet::Sign more = {};

  bool operator==(const Telling&) const = default;
};

std::string_view to_string(Telling::What what);
std::optional<Telling::What> parse_telling(std::string_view word);

std::string_view to_string(Condition condition);
std::optional<Condition> parse_condition(std::string_view word);

}  // namespace hanse::replay
