#include "core/gate/coverage.h"

#include <algorithm>

#include "base/bitset.h"
#include "core/gate/gate.h"

namespace hanse::gate {
namespace {

// `now` and every later instant at which a certificate begins: whoever keeps a
// rule at any time from `now` on keeps it at one of these.
std::vector<WallTime> instants(const fleet::Fleet& fleet, WallTime now) {
  std::vector<WallTime> times = {now};
  for (const fleet::Site& site : fleet.sites) {
    for (const fleet::Certificate& certificate : site.certificates) {
      if (certificate.valid_from && *certificate.valid_from > now) {
        times.push_back(*certificate.valid_from);
      }
    }
  }
  std::ranges::sort(times);
  const auto repeated = std::ranges::unique(times);
  times.erase(repeated.begin(), repeated.end());
  return times;
}

// The policy that has `rule` alone, and for every request.
Policies only(const Rule& rule) {
  Policies policies;
  policies.add({.name = "only", .rules = {{rule.name, Condition(), rule.clauses}}});
  return policies;
}

struct World {
  const catalog::Catalog& catalog;
  const fleet::Fleet& fleet;
  const LabelVocabulary& vocabulary;
  std::vector<WallTime> times;
};

bool satisfied_by_no_site(const World& world, const Rule& rule) {
  const Policies policies = only(rule);
  Gate gate(world.catalog, world.fleet, policies, world.vocabulary);
  BitSet permitted;
  return std::ranges::all_of(world.times, [&](WallTime time) {
    gate.permitted_sites({PolicyId(0), LabelSet()}, time, permitted);
    return permitted.empty();
  });
}

// Of rules that only deny: what is denied does not change with time.
bool denies_no_site(const World& world, const Rule& rule) {
  using Kind = Clause::Kind;
  const bool only_denies = std::ranges::all_of(rule.clauses, [](const Clause& clause) {
    return clause.kind == Kind::deny_place || clause.kind == Kind::deny_reach ||
           clause.kind == Kind::deny_chip || clause.kind == Kind::deny_supplier;
  });
  if (!only_denies) return false;
  BitSet serving(world.fleet.sites.size());
  world.fleet.sites.for_each([&](SiteId id, const fleet::Site& site) {
    if (!site.retired) serving.insert(id.value());
  });
  const Policies policies = only(rule);
  Gate gate(world.catalog, world.fleet, policies, world.vocabulary);
  BitSet permitted;
  gate.permitted_sites({PolicyId(0), LabelSet()}, world.times.front(), permitted);
  return permitted == serving;
}

// The sites that each bearer may use at some time, asked with its fewest labels.
template <typename Visit>
void for_each_permitted(const World& world, const Policies& policies,
                        std::span<const Bearer> bearers, Visit&& visit) {
  Gate gate(world.catalog, world.fleet, policies, world.vocabulary);
  BitSet permitted;
  for (const WallTime time : world.times) {
    for (const Bearer& bearer : bearers) {
      gate.permitted_sites({bearer.policy, bearer.least}, time, permitted);
      visit(bearer, permitted);
    }
  }
}

BitSet sites_selling(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
                     const catalog::PriceBook& book) {
  BitSet variants(catalog.variants.size());
  catalog.aliases.for_each([&](AliasId id, const catalog::Alias& alias) {
    if (book.find(id) == nullptr) return;
    for (const VariantId variant : alias.variants) variants.insert(variant.value());
  });
  BitSet sites(fleet.sites.size());
  for (const fleet::Offer& offer : fleet.offers) {
    if (variants.contains(offer.variant.value())) sites.insert(offer.site.value());
  }
  return sites;
}

std::vector<SiteId> ids_of(const BitSet& set) {
  std::vector<SiteId> sites;
  set.for_each([&](std::size_t i) { sites.push_back(SiteId(i)); });
  return sites;
}

}  // namespace

std::string_view to_string(RuleFinding::Kind kind) {
  switch (kind) {
    case RuleFinding::Kind::policy_unused: return "policy_unused";
    case RuleFinding::Kind::never_applies: return "never_applies";
    case RuleFinding::Kind::says_nothing: return "says_nothing";
    case RuleFinding::Kind::satisfied_by_no_site: return "satisfied_by_no_site";
    case RuleFinding::Kind::denies_no_site: return "denies_no_site";
  }
  return "unknown";
}

std::vector<RuleFinding> dead_rules(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
                                    const Policies& policies, const LabelVocabulary& vocabulary,
                                    std::span<const Bearer> bearers, WallTime now) {
  using Kind = RuleFinding::Kind;
  const World world{catalog, fleet, vocabulary, instants(fleet, now)};
  const LabelSet most = vocabulary.all();
  std::vector<RuleFinding> findings;
  policies.for_each([&](PolicyId id, const Policy& policy) {
    if (std::ranges::find(bearers, id, &Bearer::policy) == bearers.end()) {
      findings.push_back({Kind::policy_unused, id, 0});
      return;
    }
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
      const Rule& rule = policy.rules[i];
      if (rule.clauses.empty()) {
        findings.push_back({Kind::says_nothing, id, i});
      } else if (!applies(rule.when, most, vocabulary)) {
        findings.push_back({Kind::never_applies, id, i});
      } else if (satisfied_by_no_site(world, rule)) {
        findings.push_back({Kind::satisfied_by_no_site, id, i});
      } else if (denies_no_site(world, rule)) {
        findings.push_back({Kind::denies_no_site, id, i});
      }
    }
  });
  return findings;
}

std::vector<SiteId> unusable_sites(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
                                   const Policies& policies, const LabelVocabulary& vocabulary,
                                   std::span<const Bearer> bearers, WallTime now) {
  BitSet unusable(fleet.sites.size());
  fleet.sites.for_each([&](SiteId id, const fleet::Site& site) {
    if (!site.retired) unusable.insert(id.value());
  });
  for_each_permitted({catalog, fleet, vocabulary, instants(fleet, now)}, policies, bearers,
                     [&](const Bearer&, const BitSet& permitted) { unusable -= permitted; });
  return ids_of(unusable);
}

std::vector<SiteId> unsold_sites(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
                                 const Policies& policies, const LabelVocabulary& vocabulary,
                                 std::span<const Bearer> bearers, WallTime now) {
  // Many tenants share a price book.
  std::vector<BitSet> selling;
  for (const catalog::PriceBook& book : catalog.price_books) {
    selling.push_back(sites_selling(catalog, fleet, book));
  }
  BitSet unsold(fleet.sites.size());
  BitSet sold(fleet.sites.size());
  for_each_permitted({catalog, fleet, vocabulary, instants(fleet, now)}, policies, bearers,
                     [&](const Bearer& bearer, const BitSet& permitted) {
                       unsold |= permitted;
                       if (!bearer.price_book.valid()) return;
                       BitSet bought = permitted;
                       bought &= selling[bearer.price_book.value()];
                       sold |= bought;
                     });
  unsold -= sold;
  return ids_of(unsold);
}

}  // namespace hanse::gate
