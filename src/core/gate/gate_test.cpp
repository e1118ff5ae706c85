#include "core/gate/gate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/gate/facts.h"
#include "core/gate/testing/four_sites.h"

namespace hanse::gate {
namespace {

using fleet::Code;
using testing::area;
using testing::certificate;
using testing::day;
using testing::four_sites;
using testing::World;
using Kind = Clause::Kind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The permitted sites by name, "-" for none; explain() and permit() must agree.
std::string permitted(const World& world, std::string_view labels, WallTime now,
                      PolicyId policy = PolicyId(0)) {
  Gate gate(world.catalog, world.fleet, world.policies, world.labels);
  const Question question{policy, world.read(labels)};
  BitSet sites;
  gate.permitted_sites(question, now, sites);
  std::vector<std::string> names;
  for (const Verdict& verdict : gate.explain(question, now)) {
    EXPECT_EQ(verdict.permitted, sites.contains(verdict.site.value()));
    EXPECT_EQ(verdict.permitted, verdict.refusals.empty());
    EXPECT_EQ(verdict.permitted, gate.permit(question, verdict.site, now).has_value());
    if (verdict.permitted) names.push_back(world.fleet.sites[verdict.site].name);
  }
  return names.empty() ? "-" : fmt::format("{}", fmt::join(names, " "));
}

// All refusals of one site, "rule: requirement: fact, fact".
std::vector<std::string> refusals(const World& world, std::string_view labels,
                                  std::string_view site, WallTime now) {
  const Gate gate(world.catalog, world.fleet, world.policies, world.labels);
  const Question question{PolicyId(0), world.read(labels)};
  std::vector<std::string> all;
  const Verdict verdict = gate.explain(question, *world.fleet.sites.find(site), now);
  for (const Refusal& refusal : verdict.refusals) {
    all.push_back(fmt::format("{}: {}: {}", refusal.rule, refusal.requirement,
                              fmt::join(refusal.facts, "; ")));
  }
  return all;
}

// A world whose policy has one rule for every request, with one clause.
World under(Clause clause) {
  World world = four_sites();
  world.policies = Policies();
  world.policies.add({.name = "only", .rules = {{"rule", {}, {std::move(clause)}}}});
  return world;
}

TEST(FourSites, LabelsDecideWhereARequestMayRun) {
  const World world = four_sites();
  const struct {
    const char* labels;
    const char* sites;
  } rows[] = {
      {"none", "ashburn frankfurt hamburg lyon"},
      {"personal; subjects=EU", "hamburg lyon"},
      {"personal; subjects=CH", "ashburn frankfurt hamburg lyon"},
      {"personal; subjects=CH,EU", "hamburg lyon"},
      // What is not named may be anything.
      {"personal", "hamburg lyon"},
      {"subjects=EU", "hamburg lyon"},
      {"subjects=CH", "ashburn frankfurt hamburg lyon"},
      {"personal; subjects=EU; categories=health", "-"},
      {"categories=health", "-"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(permitted(world, row.labels, day(0)), row.sites) << row.labels;
}

// European soil is not enough: the owner's law reaches frankfurt.
TEST(FourSites, ARefusalNamesTheRuleAndTheFactsThatDecidedIt) {
  const World world = four_sites();
  EXPECT_THAT(refusals(world, "personal; subjects=EU", "frankfurt", day(0)),
              ElementsAre("eu-personal-out-of-foreign-reach: the site may not be reached by the "
                          "law of US or CN: US reaches it: Atlantic Cloud, Inc. (home US) controls "
                          "Atlantic Cloud Germany GmbH by shares, 100 %"));
  EXPECT_THAT(refusals(world, "personal; subjects=EU; categories=health", "ashburn", day(0)),
              ElementsAre("eu-personal-stays-in-the-eu: the site must stand in EU: its machines "
                          "stand in US",
                          "eu-personal-out-of-foreign-reach: the site may not be reached by the "
                          "law of US or CN: US reaches it: its machines stand in US; US reaches "
                          "it: its operator Atlantic Cloud, Inc. has its home in US",
                          "health-needs-hds: the site must hold HDS, in force: ashburn holds "
                          "ISO-27001 (ends with 2027-04-10)"));
  EXPECT_THAT(refusals(world, "personal; subjects=EU", "hamburg", day(0)), IsEmpty());
}

TEST(Gate, ACertificateCountsFromItsFirstInstantUntilBeforeItsLast) {
  const World world = under(certificate("C5"));
  EXPECT_EQ(permitted(world, "none", day(0)), "frankfurt");
  EXPECT_EQ(permitted(world, "none", WallTime(day(10).count() - 1)), "frankfurt");
  EXPECT_EQ(permitted(world, "none", day(10)), "frankfurt hamburg");
  EXPECT_EQ(permitted(world, "none", WallTime(day(100).count() - 1)), "frankfurt hamburg");
  EXPECT_EQ(permitted(world, "none", day(100)), "hamburg");
  EXPECT_EQ(permitted(world, "none", day(200)), "-");
  EXPECT_THAT(refusals(world, "none", "hamburg", day(0)),
              ElementsAre("rule: the site must hold C5, in force: its C5 begins on 2027-01-11"));
  EXPECT_THAT(refusals(world, "none", "frankfurt", day(100)),
              ElementsAre("rule: the site must hold C5, in force: its C5 ended with 2027-04-10"));
}

// One gate, asked as time goes on: the sets follow without being told.
TEST(Gate, FollowsTheCertificatesAsTimeGoesOn) {
  const World world = under(certificate("C5"));
  Gate gate(world.catalog, world.fleet, world.policies, world.labels);
  const Question question{PolicyId(0), LabelSet()};
  BitSet sites;
  for (const auto& [now, count] : std::vector<std::pair<WallTime, std::size_t>>{
           {day(0), 1}, {day(50), 2}, {day(150), 1}, {day(250), 0}, {day(50), 2}}) {
    gate.permitted_sites(question, now, sites);
    EXPECT_EQ(sites.count(), count);
  }
  const auto permit = gate.permit(question, *world.fleet.sites.find("hamburg"), day(50));
  ASSERT_TRUE(permit.has_value());
  EXPECT_EQ(permit->given_at(), day(50));
  EXPECT_EQ(world.fleet.sites[permit->site()].name, "hamburg");
}

// Renewed with a gap of nothing: the old one ends in the instant the new begins.
TEST(Gate, ARenewedCertificateHasNoGap) {
  World world = under(certificate("C5"));
  auto& held = world.fleet.sites[*world.fleet.sites.find("frankfurt")].certificates;
  held.push_back({"C5", day(100), day(300)});
  EXPECT_EQ(permitted(world, "none", day(100)), "frankfurt hamburg");
  EXPECT_EQ(permitted(world, "none", day(250)), "frankfurt");
}

TEST(Gate, EveryClauseSaysWhatItMeans) {
  const struct {
    Clause clause;
    const char* sites;
  } rows[] = {
      {area(Kind::require_place, {"EU"}), "frankfurt hamburg lyon"},
      {area(Kind::require_place, {"FR", "US"}), "ashburn lyon"},
      {area(Kind::deny_place, {"EU"}), "ashburn"},
      {area(Kind::require_reach, {"EU"}), "hamburg lyon"},
      {area(Kind::require_reach, {"DE"}), "hamburg"},
      {area(Kind::require_reach, {"DE", "US"}), "ashburn frankfurt hamburg"},
      {area(Kind::deny_reach, {"EU"}), "ashburn"},
      {area(Kind::deny_reach, {"DE"}), "ashburn lyon"},
      {certificate("ISO-27001"), "ashburn frankfurt hamburg lyon"},
      {certificate("iso-27001"), "-"},
      {testing::chips(Kind::require_chip, {ChipId(0)}), "ashburn frankfurt hamburg lyon"},
      {testing::chips(Kind::deny_chip, {ChipId(0)}), "-"},
      {testing::suppliers(Kind::require_supplier, {SupplierId(0), SupplierId(3)}), "ashburn lyon"},
      {testing::suppliers(Kind::deny_supplier, {SupplierId(0)}), "frankfurt hamburg lyon"},
  };
  for (const auto& row : rows) {
    const World world = under(row.clause);
    EXPECT_EQ(permitted(world, "none", day(0)), row.sites)
        << requirement(world.catalog, world.fleet, row.clause);
  }
}

TEST(Gate, AMissingFactRefusesUnderEveryClauseThatNeedsIt) {
  World world = four_sites();
  const SupplierId nobody = world.supplier("nobody-knows", std::nullopt);
  world.fleet.suppliers[nobody].parents_known = false;
  const SiteId dark = world.site("dark", nobody, std::nullopt, {{"C5", {}, {}}});
  world.fleet.sites[dark].chip = ChipId();
  world.policies = Policies();
  Policy policy{.name = "all", .rules = {}};
  for (const Kind kind :
       {Kind::require_place, Kind::deny_place, Kind::require_reach, Kind::deny_reach}) {
    policy.rules.push_back({"area", {}, {area(kind, {"AQ"})}});
  }
  policy.rules.push_back({"certificate", {}, {certificate("C5")}});
  policy.rules.push_back({"chip", {}, {testing::chips(Kind::deny_chip, {})}});
  world.policies.add(policy);
  EXPECT_THAT(
      refusals(world, "none", "dark", day(0)),
      ElementsAre(
          "area: the site must stand in AQ: it is not known where the machines of dark stand",
          "area: the site may not stand in AQ: it is not known where the machines of dark stand",
          "area: the site may be reached by no law but that of AQ: it is not known where the "
          "machines of dark stand; the home of nobody-knows is not known; it is not known who "
          "controls nobody-knows",
          "area: the site may not be reached by the law of AQ: it is not known where the machines "
          "of dark stand; the home of nobody-knows is not known; it is not known who controls "
          "nobody-knows",
          "certificate: the site must hold C5, in force: it is not known until when its C5 is "
          "valid",
          "chip: the chip may not be : it is not known which chip dark has"));
}

TEST(Gate, ATerritoryIsDeniedWithItsSovereign) {
  World world = under(area(Kind::deny_place, {"US"}));
  world.site("san-juan", *world.fleet.suppliers.find("elbe-compute"), Code("PR"));
  EXPECT_EQ(permitted(world, "none", day(0)), "frankfurt hamburg lyon");
  EXPECT_THAT(refusals(world, "none", "san-juan", day(0)),
              ElementsAre("rule: the site may not stand in US: its machines stand in PR, a "
                          "territory of US"));
}

TEST(Gate, WithoutAPolicyNothingIsPermitted) {
  const World world = four_sites();
  EXPECT_EQ(permitted(world, "none", day(0), PolicyId()), "-");
  EXPECT_EQ(permitted(world, "none", day(0), PolicyId(7)), "-");
}

TEST(Gate, ARetiredSiteIsNeverPermitted) {
  World world = four_sites();
  world.fleet.sites[*world.fleet.sites.find("hamburg")].retired = true;
  EXPECT_EQ(permitted(world, "none", day(0)), "ashburn frankfurt lyon");
  EXPECT_THAT(refusals(world, "none", "hamburg", day(0)),
              ElementsAre("gate:in-service: the site must be in service: hamburg is retired"));
}

TEST(AreaClause, AnUnknownWordIsRefusedWithTheNearest) {
  const std::vector<std::string> words = {"DE", "EUU"};
  const auto clause = area_clause(Kind::require_place, words);
  ASSERT_FALSE(clause.has_value());
  EXPECT_EQ(clause.error().message,
            "\"EUU\" is no country (ISO 3166-1, two capital letters) and no area (EU, EEA, EFTA); "
            "did you mean EU?");
}

}  // namespace
}  // namespace hanse::gate
