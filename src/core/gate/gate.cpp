#include "core/gate/gate.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "core/gate/facts.h"

namespace hanse::gate {
namespace {

using Kind = Clause::Kind;

constexpr WallTime kBeginning{std::numeric_limits<std::int64_t>::min()};
constexpr WallTime kEnd{std::numeric_limits<std::int64_t>::max()};

template <typename Value>
bool among(const std::vector<Value>& values, Value value) {
  return std::ranges::find(values, value) != values.end();
}

bool reached_by_any(const fleet::ReachSet& reach, const std::vector<fleet::Code>& codes) {
  return std::ranges::any_of(reach.reaches,
                             [&](const fleet::Reach& r) { return among(codes, r.system); });
}

bool reached_by_no_other(const fleet::ReachSet& reach, const std::vector<fleet::Code>& codes) {
  return std::ranges::all_of(reach.reaches,
                             [&](const fleet::Reach& r) { return among(codes, r.system); });
}

bool stands_outside(fleet::Code place, const std::vector<fleet::Code>& codes) {
  const auto sovereign = fleet::sovereign_of(place);
  return !among(codes, place) && !(sovereign && among(codes, *sovereign));
}

// Whether a site keeps a clause that time does not change.
bool keeps(const fleet::Site& site, const fleet::ReachSet& reach, const Clause& clause) {
  switch (clause.kind) {
    case Kind::require_place: return site.place && among(clause.codes, *site.place);
    case Kind::deny_place: return site.place && stands_outside(*site.place, clause.codes);
    case Kind::require_reach: return reach.complete() && reached_by_no_other(reach, clause.codes);
    case Kind::deny_reach: return reach.complete() && !reached_by_any(reach, clause.codes);
    case Kind::require_certificate: return true;
    case Kind::require_chip: return site.chip.valid() && among(clause.chips, site.chip);
    case Kind::deny_chip: return site.chip.valid() && !among(clause.chips, site.chip);
    case Kind::require_supplier: return among(clause.suppliers, site.supplier);
    case Kind::deny_supplier: return !among(clause.suppliers, site.supplier);
  }
  return false;
}

}  // namespace

Gate::Gate(const catalog::Catalog& catalog, const fleet::Fleet& fleet, const Policies& policies,
           const LabelVocabulary& vocabulary)
    : catalog_(catalog),
      fleet_(fleet),
      policies_(policies),
      vocabulary_(vocabulary),
      serving_(fleet.sites.size()),
      nowhere_(fleet.sites.size()) {
  std::vector<fleet::ReachSet> reach;
  fleet.sites.for_each([&](SiteId id, const fleet::Site& site) {
    reach.push_back(fleet::reach_of(fleet, id));
    if (!site.retired) serving_.insert(id.value());
  });
  for (const Policy& policy : policies) {
    auto& rules = compiled_.emplace_back();
    for (const Rule& rule : policy.rules) rules.push_back(compile(rule, reach));
  }
  std::ranges::sort(boundaries_);
  const auto repeated = std::ranges::unique(boundaries_);
  boundaries_.erase(repeated.begin(), repeated.end());
  refresh(kBeginning);
}

Gate::CompiledRule Gate::compile(const Rule& rule, const std::vector<fleet::ReachSet>& reach) {
  CompiledRule compiled{rule.when, BitSet(fleet_.sites.size()), {}, {}};
  fleet_.sites.for_each([&](SiteId id, const fleet::Site& site) {
    const bool kept = std::ranges::all_of(
        rule.clauses, [&](const Clause& clause) { return keeps(site, reach[id.value()], clause); });
    if (kept) compiled.steady.insert(id.value());
  });
  for (const Clause& clause : rule.clauses) {
    if (clause.kind != Kind::require_certificate) continue;
    compiled.certificates.push_back(certificate(clause.certificate));
  }
  return compiled;
}

std::size_t Gate::certificate(const std::string& name) {
  const auto it = std::ranges::find(certificates_, name, &CompiledCertificate::name);
  if (it != certificates_.end()) return static_cast<std::size_t>(it - certificates_.begin());
  CompiledCertificate compiled{name, {}, {}};
  fleet_.sites.for_each([&](SiteId id, const fleet::Site& site) {
    for (const fleet::Certificate& held : site.certificates) {
      if (held.name != name || !held.valid_to) continue;
      compiled.holdings.push_back({id, held.valid_from.value_or(kBeginning), *held.valid_to});
      boundaries_.push_back(compiled.holdings.back().from);
      boundaries_.push_back(compiled.holdings.back().until);
    }
  });
  certificates_.push_back(std::move(compiled));
  return certificates_.size() - 1;
}

void Gate::prepare(WallTime now) {
  if (now < compiled_from_ || now >= compiled_until_) refresh(now);
}

void Gate::refresh(WallTime now) {
  const auto next = std::ranges::upper_bound(boundaries_, now);
  compiled_until_ = next == boundaries_.end() ? kEnd : *next;
  compiled_from_ = next == boundaries_.begin() ? kBeginning : *std::prev(next);
  for (CompiledCertificate& certificate : certificates_) {
    certificate.holders.assign(nowhere_);
    for (const Holding& holding : certificate.holdings) {
      if (holding.from <= now && now < holding.until)
        certificate.holders.insert(holding.site.value());
    }
  }
  for (auto& rules : compiled_) {
    for (CompiledRule& rule : rules) {
      rule.kept.assign(rule.steady);
      for (const std::size_t i : rule.certificates) rule.kept &= certificates_[i].holders;
    }
  }
}

void Gate::permitted_sites(const Question& question, WallTime now, BitSet& permitted) {
  if (!question.policy.valid() || question.policy.value() >= compiled_.size()) {
    permitted.assign(nowhere_);
    return;
  }
  prepare(now);
  permitted.assign(serving_);
  const LabelSet labels = vocabulary_.complete(question.labels);
  for (const CompiledRule& rule : compiled_[question.policy.value()]) {
    if (applies_to_complete(rule.when, labels)) permitted &= rule.kept;
  }
}

std::optional<Permit> Gate::permit(const Question& question, SiteId site, WallTime now) {
  const bool known = question.policy.valid() && question.policy.value() < compiled_.size() &&
                     site.valid() && site.value() < serving_.size();
  if (!known || !serving_.contains(site.value())) return std::nullopt;
  prepare(now);
  const LabelSet labels = vocabulary_.complete(question.labels);
  for (const CompiledRule& rule : compiled_[question.policy.value()]) {
    if (applies_to_complete(rule.when, labels) && !rule.kept.contains(site.value()))
      return std::nullopt;
  }
  return Permit(site, now);
}

std::vector<Verdict> Gate::explain(const Question& question, WallTime now) const {
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < fleet_.sites.size(); ++i) {
    verdicts.push_back(explain(question, SiteId(i), now));
  }
  return verdicts;
}

Verdict Gate::explain(const Question& question, SiteId site, WallTime now) const {
  Verdict verdict;
  verdict.site = site;
  if (fleet_.sites[site].retired) {
    verdict.refusals.push_back({std::string(kRuleInService),
                                "the site must be in service",
                                {fleet_.sites[site].name + " is retired"}});
  }
  if (!question.policy.valid() || question.policy.value() >= policies_.size()) {
    verdict.refusals.push_back({std::string(kRulePolicy),
                                "the tenant must have a policy",
                                {"it is not known which policy holds"}});
    return verdict;
  }
  const SiteFacts facts{catalog_, fleet_, site, fleet::reach_of(fleet_, site), now};
  for (const Rule& rule : policies_[question.policy].rules) {
    if (!applies(rule.when, question.labels, vocabulary_)) continue;
    for (const Clause& clause : rule.clauses) {
      auto why = breaches(facts, clause);
      if (!why) continue;
      verdict.refusals.push_back(
          {rule.name, requirement(catalog_, fleet_, clause), *std::move(why)});
    }
  }
  verdict.permitted = verdict.refusals.empty();
  return verdict;
}

}  // namespace hanse::gate
