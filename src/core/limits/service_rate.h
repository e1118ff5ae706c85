// src/core/limits/service_rate.h
// How long until one who waits is served, judged by how those before were.
//
// Only time in which somebody waits counts: a queue that is empty for an hour
// says nothing about how fast it empties. So the clock of this class stands
// still while nobody waits, and the estimate is what the last few who left
// took of it. Time since the last one left counts too, so that an estimate
// grows while nothing moves.
//
// Plain state: no I/O, no clock, no threads. Integers only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace hanse::limits {

class ServiceRate {
 public:
  // With fewer served than this there is no estimate.
  static constexpr std::int64_t kServedMin = 4;

  // Somebody waits from now on; calling again changes nothing.
  // Requires: here and below, `now` never goes back.
  void begin_waiting(MonotonicTime now);
  // Nobody waits any more.
  void end_waiting(MonotonicTime now);
  // One of those who wait was served. Not for who left or was shed.
  void serve(MonotonicTime now);

  // How long it takes until so many are served.
  // Requires: requests is not negative.
  [[nodiscard]] std::optional<Duration> time_for(std::int64_t requests, MonotonicTime now) const;

 private:
  static constexpr std::size_t kMarks = 16;

  [[nodiscard]] Duration waited(MonotonicTime now) const;

  bool waiting_ = false;
  MonotonicTime since_;
  Duration waited_;  // before `since_`
  // What `waited` was when each of the last was served; at first, at the start.
  std::array<Duration, kMarks> marks_{};
  std::int64_t served_ = 0;
};

}  // namespace hanse::limits
