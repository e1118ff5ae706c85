#include "core/fleet/health.h"

#include <algorithm>

#include "base/check.h"

namespace hanse::fleet {

std::string_view to_string(Circuit circuit) {
  switch (circuit) {
    case Circuit::closed: return "closed";
    case Circuit::open: return "open";
    case Circuit::trying: return "trying";
  }
  return "unknown";
}

HealthBook::HealthBook(HealthNews& others, HealthOptions options)
    : others_(&others), options_(options) {}

void HealthBook::know(SiteLine site) {
  if (site.value() < health_.size()) return;
  health_.resize(site.value() + 1);
  unsound_.grow(health_.size());
}

bool HealthBook::available(SiteLine site, MonotonicTime now) const {
  const Health& health = of(site);
  switch (health.circuit) {
    case Circuit::closed: return true;
    case Circuit::open: return now >= health.open_until;
    case Circuit::trying: return health.trial == Trial::none;
  }
  return false;
}

Trial HealthBook::sent(SiteLine site, Instant now) {
  Health& health = health_[site.value()];
  HANSE_CHECK(available(site, now.monotonic));
  if (health.circuit == Circuit::closed) return Trial::none;
  if (health.circuit == Circuit::open) move_to(site, Circuit::trying, now.wall);
  health.trial = static_cast<Trial>(++health.trials);
  return health.trial;
}

void HealthBook::first_token(SiteLine site, Trial trial, Instant now) {
  Health& health = health_[site.value()];
  if (trial == Trial::none || trial != health.trial) return;
  health.trial = Trial::none;
  if (health.circuit != Circuit::closed) close(site, now);
}

void HealthBook::succeeded(SiteLine site, Trial, Instant now) {
  Health& health = health_[site.value()];
  health.trial = Trial::none;  // whatever it finds, the site works
  health.failures_in_row = 0;
  health.times_opened_in_row = 0;
  if (health.circuit != Circuit::closed) close(site, now);
}

void HealthBook::failed_softly(SiteLine site, Trial trial, Instant now) {
  Health& health = health_[site.value()];
  if (!end_trial(health, trial)) return;
  ++health.failures_in_row;
  if (health.circuit == Circuit::trying ||
      health.failures_in_row >= options_.soft_failures_to_open) {
    open(site, now, Whose::ours, false);
  }
}

void HealthBook::failed_hard(SiteLine site, Trial trial, Instant now) {
  Health& health = health_[site.value()];
  if (!end_trial(health, trial)) return;
  ++health.failures_in_row;
  open(site, now, Whose::ours, true);
}

void HealthBook::turned_away(SiteLine site, Trial trial, Instant now) {
  Health& health = health_[site.value()];
  if (!end_trial(health, trial)) return;
  ++health.failures_in_row;
  open(site, now, Whose::ours, false);
}

void HealthBook::told_nothing(SiteLine site, Trial trial) {
  (void)end_trial(health_[site.value()], trial);
}

void HealthBook::reported(SiteLine site, Finding finding, Instant now) {
  Health& health = health_[site.value()];
  if (finding != Finding::fails) {
    const bool is_news = finding == Finding::works || health.seen_by_probes;
    if (health.circuit == Circuit::open && is_news) move_to(site, Circuit::trying, now.wall);
    return;
  }
  // It is fresh news, also while a trial is under way: that ends here.
  health.trial = Trial::none;
  ++health.failures_in_row;
  open(site, now, Whose::theirs, true);
}

void HealthBook::open(SiteLine site, Instant now, Whose whose, bool seen_by_probes) {
  Health& health = health_[site.value()];
  // Failures of attempts that were under way when it opened do not prolong
  // the pause: they tell the same thing again.
  if (health.circuit == Circuit::open && now.monotonic < health.open_until) return;
  constexpr std::int32_t kDoublingsMax = 16;
  const std::int64_t factor = std::int64_t{1}
                              << std::min(health.times_opened_in_row, kDoublingsMax);
  const Duration pause = std::min(options_.pause_first * factor, options_.pause_max);
  ++health.times_opened_in_row;
  if (health.circuit != Circuit::open) move_to(site, Circuit::open, now.wall);
  health.open_until = now.monotonic + pause;
  health.seen_by_probes = seen_by_probes;
  if (whose == Whose::ours) others_->publish(site, Finding::fails);
}

void HealthBook::close(SiteLine site, Instant now) {
  move_to(site, Circuit::closed, now.wall);
  others_->publish(site, Finding::works);
}

void HealthBook::move_to(SiteLine site, Circuit circuit, WallTime now) {
  Health& health = health_[site.value()];
  health.circuit = circuit;
  health.since = now;
  if (circuit == Circuit::closed) {
    unsound_.erase(site.value());
  } else {
    unsound_.insert(site.value());
  }
}

bool HealthBook::end_trial(Health& health, Trial trial) {
  if (health.circuit == Circuit::trying && trial != health.trial) return false;
  if (trial == health.trial) health.trial = Trial::none;
  return true;
}

}  // namespace hanse::fleet
