#include "core/fleet/sign_book.h"

#include <algorithm>

namespace hanse::fleet {

std::int32_t SignBook::weight(Duration age) {
  if (age <= kFresh) return kWhole;
  if (age >= kGone) return 0;
  // Below 2^34 ns times 2^20: within 63 bits.
  return static_cast<std::int32_t>((kGone - age).count() * kWhole / (kGone - kFresh).count());
}

void SignBook::asked(SiteLine site, std::int32_t ours, MonotonicTime now) {
  Line& line = this->line(site);
  line.ours_when_asked = ours;
  line.asked_at = now;
}

void SignBook::measured(SiteLine site, const Sign& sign, std::int32_t ours, MonotonicTime now) {
  Line& line = this->line(site);
  Told& told = line.told;
  told.sign = {.running = std::clamp(sign.running, 0, kSequencesMax),
               .waiting = std::clamp(sign.waiting, 0, kSequencesMax),
               .kv_use_ppm = sign.kv_use_ppm};
  const std::int32_t there = told.sign.running + told.sign.waiting;
  told.others = std::max(there - std::max(ours, line.ours_when_asked), 0);
  told.untold = std::max(std::min(ours, line.ours_when_asked) - there, 0);
  told.asked_at = line.asked_at;
  told.at = now;
  told.weight = weight(kStep);
  told_.insert(site.value());
}

bool SignBook::fade(SiteLine site, MonotonicTime now) {
  Told& told = lines_[site.value()].told;
  const std::int32_t before = told.weight;
  told.weight = weight(elapsed(told.at, now) + kStep);
  if (told.weight == 0) told_.erase(site.value());
  return told.weight != before;
}

SignBook::Line& SignBook::line(SiteLine site) {
  if (site.value() >= lines_.size()) {
    lines_.resize(site.value() + 1);
    told_.grow(lines_.size());
  }
  return lines_[site.value()];
}

}  // namespace hanse::fleet
