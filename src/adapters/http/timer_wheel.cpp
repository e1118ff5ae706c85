#include "adapters/http/timer_wheel.h"

#include <algorithm>
#include <bit>

#include "adapters/http/loop.h"

namespace hanse::http {

namespace {

std::uint64_t floor_tick(MonotonicTime time, unsigned shift) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(time.count(), 0)) >> shift;
}

}  // namespace

TimerWheel::TimerWheel(MonotonicTime now)
    : slots_(std::make_unique<std::array<Timer*, kSlots>>()),
      current_(floor_tick(now, kTickShift)) {}

void TimerWheel::arm(Timer& timer, MonotonicTime deadline) {
  timer.deadline_ = deadline;
  timer.armed_ = true;
  // Rounded up, so that a visited timer is due.
  const std::uint64_t tick = floor_tick(deadline, kTickShift) + 1;
  const std::uint64_t bounded = std::clamp(tick, current_ + 1, current_ + kSlots - 1);
  if (timer.previous_next_ != nullptr) {
    if (timer.tick_ <= bounded) return;
    unlink(timer);
  }
  link(timer, bounded);
}

void TimerWheel::link(Timer& timer, std::uint64_t tick) {
  const std::size_t slot = tick % kSlots;
  timer.tick_ = tick;
  Timer*& head = (*slots_)[slot];
  timer.next_ = head;
  timer.previous_next_ = &head;
  if (head != nullptr) head->previous_next_ = &timer.next_;
  head = &timer;
  occupied_[slot / 64] |= std::uint64_t{1} << (slot % 64);
}

void TimerWheel::unlink(Timer& timer) {
  if (timer.previous_next_ == nullptr) return;
  *timer.previous_next_ = timer.next_;
  if (timer.next_ != nullptr) timer.next_->previous_next_ = timer.previous_next_;
  timer.previous_next_ = nullptr;
  timer.next_ = nullptr;
  const std::size_t slot = timer.tick_ % kSlots;
  if ((*slots_)[slot] == nullptr) occupied_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
}

std::size_t TimerWheel::expire(MonotonicTime now, std::size_t most) {
  const std::uint64_t until = floor_tick(now, kTickShift);
  std::size_t called = 0;
  while (current_ <= until) {
    const auto tick = next_tick();
    if (!tick || *tick > until) {
      current_ = until + 1;
      break;
    }
    current_ = *tick;
    Timer*& head = (*slots_)[current_ % kSlots];
    while (head != nullptr) {
      if (called == most) return called;
      Timer& timer = *head;
      unlink(timer);
      if (!timer.armed_) continue;
      if (timer.deadline_ > now) {
        arm(timer, timer.deadline_);
        continue;
      }
      timer.armed_ = false;
      ++called;
      timer.callback_();
    }
    ++current_;
  }
  return called;
}

std::optional<std::uint64_t> TimerWheel::next_tick() const {
  const std::size_t first = current_ % kSlots;
  constexpr std::size_t kWords = kSlots / 64;
  for (std::size_t i = 0; i <= kWords; ++i) {
    const std::size_t word = (first / 64 + i) % kWords;
    std::uint64_t bits = occupied_[word];
    if (i == 0) bits &= ~std::uint64_t{0} << (first % 64);
    if (i == kWords) bits &= (std::uint64_t{1} << (first % 64)) - 1;
    if (bits == 0) continue;
    const std::size_t slot = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
    return current_ + (slot + kSlots - first) % kSlots;
  }
  return std::nullopt;
}

std::optional<MonotonicTime> TimerWheel::next_visit() const {
  const auto tick = next_tick();
  if (!tick) return std::nullopt;
  return MonotonicTime(static_cast<std::int64_t>(*tick << kTickShift));
}

}  // namespace hanse::http
