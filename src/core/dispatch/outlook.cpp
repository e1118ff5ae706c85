#include "core/dispatch/outlook.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/gate/gate.h"
#include "core/gate/telling_labels.h"

namespace hanse::dispatch {
namespace {

class Asker {
 public:
  Asker(const Snapshot& snapshot, const BitSet& lost, WallTime now)
      : snapshot_(snapshot),
        lost_(lost),
        now_(now),
        gate_(snapshot.catalog, snapshot.fleet, snapshot.policies, snapshot.labels) {
    snapshot.catalog.aliases.for_each([&](AliasId, const catalog::Alias& alias) {
      offers_.push_back(cheapest_at_each_site(alias));
    });
  }

  Outlook ask(TenantId tenant, AliasId alias, gate::LabelSet labels) {
    Outlook outlook;
    outlook.tenant = tenant;
    outlook.alias = alias;
    outlook.labels = labels;
    const gate::Question question{.policy = snapshot_.tenants.tenants[tenant].policy,
                                  .labels = labels};
    gate_.permitted_sites(question, now_, permitted_);
    for (const OfferId offer : offers_[alias.value()]) {
      const std::size_t site = site_of(offer).value();
      if (!permitted_.contains(site)) continue;
      outlook.before.push_back(offer);
      if (!lost_.contains(site)) outlook.after.push_back(offer);
    }
    outlook.change = change_of(outlook);
    if (outlook.after.empty()) outlook.refusing = refusing(question, alias);
    return outlook;
  }

 private:
  [[nodiscard]] SiteId site_of(OfferId offer) const { return snapshot_.fleet.offers[offer].site; }
  [[nodiscard]] Money price(OfferId offer) const {
    return price_of_a_million(snapshot_.fleet.offers[offer].prices);
  }

  [[nodiscard]] std::vector<OfferId> cheapest_at_each_site(const catalog::Alias& alias) const {
    std::vector<OfferId> offers;
    snapshot_.fleet.offers.for_each([&](OfferId id, const fleet::Offer& offer) {
      if (snapshot_.fleet.sites[offer.site].retired) return;
      if (std::ranges::find(alias.variants, offer.variant) != alias.variants.end()) {
        offers.push_back(id);
      }
    });
    std::ranges::sort(offers, {}, [&](OfferId id) { return std::pair(price(id), id); });
    BitSet met(snapshot_.fleet.sites.size());
    std::erase_if(offers, [&](OfferId id) {
      const std::size_t site = site_of(id).value();
      const bool is_dearer_one = met.contains(site);
      met.insert(site);
      return is_dearer_one;
    });
    return offers;
  }

  [[nodiscard]] Outlook::Change change_of(const Outlook& outlook) const {
    if (outlook.before.empty()) return Outlook::Change::refused_before;
    if (outlook.after.empty()) return Outlook::Change::refused;
    if (price(outlook.after.front()) > price(outlook.before.front())) {
      return Outlook::Change::dearer;
    }
    return outlook.after.size() < outlook.before.size() ? Outlook::Change::fewer_routes
                                                        : Outlook::Change::none;
  }

  [[nodiscard]] std::vector<Refusing> refusing(const gate::Question& question,
                                               AliasId alias) const {
    std::vector<Refusing> found;
    std::vector<SiteId> left;
    for (const OfferId offer : offers_[alias.value()]) {
      if (!lost_.contains(site_of(offer).value())) left.push_back(site_of(offer));
    }
    std::ranges::sort(left);
    for (const SiteId site : left) {
      for (const gate::Refusal& refusal : gate_.explain(question, site, now_).refusals) {
        auto rule = std::ranges::find(found, refusal.rule, &Refusing::rule);
        if (rule == found.end()) rule = found.insert(rule, {refusal.rule, {}});
        // Several clauses of a rule may refuse a site.
        if (rule->sites.empty() || rule->sites.back() != site) rule->sites.push_back(site);
      }
    }
    return found;
  }

  const Snapshot& snapshot_;
  const BitSet& lost_;
  WallTime now_;
  gate::Gate gate_;
  std::vector<std::vector<OfferId>> offers_;  // by alias, the cheapest first
  BitSet permitted_;                          // scratch
};

// The fewest labels that a request of each tenant can carry.
std::vector<gate::LabelSet> least_labels(const limits::Tenants& tenants) {
  std::vector<gate::LabelSet> least;
  for (const limits::Tenant& tenant : tenants.tenants) least.emplace_back(tenant.default_labels);
  for (const limits::Key& key : tenants.keys) {
    if (key.may_relax) least[key.tenant.value()] = gate::LabelSet();
  }
  return least;
}

}  // namespace

std::string_view to_string(Outlook::Change change) {
  switch (change) {
    case Outlook::Change::none: return "none";
    case Outlook::Change::fewer_routes: return "fewer_routes";
    case Outlook::Change::dearer: return "dearer";
    case Outlook::Change::refused: return "refused";
    case Outlook::Change::refused_before: return "refused_before";
  }
  return "unknown";
}

Money price_of_a_million(const TokenPrices& prices) {
  CostSum sum;
  sum.add(Tokens(750'000), prices[TokenKind::prompt]);
  sum.add(Tokens(250'000), prices[TokenKind::output]);
  return sum.rounded();
}

std::vector<Outlook> outlooks_without(const Snapshot& snapshot, const BitSet& lost, WallTime now) {
  std::vector<Outlook> outlooks;
  Asker asker(snapshot, lost, now);
  const std::vector<gate::LabelSet> least = least_labels(snapshot.tenants);
  snapshot.tenants.tenants.for_each([&](TenantId id, const limits::Tenant& tenant) {
    const gate::LabelSet own = snapshot.labels.complete(gate::LabelSet(tenant.default_labels));
    const auto asked =
        gate::telling_labels(snapshot.policies[tenant.policy], snapshot.labels, least[id.value()]);
    snapshot.catalog.aliases.for_each([&](AliasId alias, const catalog::Alias&) {
      if (snapshot.catalog.price_books[tenant.price_book].find(alias) == nullptr) return;
      for (const gate::LabelSet labels : asked) {
        outlooks.push_back(asker.ask(id, alias, labels));
        outlooks.back().is_default = labels == own;
      }
    });
  });
  return outlooks;
}

}  // namespace hanse::dispatch
