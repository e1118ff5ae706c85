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
    : others_(&others),
      options_(options),
      domains_({.first = options.pause_first, .most = options.pause_max}) {}

void HealthBook::know(SiteLine site, std::span<const std::string> domains) {
  domains_.set(site, domains);
  if (site.value() < health_.size()) return;
  health_.resize(site.value() + 1);
  unsound_.grow(health_.size());
}

Obstacle HealthBook::obstacle(SiteLine site, MonotonicTime now) const {
  const Health& health = of(site);
  const bool pauses = health.circuit == Circuit::open && now < health.open_until;
  const bool is_tried = health.circuit == Circuit::trying && health.trial != Trial::none;
  if (pauses || is_tried) return Obstacle::circuit_open;
  if (!domains_.available(site, now)) return Obstacle::suspected;
  return health.slow_start.admits() ? Obstacle::none : Obstacle::starting;
}

MonotonicTime HealthBook::pauses_end(SiteLine site) const {
  const Health& health = of(site);
  MonotonicTime end;
  if (health.circuit == Circuit::open) end = health.open_until;
  for (const DomainLine line : domains_.of(site)) {
    const DomainBook::Domain& domain = domains_.domains()[line.value()];
    if (domain.suspected) end = std::max(end, domain.open_until);
  }
  return end;
}

Trial HealthBook::sent(SiteLine site, Instant now) {
  Health& health = health_[site.value()];
  HANSE_CHECK(available(site, now.monotonic));
  const bool is_scout = domains_.lacks_scout(site);
  const bool doubted = domains_.doubted().contains(site.value());
  const bool is_trial = health.circuit != Circuit::closed || doubted;
  if (!is_trial && !is_scout && !health.slow_start.going()) return Trial::none;
  const auto trial = static_cast<Trial>(++health.trials);
  health.slow_start.sent();
  if (is_scout) domains_.scout(site, trial);
  if (!is_trial) return trial;
  if (health.circuit == Circuit::open) move_to(site, Circuit::trying, now.wall);
  if (doubted) domains_.sent(site);
  health.trial = trial;
  return trial;
}

void HealthBook::first_token(SiteLine site, Trial trial, Instant now) {
  Health& health = health_[site.value()];
  if (trial != Trial::none) {
    health.slow_start.answered(static_cast<std::uint32_t>(trial));
    note_soundness(site);
  }
  answered(site, now);
  if (trial == Trial::none || trial != health.trial) return;
  health.trial = Trial::none;
  if (health.circuit != Circuit::closed) close(site, now);
}

void HealthBook::succeeded(SiteLine site, Trial trial, Instant now) {
  Health& health = health_[site.value()];
  (void)end_trial(site, trial);
  health.trial = Trial::none;  // whatever it finds, the site works
  health.failures_in_row = 0;
  answered(site, now);
  if (health.circuit != Circuit::closed) close(site, now);
}

void HealthBook::failed_softly(SiteLine site, Trial trial, Instant now) {
  Health& health = health_[site.value()];
  const Standing standing = end_trial(site, trial);
  if (standing == Standing::old_news) return;
  ++health.failures_in_row;
  if (health.circuit == Circuit::trying ||
      health.failures_in_row >= options_.soft_failures_to_open) {
    open(site, now, Whose::ours, false);
  }
  doubt(site, health.failures_in_row, false, standing, now.monotonic);
}

void HealthBook::failed_hard(SiteLine site, Trial trial, Instant now) {
  Health& health = health_[site.value()];
  const Standing standing = end_trial(site, trial);
  if (standing == Standing::old_news) return;
  ++health.failures_in_row;
  open(site, now, Whose::ours, true);
  doubt(site, options_.soft_failures_to_open, true, standing, now.monotonic);
}

void HealthBook::turned_away(SiteLine site, Trial trial, Instant now) {
  Health& health = health_[site.value()];
  const Standing standing = end_trial(site, trial);
  if (standing == Standing::old_news) return;
  ++health.failures_in_row;
  open(site, now, Whose::ours, false);
  doubt(site, options_.soft_failures_to_open, false, standing, now.monotonic);
}

