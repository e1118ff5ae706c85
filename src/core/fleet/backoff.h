// src/core/fleet/backoff.h
// Pauses that double with each failure and are forgotten slowly.
//
// What fails, answers once and fails again has not recovered. So an answer
// does not forget: the next pause is halved only for each time in a row that
// it has then been well for kSteady times that pause. A flapping site keeps
// its long pauses; one that was away for a night is trusted as before after
// some minutes.
//
// Plain state: no clock.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/time.h"

namespace hanse::fleet {

struct Pauses {
  Duration first = seconds(1);
  Duration most = seconds(30);
};

class Backoff {
 public:
  static constexpr std::int64_t kSteady = 4;

  // It fails: for how long to leave it alone from now on.
  Duration fail(const Pauses& pauses, MonotonicTime now) {
    forgive(pauses, now);
    const Duration pause = pause_after(pauses, failures_);
    failures_ = std::min(failures_ + 1, kDoublingsMax);
    return pause;
  }
  // It works from now on, until it fails the next time.
  void works(MonotonicTime now) {
    if (!well_since_) well_since_ = now;
  }

  // Failures that count: the next pause is doubled so often.
  [[nodiscard]] std::int32_t failures() const { return failures_; }

 private:
  // A pause of an hour, doubled so often, is still a number.
  static constexpr std::int32_t kDoublingsMax = 16;

  static Duration pause_after(const Pauses& pauses, std::int32_t failures) {
    return std::min(pauses.first * (std::int64_t{1} << failures), pauses.most);
  }

  void forgive(const Pauses& pauses, MonotonicTime now) {
    if (!well_since_) return;
    Duration well = elapsed(*well_since_, now);
    well_since_.reset();
    // Failures that doubled nothing any more are forgotten with the last that did.
    while (failures_ > 0 && pause_after(pauses, failures_ - 1) == pauses.most) --failures_;
    for (; failures_ > 0; --failures_) {
      const Duration asked = pause_after(pauses, failures_) * kSteady;
      if (well < asked) return;
      well = well - asked;
    }
  }

  std::int32_t failures_ = 0;
  std::optional<MonotonicTime> well_since_;
};

}  // namespace hanse::fleet
