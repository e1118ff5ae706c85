// src/core/dispatch/attempt_watch.h
// Whether an attempt still keeps the limits that dispatch opened it with.
//
// Pure: told what came and when, it says by when the next thing must come and
// what its absence means. One timer an attempt is enough: when it rings, ask
// overdue(), and if that says nothing, set it for due() again. Live and in
// virtual time the same.
#pragma once

#include <cstdint>
#include <optional>

#include "base/money.h"
#include "base/time.h"
#include "core/answer/failure.h"
#include "core/dispatch/record.h"

namespace hanse::dispatch {

// How the engine was asked to answer: of a whole reply the first byte is
// nearly the last.
enum class Reply : std::uint8_t { streamed, whole };

class AttemptWatch {
 public:
  AttemptWatch() = default;
  AttemptWatch(const AttemptLimits& limits, Reply reply, MonotonicTime opened_at)
      : limits_(limits), reply_(reply), opened_at_(opened_at), moved_at_(opened_at) {}

  // The connection is there, or a kept one is used.
  void connected(MonotonicTime now);
  // The response's head is there.
  void answers(MonotonicTime now);
  // The answer has come to `tokens` of this attempt in all. Keep-alive comments,
  // roles and empty deltas are no progress and are not told.
  void progressed(Tokens tokens, MonotonicTime now);
  // The client takes nothing, so the site is not read from: that time is not
  // the site's. Told in turns.
  void paused(MonotonicTime now);
  void resumed(MonotonicTime now);

  // When the attempt has failed unless something comes before.
  [[nodiscard]] MonotonicTime due() const;
  // What has failed, when due() has passed; nothing when it only was a window of
  // the rate that ended well, and a new one begins.
  std::optional<answer::Failure> overdue(MonotonicTime now);

 private:
  enum class Phase : std::uint8_t { connecting, sent, answers, answering };

  [[nodiscard]] MonotonicTime phase_due() const;

  AttemptLimits limits_;
  Reply reply_ = Reply::streamed;
  Phase phase_ = Phase::connecting;
  MonotonicTime opened_at_;
  MonotonicTime moved_at_;
  Tokens tokens_{0};
  MonotonicTime window_begin_;  // while answering
  Tokens window_tokens_{0};     // tokens_ by then
  std::optional<MonotonicTime> paused_at_;
};

}  // namespace hanse::dispatch
