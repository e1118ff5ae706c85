// src/base/result.h
// Expected trouble as a value: what went wrong, whose fault it is, and
// whether trying again may help. Broken invariants are HANSE_CHECKs instead.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace hanse {

enum class ErrorCode : std::uint8_t {
  invalid_input,    // the caller's bytes or values make no sense
  unauthenticated,  // no key, or a key nobody knows
  forbidden,        // known, but may not
  not_found,
  conflict,  // already there, already ended
  over_budget,
  over_rate,
  at_capacity,  // a bound of ours was reached
  unavailable,  // the other side is down or unreachable
  timed_out,
  broken,  // the other side answered nonsense, or bytes on disk are damaged
  cancelled,
  internal,
};

// Whose fault it is, as a client, an operator and an auditor must be told.
enum class Fault : std::uint8_t { client, us, upstream };

enum class Retry : std::uint8_t {
  no,         // the same thing again fails again
  elsewhere,  // not there, perhaps at another site
  later,      // there or anywhere, after a while
};

std::string_view to_string(ErrorCode code);
std::string_view to_string(Fault fault);
std::string_view to_string(Retry retry);

struct Error {
  ErrorCode code = ErrorCode::internal;
  Fault fault = Fault::us;
  Retry retry = Retry::no;
  // A sentence for people: what was wrong, where, what to do.
  std::string message;

  bool operator==(const Error&) const = default;
};

template <typename T>
using Result = std::expected<T, Error>;

using Status = Result<void>;

inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }

inline std::unexpected<Error> invalid_input(std::string message) {
  return fail({ErrorCode::invalid_input, Fault::client, Retry::no, std::move(message)});
}

inline std::unexpected<Error> internal_error(std::string message) {
  return fail({ErrorCode::internal, Fault::us, Retry::later, std::move(message)});
}

}  // namespace hanse
