// src/core/fleet/slow_start.h
// How much is sent to a site that has just come back: not everything at once.
//
// An engine that has restarted computes each first prompt without a cache, and
// whatever brought it down may be what awaits it. So one attempt may wait for
// its first token there, and with each first token that comes, one more: their
// number doubles each time as long as a first token takes. After kAnswers of
// them the site is like any other. Attempts that have begun to answer do not
// count, however long they last; what fails is for the circuit to judge.
//
// Plain state. Attempts are numbered; those sent before the start, and those
// sent when nobody counted, are told of without harm.
#pragma once

#include <cstdint>

#include "base/check.h"

namespace hanse::fleet {

class SlowStart {
 public:
  static constexpr std::int32_t kAnswers = 31;  // 1 + 2 + 4 + 8 + 16

  // All attempts numbered later than `last` count.
  void begin(std::uint32_t last) {
    *this = SlowStart();
    going_ = true;
    last_before_ = last;
  }
  void stop() { *this = SlowStart(); }

  [[nodiscard]] bool going() const { return going_; }
  // Whether one more attempt may be sent.
  [[nodiscard]] bool admits() const { return !going_ || waiting_ <= answered_; }
  // Attempts that wait for their first token.
  [[nodiscard]] std::int32_t waiting() const { return waiting_; }

  // An attempt with the next number is. Requires: admits().
  void sent() { waiting_ += going_ ? 1 : 0; }
  // Its first token has come. Requires: told once.
  void answered(std::uint32_t attempt) {
    if (!counts(attempt)) return;
    ended(attempt);
    if (++answered_ >= kAnswers) stop();
  }
  // It has ended without one. Requires: likewise, and not after answered().
  void ended(std::uint32_t attempt) {
    if (!counts(attempt)) return;
    HANSE_CHECK(waiting_ > 0);
    --waiting_;
  }

 private:
  [[nodiscard]] bool counts(std::uint32_t attempt) const {
    return going_ && attempt > last_before_;
  }

  bool going_ = false;
  std::int32_t waiting_ = 0;
  std::int32_t answered_ = 0;
  std::uint32_t last_before_ = 0;
};

}  // namespace hanse::fleet
