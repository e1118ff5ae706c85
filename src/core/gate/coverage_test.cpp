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

// A model of one variant under one alias, offered at all sites but the last.
World with_offers() {
  World world = four_sites();
  const ModelId model = world.catalog.models.add({.name = "m", .context_tokens = Tokens(1)});
  const VariantId variant =
      world.catalog.variants.add({.name = "m/q4", .model = model, .precision = "q4"});
  world.catalog.aliases.add(
      {.name = "m", .model = model, .variants = {variant}, .latency_class = {}});
  for (std::size_t i = 0; i + 1 < world.fleet.sites.size(); ++i) {
    fleet::Offer offer;
    offer.name = fmt::format("{}/m/q4", world.fleet.sites[SiteId(i)].name);
    offer.site = SiteId(i);
    offer.variant = variant;
    world.fleet.offers.add(std::move(offer));
  }
  world.catalog.price_books.add({.name = "sells", .prices = {TokenPrices()}});
  world.catalog.price_books.add({.name = "sells nothing", .prices = {std::nullopt}});
  return world;
}

TEST(Coverage, ASiteIsUnsoldWhenNobodyWhomItsRulesPermitIsSoldWhatItOffers) {
  World world = with_offers();
  const auto unsold = [&](std::vector<Bearer> bearers) {
    return unsold_sites(world.catalog, world.fleet, world.policies, world.labels, bearers, day(0))
        .size();
  };
  const LabelSet personal = world.read("personal; subjects=EU");
  EXPECT_EQ(unsold({{PolicyId(0), {}, PriceBookId(0)}}), 1U) << "the one without an offer";
  EXPECT_EQ(unsold({{PolicyId(0), {}, PriceBookId(1)}}), 4U);
  EXPECT_EQ(unsold({{PolicyId(0), {}, PriceBookId(1)}, {PolicyId(0), {}, PriceBookId(0)}}), 1U);
  // Two sites are permitted only to the one who is sold nothing.
  EXPECT_EQ(unsold({{PolicyId(0), {}, PriceBookId(1)}, {PolicyId(0), personal, PriceBookId(0)}}),
            3U);
  world.catalog.aliases[AliasId(0)].variants.clear();
  EXPECT_EQ(unsold({{PolicyId(0), {}, PriceBookId(0)}}), 4U);
  EXPECT_EQ(unsold({}), 0U) << "refused, not unsold";
}

TEST(Coverage, ARetiredSiteIsNotMissed) {
  World world = four_sites();
  world.fleet.sites[SiteId(0)].retired = true;
  EXPECT_THAT(unusable(world, {}, day(0)), ElementsAre("frankfurt", "hamburg", "lyon"));
}

}  // namespace
}  // namespace hanse::gate
