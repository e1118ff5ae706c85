#include "core/limits/service_rate.h"

#include <algorithm>

#include "base/check.h"

namespace hanse::limits {

void ServiceRate::begin_waiting(MonotonicTime now) {
  if (waiting_) return;
  waiting_ = true;
  since_ = now;
}

void ServiceRate::end_waiting(MonotonicTime now) {
  waited_ = waited(now);
  waiting_ = false;
}

void ServiceRate::serve(MonotonicTime now) {
  served_ += 1;
  marks_[static_cast<std::size_t>(served_) % kMarks] = waited(now);
}

Duration ServiceRate::waited(MonotonicTime now) const {
  return waiting_ ? waited_ + elapsed(since_, now) : waited_;
}

std::optional<Duration> ServiceRate::time_for(std::int64_t requests, MonotonicTime now) const {
  HANSE_CHECK(requests >= 0);
  if (served_ < kServedMin) return std::nullopt;
  const std::int64_t counted = std::min(served_, static_cast<std::int64_t>(kMarks) - 1);
  const Duration from = marks_[static_cast<std::size_t>(served_ - counted) % kMarks];
  const __int128 took = (waited(now) - from).count();
  const __int128 needed = (took * requests + counted - 1) / counted;
  return Duration(
      static_cast<std::int64_t>(std::min(needed, static_cast<__int128>(kForever.count()))));
}

}  // namespace hanse::limits
