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

HealthBook::HealthBook(std::size_t sites, HealthOptions options)
    : options_(options), health_(sites), unsound_(sites) {}

bool HealthBook::available(SiteId site, MonotonicTime now) const {
  const Health& health = of(site);
  switch (health.circuit) {
    case Circuit::closed: return true;
    case Circuit::open: return now >= health.open_until;
    case Circuit::trying: return health.trial == Trial::none;
  }
  return false;
}

Trial HealthBook::sent(SiteId site, Instant now) {
  Health& health = health_[site.value()];
  HANSE_CHECK(available(site, now.monotonic));
  if (health.circuit == Circuit::closed) return Trial::none;
  if (health.circuit == Circuit::open) move_to(site, Circuit::trying, now.wall);
  health.trial = static_cast<Trial>(++health.trials);
  return health.trial;
}

void HealthBook::first_token(SiteId site, Trial trial, Instant now) {
  Health& health = health_[site.value()];
  if (trial == Trial::none || trial != health.trial) return;
  health.trial = Trial::none;
  if (health.circuit != Circuit::closed) move_to(site, Circuit::closed, now.wall);
}

void HealthBook::succeeded(SiteId site, Trial, Instant now) {
  Health& health = health_[site.value()];
  health.trial = Trial::none;  // whatever it finds, the site works
  health.failures_in_row = 0;
  health.times_opened_in_row = 0;
  if (health.circuit != Circuit::closed) move_to(site, Circuit::closed, now.wall);
}

void HealthBook::failed_softly(SiteId site, Trial trial, Instant now) {
  Health& health = health_[site.value()];
  if (!end_trial(health, trial)) return;
  ++health.failures_in_row;
  if (health.circuit == Circuit::trying ||
      health.failures_in_row >= options_.soft_failures_to_open) {
    open(site, now);
  }
}

void HealthBook::failed_hard(SiteId site, Trial trial, Instant now) {
  Health& health = health_[site.value()];
  if (!end_trial(health, trial)) return;
  ++health.failures_in_row;
  open(site, now);
}

void HealthBook::told_nothing(SiteId site, Trial trial) {
  (void)end_trial(health_[site.value()], trial);
}

void HealthBook::probe_failed(SiteId site, Instant now) {
  // A probe is fresh news, also while a trial is under way.
  failed_hard(site, of(site).trial, now);
}

void HealthBook::probe_succeeded(SiteId site, Instant now) {
  const Health& health = of(site);
  if (health.circuit == Circuit::open) move_to(site, Circuit::trying, now.wall);
}

void HealthBook::open(SiteId site, Instant now) {
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
}

void HealthBook::move_to(SiteId site, Circuit circuit, WallTime now) {
  Health& health = health_[site.value()];
  health.circuit = circuit;
  health.since = now;
  if (circuit == Circuit::closed) {
    unsound_.erase(site.value());
  } else {
    unsound_.insert(site.value());
  }
}

void HealthBook::adopt(SiteId site, const Health& known) {
  health_[site.value()] = known;
  // A trial of the old book ends there.
  health_[site.value()].trial = Trial::none;
  move_to(site, known.circuit, known.since);
}

bool HealthBook::end_trial(Health& health, Trial trial) {
  if (health.circuit == Circuit::trying && trial != health.trial) return false;
  if (trial == health.trial) health.trial = Trial::none;
  return true;
}

}  // namespace hanse::fleet
