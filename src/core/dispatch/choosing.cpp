// Which site the next attempt goes to: those that are left out, and why, and
// what placement makes of the others.
#include "base/check.h"
#include "core/dispatch/dispatch.h"
#include "core/dispatch/policy_of_attempts.h"
#include "core/dispatch/request.h"

namespace hanse::dispatch {

fleet::SiteLine Dispatch::line_of(const World& world, const placement::Decision& decision) {
  return world.line(world.snapshot->fleet.offers[decision.chosen].site);
}

placement::Decision Dispatch::place(Request& request, const Wanted& wanted, Exclusions& excluded,
                                    Instant now) {
  // Ends, for a site that gives no leave is full and left out from then on.
  while (true) {
    const placement::Decision decision = decide(request, wanted, excluded, now);
    if (!decision.chosen.valid()) return decision;
    const fleet::SiteLine line = line_of(*request.world, decision);
    if (take_slot(line)) return decision;
    HANSE_CHECK(slots_.full().contains(line.value()));
  }
}

bool Dispatch::take_slot(fleet::SiteLine site) {
  if (!slots_.take(site)) return false;
  ++attempts_at_[site.value()];
  return true;
}

void Dispatch::give_slot_back(fleet::SiteLine site) {
  HANSE_CHECK(attempts_at_[site.value()] > 0);
  --attempts_at_[site.value()];
  slots_.give_back(site);
  room_made_ = true;
}

placement::Decision Dispatch::decide(Request& request, const Wanted& wanted, Exclusions& excluded,
                                     Instant now) {
  World& world = *request.world;
  request.demand.variant = wanted.variant;
  fade_signs(now);
  allowed_.assign(request.permitted);
  const auto exclude = [&](SiteId site, Exclusion::Why why) {
    allowed_.erase(site.value());
    (void)excluded.try_push({.site = site, .why = why});
  };
  excluded.clear();
  for (const AttemptRecord& attempt : request.record.attempts) {
    if (!allowed_.contains(attempt.site.value())) continue;
    const bool again = wanted.again && may_be_asked_again(request.record, attempt, now.monotonic);
    const bool may_repeat = wanted.repeating && refused_to_continue(attempt);
    if (!again && !may_repeat) exclude(attempt.site, Exclusion::Why::tried);
  }
  if (request.world != world_) {
    request.permitted.for_each([&](std::size_t i) {
      const SiteId site(i);
      if (allowed_.contains(i) && !still_offers(world, site)) {
        exclude(site, Exclusion::Why::withdrawn);
      }
    });
  }
  if (wanted.beside.valid()) exclude_for_hedge(request, wanted.beside, excluded);
  if (wanted.continuing) {
    request.permitted.for_each([&](std::size_t i) {
      const bool can = world.snapshot->fleet.sites[SiteId(i)].engine.continues_chat;
      if (allowed_.contains(i) && !can) exclude(SiteId(i), Exclusion::Why::cannot_resume);
    });
  }
  const auto is_allowed = [&](SiteId site) {
    return site.valid() && allowed_.contains(site.value());
  };
  drills_.for_each(now.monotonic, [&](fleet::SiteLine line) {
    const SiteId site = world.site(line);
    if (is_allowed(site)) exclude(site, Exclusion::Why::drilled);
  });
  health_.for_each_unsound([&](fleet::SiteLine line) {
    const SiteId site = world.site(line);
    const fleet::Obstacle obstacle = health_.obstacle(line, now.monotonic);
    if (is_allowed(site) && obstacle != fleet::Obstacle::none) exclude(site, why(obstacle));
  });
  missing_models_.missing().for_each([&](std::size_t i) {
    // A site whose other variants of the alias are there is left out too, as
    // one is that has been tried.
    const fleet::OfferLine line(i);
    const OfferId offer = world.offer_for(request.record.alias, line);
    if (!offer.valid() || missing_models_.available(line, now.monotonic)) return;
    const SiteId site = world.snapshot->fleet.offers[offer].site;
    if (is_allowed(site)) exclude(site, Exclusion::Why::model_missing);
  });
  waits_.waiting().for_each([&](std::size_t i) {
    const fleet::SiteLine line(i);
    const SiteId site = world.site(line);
    if (is_allowed(site) && waits_.until(line, now.monotonic)) {
      exclude(site, Exclusion::Why::asked_to_wait);
    }
  });
  slots_.full().for_each([&](std::size_t i) {
    const SiteId site = world.site(fleet::SiteLine(i));
    if (is_allowed(site)) exclude(site, Exclusion::Why::full);
  });
  return decide_warily(request, excluded, now);
}

placement::Decision Dispatch::decide_warily(Request& request, Exclusions& excluded, Instant now) {
  World& world = *request.world;
  const fleet::DomainBook& domains = health_.domains();
  if (!domains.wary().empty()) {
    const bool may_scout = request.record.attempts.empty();
    Exclusions more = excluded;
    preferable_.assign(allowed_);
    domains.wary().for_each([&](std::size_t i) {
      const fleet::SiteLine line(i);
      const SiteId site = world.site(line);
      if (!site.valid() || !allowed_.contains(site.value())) return;
      if (domains.trusted(line, now.monotonic)) return;
      if (may_scout && domains.wants_scout(line, now.monotonic)) return;
      preferable_.erase(site.value());
      (void)more.try_push({.site = site, .why = Exclusion::Why::suspected});
    });
    const placement::Decision decision = world.placement.decide(request.demand, preferable_, now);
    if (decision.chosen.valid()) {
      excluded = more;
      return decision;
    }
  }
  return world.placement.decide(request.demand, allowed_, now);
}

bool Dispatch::still_offers(const World& before, SiteId site) const {
  const SiteId now = world_->site(before.line(site));
  return now.valid() && !world_->snapshot->fleet.sites[now].retired;
}

}  // namespace hanse::dispatch
