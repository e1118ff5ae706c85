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
    : options_(options), health_(sites) {}

bool HealthBook::available(SiteId site, MonotonicTime now) const {
  const Health& health = of(site);
  switch (health.circuit) {
    case Circuit::closed: return true;
    case Circuit::open: return now >= health.open_until;
    case Circuit::trying: return health.trials_under_way == 0;
  }
  return false;
}

void HealthBook::sent(SiteId site, Instant now) {
  Health& health = health_[site.value()];
  HANSE_CHECK(available(site, now.monotonic));
  if (health.circuit == Circuit::closed) return;
  if (health.circuit == Circuit::open) {
    health.circuit = Circuit::trying;
    health.since = now.wall;
  }
  ++health.trials_under_way;
}

void HealthBook::succeeded(SiteId site, Instant now) {
  Health& health = health_[site.value()];
  end_trial(health);
  health.failures_in_row = 0;
  health.times_opened_in_row = 0;
  if (health.circuit == Circuit::closed) return;
  health.circuit = Circuit::closed;
  health.since = now.wall;
}

void HealthBook::failed_softly(SiteId site, Instant now) {
  Health& health = health_[site.value()];
  end_trial(health);
  ++health.failures_in_row;
  if (health.circuit == Circuit::trying ||
      health.failures_in_row >= options_.soft_failures_to_open) {
    open(health, now);
  }
}

void HealthBook::failed_hard(SiteId site, Instant now) {
  Health& health = health_[site.value()];
  end_trial(health);
  ++health.failures_in_row;
  open(health, now);
}

void HealthBook::told_nothing(SiteId site) { end_trial(health_[site.value()]); }

void HealthBook::probe_succeeded(SiteId site, Instant now) {
  Health& health = health_[site.value()];
  if (health.circuit != Circuit::open) return;
  health.circuit = Circuit::trying;
  health.since = now.wall;
}

void HealthBook::open(Health& health, Instant now) {
  // Failures of attempts that were under way when it opened do not prolong
  // the pause: they tell the same thing again.
  if (health.circuit == Circuit::open && now.monotonic < health.open_until) return;
  constexpr std::int32_t kDoublingsMax = 16;
  const std::int64_t factor = std::int64_t{1} << std::min(health.times_opened_in_row, kDoublingsMax);
  const Duration pause = std::min(options_.pause_first * factor, options_.pause_max);
  ++health.times_opened_in_row;
  if (health.circuit != Circuit::open) health.since = now.wall;
  health.circuit = Circuit::open;
  health.open_until = now.monotonic + pause;
}

void HealthBook::end_trial(Health& health) {
  if (health.trials_under_way > 0) --health.trials_under_way;
}

}  // namespace hanse::fleet
