#include "core/fleet/site_slots.h"

#include "base/check.h"

namespace hanse::fleet {

SiteLine SlotOwner::set(std::string_view name, std::int32_t attempts_max) {
  auto known = by_name_.find(name);
  if (known == by_name_.end()) {
    known = by_name_.emplace(name, SiteLine(lines_.size())).first;
    lines_.emplace_back();
    full_.grow(lines_.size());
  }
  bound(known->second, attempts_max);
  return known->second;
}

void SlotOwner::bound(SiteLine site, std::int32_t attempts_max) {
  HANSE_CHECK(attempts_max >= 0);
  line(site).attempts_max = attempts_max;
  note_room(site);
}

bool SlotOwner::take(SiteLine site) {
  Line& at = line(site);
  if (at.taken >= at.attempts_max) return false;
  ++at.taken;
  note_room(site);
  return true;
}

void SlotOwner::give_back(SiteLine site) {
  Line& at = line(site);
  HANSE_CHECK(at.taken > 0);
  --at.taken;
  note_room(site);
}

std::int32_t SlotOwner::taken(SiteLine site) const {
  HANSE_CHECK(site.value() < lines_.size());
  return lines_[site.value()].taken;
}

SlotOwner::Line& SlotOwner::line(SiteLine site) {
  HANSE_CHECK(site.value() < lines_.size());
  return lines_[site.value()];
}

void SlotOwner::note_room(SiteLine site) {
  const Line& at = line(site);
  if (at.taken >= at.attempts_max) {
    full_.insert(site.value());
  } else {
    full_.erase(site.value());
  }
}

}  // namespace hanse::fleet
