// src/adapters/http/timer_wheel.h
// All deadlines of a loop in slots of about a millisecond.
//
// A proxy moves deadlines with every byte and almost never meets one, so
// moving must be free and expiry may be coarse. A timer hangs in the slot of
// some tick not later than its deadline; arming it later only stores the new
// deadline, and the visit to the old slot hangs it further on. The wheel spans
// about 4.3 s; later deadlines are visited once per round.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/time.h"

namespace hanse::http {

class Timer;

class TimerWheel {
 public:
  explicit TimerWheel(MonotonicTime now);

  void arm(Timer& timer, MonotonicTime deadline);
  // Takes the timer off the wheel; Timer::cancel() alone leaves it hanging.
  void unlink(Timer& timer);

  // Calls back up to `most` timers that are due; returns how many.
  std::size_t expire(MonotonicTime now, std::size_t most);
  // When to call expire() again; nothing when no timer hangs.
  [[nodiscard]] std::optional<MonotonicTime> next_visit() const;

 private:
  static constexpr unsigned kTickShift = 20;  // 1.05 ms
  static constexpr std::size_t kSlots = 4096;

  void link(Timer& timer, std::uint64_t tick);
  [[nodiscard]] std::optional<std::uint64_t> next_tick() const;

  std::unique_ptr<std::array<Timer*, kSlots>> slots_;
  std::array<std::uint64_t, kSlots / 64> occupied_{};
  std::uint64_t current_;  // every earlier tick has been visited
};

}  // namespace hanse::http
