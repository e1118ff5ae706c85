#include "core/fleet/domains.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace hanse::fleet {

std::vector<std::string> domains_of(const Fleet& fleet, SiteId site) {
  const Site& row = fleet.sites[site];
  std::vector<std::string> names = {fmt::format("supplier {}", fleet.suppliers[row.supplier].name)};
  if (row.place) names.push_back(fmt::format("country {}", row.place->text()));
  return names;
}

void DomainBook::set(SiteLine site, std::span<const std::string> names) {
  if (site.value() >= sites_.size()) {
    sites_.resize(site.value() + 1);
    doubted_.grow(sites_.size());
    wary_.grow(sites_.size());
  }
  std::vector<DomainLine> domains;
  for (const std::string& name : names) domains.push_back(line_of(name));
  std::vector<DomainLine> before = std::move(sites_[site.value()].domains);
  sites_[site.value()].domains = domains;
  for (const DomainLine domain : before) {
    if (std::ranges::find(domains, domain) == domains.end()) leave(site, domain);
  }
  for (const DomainLine domain : domains) {
    std::vector<SiteLine>& sites = domains_[domain.value()].sites;
    const auto place = std::ranges::lower_bound(sites, site);
    if (place == sites.end() || *place != site) sites.insert(place, site);
  }
  note_doubt(site);
}

DomainLine DomainBook::line_of(const std::string& name) {
  const auto [known, is_new] = by_name_.try_emplace(name, DomainLine(domains_.size()));
  if (is_new) {
    domains_.emplace_back().name = name;
    memories_.emplace_back();
  }
  return known->second;
}

void DomainBook::leave(SiteLine site, DomainLine domain) {
  Domain& row = domains_[domain.value()];
  std::erase(row.sites, site);
  if (row.trial == site) row.trial = {};
  if (row.scout == site) row.scout = {};
}

bool DomainBook::available(SiteLine site, MonotonicTime now) const {
  if (!doubted_.contains(site.value())) return true;
  return std::ranges::all_of(of(site), [&](DomainLine line) {
    const Domain& domain = domains_[line.value()];
    if (!domain.suspected) return true;
    const Duration more = had_its_turn(site, line) ? domain.pause : Duration();
    return now >= domain.open_until + more && !domain.trial.valid();
  });
}

void DomainBook::sent(SiteLine site) {
  for (const DomainLine line : of(site)) {
    Domain& domain = domains_[line.value()];
    if (!domain.suspected) continue;
    HANSE_CHECK(!domain.trial.valid());
    domain.trial = site;
  }
}

bool DomainBook::trusted(SiteLine site, MonotonicTime now) const {
  if (!wary_.contains(site.value())) return true;
  return std::ranges::all_of(of(site), [&](DomainLine line) {
    const Domain& domain = domains_[line.value()];
    return !domain.wary || now >= domain.wary_until;
  });
}

bool DomainBook::wants_scout(SiteLine site, MonotonicTime now) const {
  return std::ranges::all_of(of(site), [&](DomainLine line) {
    const Domain& domain = domains_[line.value()];
    return !domain.wary || !domain.scout.valid() || now >= domain.wary_until;
  });
}

bool DomainBook::lacks_scout(SiteLine site) const {
  if (!wary_.contains(site.value())) return false;
  return std::ranges::any_of(of(site), [&](DomainLine line) {
    const Domain& domain = domains_[line.value()];
    return domain.wary && !domain.scout.valid();
  });
}

void DomainBook::scout(SiteLine site, Trial attempt) {
  HANSE_CHECK(attempt != Trial::none);
  for (const DomainLine line : of(site)) {
    Domain& domain = domains_[line.value()];
    if (!domain.wary || domain.scout.valid()) continue;
    domain.scout = site;
    domain.scout_attempt = attempt;
  }
}

void DomainBook::scout_ended(SiteLine site, Trial attempt) {
  if (attempt == Trial::none || !wary_.contains(site.value())) return;
  for (const DomainLine line : of(site)) {
    Domain& domain = domains_[line.value()];
    if (domain.scout == site && domain.scout_attempt == attempt) domain.scout = {};
  }
}

void DomainBook::grow_wary(DomainLine line, const Failure& failure, MonotonicTime now) {
  Domain& domain = domains_[line.value()];
  if (!domain.wary && failure.weight < failure.open_at) return;
  // One that has long passed is forgotten with its scout.
  if (!domain.wary || now >= domain.wary_until) domain.scout = {};
  domain.wary_until = now + kWindow;
  if (domain.wary) return;
  domain.wary = true;
  note_doubt(line);
}

