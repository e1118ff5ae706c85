// src/drivers/replay/virtual_clock.h
// The clock of a run in virtual time: it stands still until it is moved, and
// never moves backwards. Somebody may put its wall time forward.
#pragma once

#include "base/check.h"
#include "base/time.h"

namespace hanse::replay {

class VirtualClock {
 public:
  // The run begins at monotonic zero, which is `starts_at` on the wall.
  explicit VirtualClock(WallTime starts_at) : starts_at_(starts_at) {}

  [[nodiscard]] MonotonicTime monotonic() const { return now_; }
  [[nodiscard]] Instant now() const {
    return {.monotonic = now_, .wall = starts_at_ + elapsed(MonotonicTime(), now_)};
  }

  // Requires: `time` is not in the past.
  void advance_to(MonotonicTime time) {
    HANSE_CHECK(time >= now_);
    now_ = time;
  }
  // Requires: not backwards.
  void put_forward(Duration by) {
    HANSE_CHECK(by >= Duration());
    starts_at_ = starts_at_ + by;
  }

 private:
  WallTime starts_at_;
  MonotonicTime now_;
};

}  // namespace hanse::replay
