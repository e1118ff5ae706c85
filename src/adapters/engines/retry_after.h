// src/adapters/engines/retry_after.h
// The Retry-After header of HTTP: seconds, or a date.
#pragma once

#include <optional>
#include <string_view>

#include "base/time.h"

namespace hanse::engines {

// How long to wait from `now`; never negative, at most a day, for a site that
// says more is to be looked at again anyway. Nothing for an absent header and
// for what is neither seconds nor one of HTTP's three forms of a date
// (RFC 9110, 5.6.7). Fractions of a second, which some APIs send, are taken.
std::optional<Duration> read_retry_after(std::string_view value, WallTime now);

}  // namespace hanse::engines
