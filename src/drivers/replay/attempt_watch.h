// src/drivers/replay/attempt_watch.h
// Whether an attempt still keeps the limits that dispatch opened it with.
//
// Pure: told what came and when, it says by when the next thing must come and
// what its absence means. One timer an attempt is enough: when it rings, ask
// due() again.
#pragma once

#include <algorithm>

#include "base/time.h"
#include "core/answer/failure.h"
#include "core/dispatch/record.h"

namespace hanse::replay {

class AttemptWatch {
 public:
  AttemptWatch() = default;
  AttemptWatch(const dispatch::AttemptLimits& limits, MonotonicTime opened_at)
      : limits_(limits), opened_at_(opened_at), moved_at_(opened_at) {}

  void connected(MonotonicTime now) {
    if (phase_ != Phase::connecting) return;
    phase_ = Phase::waiting;
    moved_at_ = now;
  }
  // A part of the answer came; keep-alive comments are none.
  void answered(MonotonicTime now) {
    phase_ = Phase::answering;
    moved_at_ = now;
  }

  // When the attempt has failed unless something comes before.
  [[nodiscard]] MonotonicTime due() const {
    return std::min(moved_at_ + limit(), opened_at_ + limits_.whole);
  }
  // What has happened if nothing came until due().
  [[nodiscard]] answer::Failure failure() const {
    switch (phase_) {
      case Phase::connecting: return answer::Failure::unreachable;
      case Phase::waiting: return answer::Failure::silent;
      case Phase::answering: break;
    }
    return answer::Failure::stalled;
  }

 private:
  enum class Phase : std::uint8_t { connecting, waiting, answering };

  [[nodiscard]] Duration limit() const {
    switch (phase_) {
      case Phase::connecting: return limits_.connect;
      case Phase::waiting: return limits_.first_token;
      case Phase::answering: break;
    }
    return limits_.between_tokens;
  }

  dispatch::AttemptLimits limits_;
  MonotonicTime opened_at_;
  MonotonicTime moved_at_;
  Phase phase_ = Phase::connecting;
};

}  // namespace hanse::replay
