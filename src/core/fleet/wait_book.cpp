#include "core/fleet/wait_book.h"

#include <algorithm>

namespace hanse::fleet {

void WaitBook::asked(SiteLine site, std::optional<Duration> asked, MonotonicTime now) {
  if (site.value() >= waits_.size()) {
    waits_.resize(site.value() + 1);
    waiting_.grow(waits_.size());
  }
  Wait& wait = waits_[site.value()];
  Duration pause = std::min(asked.value_or(Duration()), kNamedMax);
  if (!asked) {
    constexpr std::int32_t kDoublingsMax = 10;
    pause = std::min(kUnnamed * (std::int64_t{1} << std::min(wait.unnamed_in_row, kDoublingsMax)),
                     kUnnamedMax);
    // Those who asked together were told together: that is one answer, not many.
    if (now >= wait.until)
      ++wait.unnamed_in_row;
    else
      return;
  }
  wait.until = std::max(wait.until, now + pause);
  if (wait.until > now) waiting_.insert(site.value());
}

void WaitBook::answered(SiteLine site) {
  if (site.value() < waits_.size()) waits_[site.value()].unnamed_in_row = 0;
}

std::optional<MonotonicTime> WaitBook::until(SiteLine site, MonotonicTime now) const {
  if (site.value() >= waits_.size() || waits_[site.value()].until <= now) return std::nullopt;
  return waits_[site.value()].until;
}

void WaitBook::tidy(MonotonicTime now) {
  for (std::size_t i = 0; i < waits_.size(); ++i) {
    if (waits_[i].until <= now) waiting_.erase(i);
  }
}

}  // namespace hanse::fleet
