// What must hold of the gate whatever the fleet, the rules, the labels and the
// time are.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/gate/gate.h"
#include "core/gate/testing/four_sites.h"

namespace hanse::gate {
namespace {

using fleet::Code;
using Kind = Clause::Kind;
using testing::World;

constexpr int kDays = 12;
const std::vector<std::string> kCountries = {"US", "DE", "FR", "CN", "HK", "PR", "CH"};
const std::vector<std::string> kAreas = {"US", "DE", "CN", "EU", "EEA", "EFTA"};
const std::vector<std::string> kCertificates = {"C5", "HDS"};

template <typename Value>
Value any_of(const std::vector<Value>& values) {
  return *rc::gen::elementOf(values);
}

int below(int bound) { return *rc::gen::inRange(0, bound); }
bool often() { return below(4) != 0; }

std::optional<Code> any_country() {
  if (!often()) return std::nullopt;
  return Code(any_of(kCountries));
}

std::optional<WallTime> any_day() {
  if (!often()) return std::nullopt;
  return testing::day(below(kDays));
}

Clause any_clause(const World& world) {
  const auto kind = static_cast<Kind>(below(9));
  Clause clause;
  switch (kind) {
    case Kind::require_place:
    case Kind::deny_place:
    case Kind::require_reach:
    case Kind::deny_reach: return testing::area(kind, {any_of(kAreas), any_of(kAreas)});
    case Kind::require_certificate: return testing::certificate(any_of(kCertificates));
    case Kind::require_chip:
    case Kind::deny_chip: clause.chips = {ChipId(static_cast<std::size_t>(below(2)))}; break;
    case Kind::require_supplier:
    case Kind::deny_supplier:
      clause.suppliers = {SupplierId(
          static_cast<std::size_t>(below(static_cast<int>(world.fleet.suppliers.size()))))};
      break;
  }
  clause.kind = kind;
  return clause;
}

LabelSet any_labels() { return LabelSet(*rc::gen::inRange<std::uint64_t>(0, 256)); }

Rule any_rule(const World& world) {
  Rule rule;
  rule.name = "rule";
  if (often()) rule.when.data = any_labels() & world.labels.all(Dimension::data);
  if (often()) rule.when.subjects = any_labels() & world.labels.all(Dimension::subjects);
  if (!often()) rule.when.categories = any_labels() & world.labels.all(Dimension::categories);
  for (int i = below(3); i >= 0; --i) rule.clauses.push_back(any_clause(world));
  return rule;
}

// Suppliers may own each other in rings and hold themselves; facts are missing
// now and then.
void add_suppliers(World& world) {
  const int suppliers = 1 + below(5);
  for (int i = 0; i < suppliers; ++i) {
    world.supplier("supplier-" + std::to_string(i), any_country());
  }
  for (int i = 0; i < suppliers; ++i) {
    fleet::Supplier& supplier = world.fleet.suppliers[SupplierId(static_cast<std::size_t>(i))];
    supplier.parents_known = often();
    for (int parents = below(3); parents > 0; --parents) {
      supplier.parents.push_back({SupplierId(static_cast<std::size_t>(below(suppliers))), 0, ""});
    }
  }
}

World any_world() {
  World world;
  world.catalog.chips.add({.name = "a", .title = ""});
  world.catalog.chips.add({.name = "b", .title = ""});
  for (const auto* word : {"personal", "secret"}) world.labels.add(Dimension::data, word).value();
  for (const auto* word : {"EU", "CH"}) world.labels.add(Dimension::subjects, word).value();
  for (const auto* word : {"health", "race"}) world.labels.add(Dimension::categories, word).value();
  add_suppliers(world);
  const int sites = below(70);
  for (int i = 0; i < sites; ++i) {
    std::vector<fleet::Certificate> certificates;
    for (int held = below(3); held > 0; --held) {
      certificates.push_back({any_of(kCertificates), any_day(), any_day()});
    }
    const auto operator_ =
        SupplierId(static_cast<std::size_t>(below(static_cast<int>(world.fleet.suppliers.size()))));
    const SiteId site =
        world.site("site-" + std::to_string(i), operator_, any_country(), certificates);
    world.fleet.sites[site].chip = often() ? ChipId(static_cast<std::size_t>(below(2))) : ChipId();
    world.fleet.sites[site].retired = below(10) == 0;
  }
  Policy policy{.name = "policy", .rules = {}};
  for (int rules = below(4); rules > 0; --rules) policy.rules.push_back(any_rule(world));
  world.policies.add(std::move(policy));
  return world;
}

BitSet permitted(const World& world, LabelSet labels, WallTime now) {
  Gate gate(world.catalog, world.fleet, world.policies, world.labels);
  BitSet sites;
  gate.permitted_sites({PolicyId(0), labels}, now, sites);
  return sites;
}

bool is_part_of(BitSet part, const BitSet& whole) {
  part -= whole;
  return part.empty();
}

// The live answer, the answer before an attempt and the explanation are one,
// also when one gate is asked at times in any order.
RC_GTEST_PROP(GateProperty, AllWaysToAskGetOneAnswer, ()) {
  const World world = any_world();
  Gate gate(world.catalog, world.fleet, world.policies, world.labels);
  BitSet sites;
  for (int asked = 0; asked < 4; ++asked) {
    const Question question{PolicyId(0), any_labels()};
    const WallTime now = testing::day(below(kDays));
    gate.permitted_sites(question, now, sites);
    for (const Verdict& verdict : gate.explain(question, now)) {
      RC_ASSERT(verdict.permitted == sites.contains(verdict.site.value()));
      RC_ASSERT(verdict.permitted == verdict.refusals.empty());
      RC_ASSERT(verdict.permitted == gate.permit(question, verdict.site, now).has_value());
      for (const Refusal& refusal : verdict.refusals) RC_ASSERT(!refusal.facts.empty());
    }
  }
}

RC_GTEST_PROP(GateProperty, AnotherRuleOrClauseNeverPermitsMore, ()) {
  World world = any_world();
  const LabelSet labels = any_labels();
  const WallTime now = testing::day(below(kDays));
  const BitSet before = permitted(world, labels, now);
  auto& rules = world.policies[PolicyId(0)].rules;
  if (!rules.empty() && often()) {
    rules[static_cast<std::size_t>(below(static_cast<int>(rules.size())))].clauses.push_back(
        any_clause(world));
  } else {
    rules.push_back(any_rule(world));
  }
  RC_ASSERT(is_part_of(permitted(world, labels, now), before));
}

// What lets a client's header be trusted: it can add labels to the tenant's,
// and more labels never permit more.
RC_GTEST_PROP(GateProperty, MoreLabelsNeverPermitMore, ()) {
  const World world = any_world();
  const WallTime now = testing::day(below(kDays));
  const LabelSet held = any_labels();
  const std::string header = world.labels.print(any_labels());
  const LabelSet more =
      resolve_labels(world.labels, {.tenant_default = held, .header = header, .may_relax = false})
          .value();
  RC_ASSERT(is_part_of(permitted(world, more, now), permitted(world, held, now)));
}

// A fact that becomes known may permit; one that is forgotten never does.
RC_GTEST_PROP(GateProperty, ForgettingAFactNeverPermitsMore, ()) {
  World world = any_world();
  RC_PRE(!world.fleet.sites.empty());
  const LabelSet labels = any_labels();
  const WallTime now = testing::day(below(kDays));
  const BitSet before = permitted(world, labels, now);
  const auto i = static_cast<std::size_t>(below(static_cast<int>(world.fleet.sites.size())));
  fleet::Site& site = world.fleet.sites[SiteId(i)];
  fleet::Supplier& supplier = world.fleet.suppliers[site.supplier];
  switch (below(5)) {
    case 0: site.place = std::nullopt; break;
    case 1: supplier.home = std::nullopt; break;
    case 2: supplier.parents_known = false; break;
    case 3: site.chip = ChipId(); break;
    default: site.certificates.clear(); break;
  }
  RC_ASSERT(is_part_of(permitted(world, labels, now), before));
}

}  // namespace
}  // namespace hanse::gate
