// src/base/time.h
// Durations and instants. Time is always an argument: only drivers own a
// clock.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "base/quantity.h"

namespace hanse {

// Nanoseconds.
using Duration = Quantity<struct DurationTag>;

constexpr Duration nanoseconds(std::int64_t n) { return Duration(n); }
constexpr Duration microseconds(std::int64_t n) { return Duration(n * 1'000); }
constexpr Duration milliseconds(std::int64_t n) { return Duration(n * 1'000'000); }
constexpr Duration seconds(std::int64_t n) { return Duration(n * 1'000'000'000); }

inline constexpr Duration kForever{std::numeric_limits<std::int64_t>::max() / 4};

// A point on the wall clock: nanoseconds since 1970-01-01 UTC, leap seconds
// not counted. For law, prices and books; never for waits.
using WallTime = Quantity<struct WallTimeTag>;

// A point on the monotonic clock: nanoseconds since the driver started. For
// waits; meaningless in another process.
using MonotonicTime = Quantity<struct MonotonicTimeTag>;

constexpr MonotonicTime operator+(MonotonicTime t, Duration d) {
  return MonotonicTime(t.count() + d.count());
}
constexpr Duration elapsed(MonotonicTime from, MonotonicTime to) {
  return Duration(to.count() - from.count());
}
constexpr WallTime operator+(WallTime t, Duration d) { return WallTime(t.count() + d.count()); }
constexpr Duration elapsed(WallTime from, WallTime to) {
  return Duration(to.count() - from.count());
}

// Both times at once. Within one journal `wall` never goes backwards.
struct Instant {
  MonotonicTime monotonic;
  WallTime wall;

  bool operator==(const Instant&) const = default;
};

// "1.25 s", "340 ms", "12 us": three digits for people.
std::string to_string(Duration duration);

// "2026-11-23T04:36:01.250Z".
std::string to_iso8601(WallTime time);

}  // namespace hanse
