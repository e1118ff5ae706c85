#include "core/dispatch/attempt_watch.h"

#include <algorithm>

namespace hanse::dispatch {

void AttemptWatch::connected(MonotonicTime) {
  if (phase_ == Phase::connecting) phase_ = Phase::sent;
}

void AttemptWatch::answers(MonotonicTime) {
  if (phase_ < Phase::answers) phase_ = Phase::answers;
}

void AttemptWatch::progressed(Tokens tokens, MonotonicTime now) {
  if (phase_ != Phase::answering) {
    phase_ = Phase::answering;
    window_begin_ = now;
    window_tokens_ = tokens;
  }
  tokens_ = tokens;
  moved_at_ = now;
}

void AttemptWatch::paused(MonotonicTime now) {
  if (!paused_at_) paused_at_ = now;
}

void AttemptWatch::resumed(MonotonicTime now) {
  if (!paused_at_) return;
  const Duration lost = elapsed(*paused_at_, now);
  moved_at_ = moved_at_ + lost;
  window_begin_ = window_begin_ + lost;
  paused_at_.reset();
}

MonotonicTime AttemptWatch::phase_due() const {
  const Duration first_byte =
      reply_ == Reply::whole ? limits_.whole_reply : std::min(limits_.headers, limits_.first_token);
  switch (phase_) {
    case Phase::connecting: return opened_at_ + std::min(limits_.connect, first_byte);
    case Phase::sent: return opened_at_ + first_byte;
    case Phase::answers:
      return opened_at_ + (reply_ == Reply::whole ? limits_.whole_reply : limits_.first_token);
    case Phase::answering: break;
  }
  return std::min(moved_at_ + limits_.between_tokens, window_begin_ + limits_.rate_window);
}

MonotonicTime AttemptWatch::due() const {
  const MonotonicTime end = opened_at_ + limits_.whole;
  return paused_at_ ? end : std::min(phase_due(), end);
}

std::optional<answer::Failure> AttemptWatch::overdue(MonotonicTime now) {
  if (now < due()) return std::nullopt;
  switch (phase_) {
    case Phase::connecting: return answer::Failure::unreachable;
    case Phase::sent:
    case Phase::answers: return answer::Failure::silent;
    case Phase::answering: break;
  }
  const bool is_slow = now >= opened_at_ + limits_.whole ||
                       now >= moved_at_ + limits_.between_tokens ||
                       tokens_ - window_tokens_ < limits_.rate_tokens;
  if (is_slow) return answer::Failure::stalled;
  window_begin_ = now;
  window_tokens_ = tokens_;
  return std::nullopt;
}

}  // namespace hanse::dispatch