void DomainBook::trust(DomainLine line) {
  Domain& domain = domains_[line.value()];
  if (!domain.wary) return;
  domain.wary = false;
  domain.scout = {};
  note_doubt(line);
}

void DomainBook::told_nothing(SiteLine site) {
  for (const DomainLine line : of(site)) {
    Domain& domain = domains_[line.value()];
    if (domain.trial == site) domain.trial = {};
  }
}

void DomainBook::failed(SiteLine site, const Failure& failure, MonotonicTime now) {
  Site& row = sites_[site.value()];
  row.failure = failure;
  row.failed = ++news_;
  row.failed_at = now;
  for (const DomainLine line : row.domains) {
    Domain& domain = domains_[line.value()];
    grow_wary(line, failure, now);
    if (!domain.suspected) {
      if (const Evidence found = evidence(line, now); found.enough) {
        suspect(line, found.seen_by_probes, now);
      }
    } else if (failure.of_trial && domain.trial == site) {
      domain.trial = {};
      pause(line, now);
      domain.seen_by_probes = domain.seen_by_probes && failure.seen_by_probes;
    }
  }
}

std::vector<DomainLine> DomainBook::answered(SiteLine site, MonotonicTime now) {
  std::vector<DomainLine> cleared_by_trial;
  const News news = ++news_;
  for (const DomainLine line : of(site)) {
    memories_[line.value()].answered = news;
    trust(line);
    const Domain& domain = domains_[line.value()];
    if (!domain.suspected) continue;
    if (domain.trial == site) cleared_by_trial.push_back(line);
    clear(line, now);
  }
  return cleared_by_trial;
}

void DomainBook::probed(SiteLine site, MonotonicTime now) {
  const News news = ++news_;
  for (const DomainLine line : of(site)) {
    memories_[line.value()].probed = news;
    const Domain& domain = domains_[line.value()];
    if (domain.wary && !evidence(line, now).any) trust(line);
    if (domain.suspected && domain.seen_by_probes) clear(line, now);
  }
}

DomainBook::Evidence DomainBook::evidence(DomainLine line, MonotonicTime now) const {
  const Memory& memory = memories_[line.value()];
  Evidence found;
  std::int64_t sum = 0;
  std::int64_t wanted = 0;
  for (const SiteLine member : domains_[line.value()].sites) {
    const Site& site = sites_[member.value()];
    const Failure& failure = site.failure;
    if (failure.weight == 0 || site.failed < memory.answered) continue;
    if (failure.seen_by_probes && site.failed < memory.probed) continue;
    if (elapsed(site.failed_at, now) > kWindow) continue;
    // However often one site has failed, it takes another.
    found.any = true;
    sum += std::min(failure.weight, failure.open_at);
    wanted = std::max(wanted, std::int64_t{failure.open_at} * 2);
    found.seen_by_probes = found.seen_by_probes && failure.seen_by_probes;
  }
  found.enough = sum > 0 && sum >= wanted;
  return found;
}

void DomainBook::suspect(DomainLine line, bool seen_by_probes, MonotonicTime now) {
  Domain& domain = domains_[line.value()];
  domain.suspected = true;
  domain.seen_by_probes = seen_by_probes;
  domain.trial = {};
  memories_[line.value()].round = memories_[line.value()].answered;
  pause(line, now);
  note_doubt(line);
}

void DomainBook::pause(DomainLine line, MonotonicTime now) {
  Domain& domain = domains_[line.value()];
  Memory& memory = memories_[line.value()];
  domain.pause = memory.backoff.fail(pauses_, now);
  domain.open_until = now + domain.pause;
  const bool all_had_it =
      std::ranges::all_of(domain.sites, [&](SiteLine site) { return had_its_turn(site, line); });
  if (all_had_it) memory.round = news_;
}

void DomainBook::clear(DomainLine line, MonotonicTime now) {
  Domain& domain = domains_[line.value()];
  domain.suspected = false;
  domain.trial = {};
  memories_[line.value()].backoff.works(now);
  note_doubt(line);
}

void DomainBook::note_doubt(DomainLine line) {
  for (const SiteLine site : domains_[line.value()].sites) note_doubt(site);
}

void DomainBook::note_doubt(SiteLine site) {
  const auto put = [&](BitSet& set, bool Domain::* flag) {
    const bool is_in = std::ranges::any_of(
        of(site), [&](DomainLine line) { return domains_[line.value()].*flag; });
    if (is_in) {
      set.insert(site.value());
    } else {
      set.erase(site.value());
    }
  };
  put(doubted_, &Domain::suspected);
  put(wary_, &Domain::wary);
}

}  // namespace hanse::fleet
