// What the rules do to the fleet as a whole.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "adapters/config/draft.h"
#include "core/gate/coverage.h"

namespace hanse::config {
namespace {

std::vector<gate::Bearer> bearers_of(const limits::Tenants& tenants) {
  std::vector<gate::Bearer> bearers;
  for (const limits::Tenant& tenant : tenants.tenants) {
    bearers.push_back({tenant.policy, gate::LabelSet(tenant.default_labels), tenant.price_book});
  }
  for (const limits::Key& key : tenants.keys) {
    if (key.may_relax) bearers[key.tenant.value()].least = gate::LabelSet();
  }
  return bearers;
}

Complaint complaint_of(const gate::RuleFinding& finding, const gate::Policy& policy) {
  const std::string rule =
      finding.rule < policy.rules.size() ? policy.rules[finding.rule].name : "";
  switch (finding.kind) {
    case gate::RuleFinding::Kind::policy_unused:
      return {"", fmt::format("no tenant is under policy '{}'", policy.name),
              fmt::format("write policy = \"{}\" where it is meant", policy.name)};
    case gate::RuleFinding::Kind::never_applies:
      return {"",
              fmt::format("rule '{}' can never match: no request of the tenants under policy '{}' "
                          "carries such labels",
                          rule, policy.name),
              "look at its `when` and at the tenants' `data`"};
    case gate::RuleFinding::Kind::says_nothing:
      return {"", fmt::format("rule '{}' refuses nothing", rule), "give it `require` or `deny`"};
    case gate::RuleFinding::Kind::denies_no_site:
      return {"", fmt::format("rule '{}' refuses nothing in this fleet", rule),
              "no site is of what it denies; if it is for sites to come, let it stand"};
    case gate::RuleFinding::Kind::satisfied_by_no_site: break;
  }
  return {
      "",
      fmt::format("no site can satisfy rule '{}': every request it speaks about is refused", rule),
      "look at what it asks for, and at the sites' places, owners, certificates and chips"};
}

void report_rule(Draft& draft, const gate::RuleFinding& finding) {
  const gate::Policy& policy = draft.configuration.policies[finding.policy];
  const Section section = top(draft).section("policy").section(policy.name);
  Complaint complaint = complaint_of(finding, policy);
  Place place = section.place();
  complaint.path = section.path();
  if (finding.kind != gate::RuleFinding::Kind::policy_unused) {
    std::size_t index = 0;
    section.for_each_item("rules", [&](const Section& rule) {
      if (index++ != finding.rule) return;
      place = rule.get("name")->place;
      complaint.path = rule.path();
    });
  }
  draft.report.warning(place, std::move(complaint));
}

void report_site(Draft& draft, SiteId site, std::string hint) {
  const std::string& name = draft.configuration.fleet.sites[site].name;
  const Section section = top(draft).section("site").section(name);
  draft.report.warning(
      section.place(),
      {section.path(), fmt::format("no tenant may use site '{}'", name), std::move(hint)});
}

}  // namespace

void check_rules(Draft& draft) {
  const Configuration& configuration = draft.configuration;
  const auto bearers = bearers_of(configuration.tenants);
  const WallTime now = draft.surroundings.now;
  for (const gate::RuleFinding& finding :
       gate::dead_rules(configuration.catalog, configuration.fleet, configuration.policies,
                        configuration.labels, bearers, now)) {
    report_rule(draft, finding);
  }
  for (const SiteId site :
       gate::unusable_sites(configuration.catalog, configuration.fleet, configuration.policies,
                            configuration.labels, bearers, now)) {
    report_site(draft, site,
                "the rules of every tenant refuse it, whatever a request carries; "
                "`hanse explain` says which");
  }
  for (const SiteId site :
       gate::unsold_sites(configuration.catalog, configuration.fleet, configuration.policies,
                          configuration.labels, bearers, now)) {
    // One without any offer has been told so.
    const auto offers = std::ranges::count(configuration.fleet.offers, site, &fleet::Offer::site);
    if (offers == 0) continue;
    report_site(draft, site,
                "no alias that is sold to a tenant whose rules permit it has a variant that it "
                "offers; look at the aliases' `variants` and at `sold` in the price books");
  }
}

}  // namespace hanse::config
