#include "core/gate/coverage.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/gate/testing/four_sites.h"

namespace hanse::gate {
namespace {

using testing::certificate;
using testing::day;
using testing::four_sites;
using testing::World;
using Kind = Clause::Kind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> dead(const World& world, std::vector<Bearer> bearers, WallTime now) {
  std::vector<std::string> all;
  for (const RuleFinding& finding :
       dead_rules(world.catalog, world.fleet, world.policies, world.labels, bearers, now)) {
    const Policy& policy = world.policies[finding.policy];
    all.push_back(fmt::format(
        "{} {}", finding.rule < policy.rules.size() ? policy.rules[finding.rule].name : policy.name,
        to_string(finding.kind)));
  }
  return all;
}

std::vector<std::string> unusable(const World& world, std::vector<Bearer> bearers, WallTime now) {
  std::vector<std::string> names;
  for (const SiteId site :
       unusable_sites(world.catalog, world.fleet, world.policies, world.labels, bearers, now)) {
    names.push_back(world.fleet.sites[site].name);
  }
  return names;
}

TEST(Coverage, ARuleThatNoSiteSatisfiesIsFound) {
  EXPECT_THAT(dead(four_sites(), {{PolicyId(0), {}}}, day(0)),
              ElementsAre("health-needs-hds satisfied_by_no_site"));
}

TEST(Coverage, ARuleThatSaysNothingOrMeetsNoRequestIsFound) {
  World world = four_sites();
  world.policies = Policies();
  // A label of another dimension can never be the class of anything.
  const Condition never{.data = *world.labels.find(Dimension::categories, "health"),
                        .subjects = {},
                        .categories = {}};
  // Data that is unknown meets every condition on the class, so only a
  // category can be out of reach.
  const Condition strange{.data = {}, .subjects = {}, .categories = LabelSet(1U << 20U)};
  world.policies.add({.name = "policy",
                      .rules = {{"empty", {}, {}},
                                {"meets-unknown", never, {certificate("C5")}},
                                {"meets-nothing", strange, {certificate("C5")}}}});
  world.policies.add({.name = "idle", .rules = {}});
  EXPECT_THAT(
      dead(world, {{PolicyId(0), {}}}, day(0)),
      ElementsAre("empty says_nothing", "meets-nothing never_applies", "idle policy_unused"));
}

TEST(Coverage, ACertificateThatIsYetToBeginCounts) {
  World world = four_sites();
  world.policies = Policies();
  world.policies.add({.name = "policy", .rules = {{"c5", {}, {certificate("C5")}}}});
  const std::vector<Bearer> bearers = {{PolicyId(0), {}}};
  EXPECT_THAT(dead(world, bearers, day(0)), IsEmpty());
  EXPECT_THAT(unusable(world, bearers, day(0)), ElementsAre("ashburn", "lyon"));
  EXPECT_THAT(unusable(world, bearers, day(150)), ElementsAre("ashburn", "frankfurt", "lyon"));
  EXPECT_THAT(dead(world, bearers, day(200)), ElementsAre("c5 satisfied_by_no_site"));
}

TEST(Coverage, ASiteIsUnusableWhenNoTenantsLeastLabelsPermitIt) {
  const World world = four_sites();
  const LabelSet personal = world.read("personal; subjects=EU");
  EXPECT_THAT(unusable(world, {{PolicyId(0), personal}}, day(0)),
              ElementsAre("ashburn", "frankfurt"));
  EXPECT_THAT(unusable(world, {{PolicyId(0), personal}, {PolicyId(0), {}}}, day(0)), IsEmpty());
  EXPECT_THAT(unusable(world, {}, day(0)), ElementsAre("ashburn", "frankfurt", "hamburg", "lyon"));
}

TEST(Coverage, ARetiredSiteIsNotMissed) {
  World world = four_sites();
  world.fleet.sites[SiteId(0)].retired = true;
  EXPECT_THAT(unusable(world, {}, day(0)), ElementsAre("frankfurt", "hamburg", "lyon"));
}

}  // namespace
}  // namespace hanse::gate