void HealthBook::told_nothing(SiteLine site, Trial trial) {
  if (end_trial(site, trial) == Standing::trial) domains_.told_nothing(site);
}

void HealthBook::reported(SiteLine site, Finding finding, Instant now) {
  Health& health = health_[site.value()];
  if (finding != Finding::fails) {
    const bool is_news = finding == Finding::works || health.seen_by_probes;
    if (health.circuit == Circuit::open && is_news) move_to(site, Circuit::trying, now.wall);
    if (finding == Finding::works) {
      answered(site, now);
    } else {
      domains_.probed(site, now.monotonic);
    }
    return;
  }
  // It is fresh news, also while a trial is under way: that ends here.
  const Standing standing = end_trial(site, health.trial);
  ++health.failures_in_row;
  open(site, now, Whose::theirs, true);
  doubt(site, options_.soft_failures_to_open, true, standing, now.monotonic);
}

void HealthBook::open(SiteLine site, Instant now, Whose whose, bool seen_by_probes) {
  Health& health = health_[site.value()];
  // Failures of attempts that were under way when it opened do not prolong
  // the pause: they tell the same thing again.
  if (health.circuit == Circuit::open && now.monotonic < health.open_until) return;
  const Duration pause = health.backoff.fail(
      {.first = options_.pause_first, .most = options_.pause_max}, now.monotonic);
  health.slow_start.stop();
  if (health.circuit != Circuit::open) move_to(site, Circuit::open, now.wall);
  health.open_until = now.monotonic + pause;
  health.seen_by_probes = seen_by_probes;
  if (whose == Whose::ours) others_->publish(site, Finding::fails);
}

void HealthBook::close(SiteLine site, Instant now) {
  move_to(site, Circuit::closed, now.wall);
  health_[site.value()].backoff.works(now.monotonic);
  start_slowly(site);
  others_->publish(site, Finding::works);
}

void HealthBook::move_to(SiteLine site, Circuit circuit, WallTime now) {
  Health& health = health_[site.value()];
  health.circuit = circuit;
  health.since = now;
  note_soundness(site);
}

void HealthBook::note_soundness(SiteLine site) {
  const Health& health = of(site);
  if (health.circuit == Circuit::closed && !health.slow_start.going()) {
    unsound_.erase(site.value());
  } else {
    unsound_.insert(site.value());
  }
}

void HealthBook::answered(SiteLine site, Instant now) {
  // What was kept from a whole domain must not come back all at once either.
  for (const DomainLine domain : domains_.answered(site, now.monotonic)) {
    for (const SiteLine member : domains_.domains()[domain.value()].sites) {
      if (of(member).circuit == Circuit::closed) start_slowly(member);
    }
  }
}

void HealthBook::start_slowly(SiteLine site) {
  Health& health = health_[site.value()];
  health.slow_start.begin(health.trials);
  note_soundness(site);
}

HealthBook::Standing HealthBook::end_trial(SiteLine site, Trial trial) {
  Health& health = health_[site.value()];
  domains_.scout_ended(site, trial);
  if (trial != Trial::none) health.slow_start.ended(static_cast<std::uint32_t>(trial));
  if (health.circuit == Circuit::trying && trial != health.trial) return Standing::old_news;
  if (trial == Trial::none || trial != health.trial) return Standing::plain;
  health.trial = Trial::none;
  return Standing::trial;
}

void HealthBook::doubt(SiteLine site, std::int32_t weight, bool seen_by_probes, Standing standing,
                       MonotonicTime now) {
  domains_.failed(site,
                  {.weight = weight,
                   .open_at = options_.soft_failures_to_open,
                   .seen_by_probes = seen_by_probes,
                   .of_trial = standing == Standing::trial},
                  now);
}

}  // namespace hanse::fleet
