#include "core/dispatch/outlook.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/dispatch/testing/small_grid.h"
#include "core/fleet/loss.h"

namespace hanse::dispatch {
namespace {

using ::testing::Contains;
using testing::day;
using ::testing::Not;
using testing::small_grid;

BitSet lost(const Snapshot& snapshot, fleet::Loss::Kind kind, std::string name) {
  const fleet::Loss loss{kind, std::move(name)};
  return fleet::sites_lost(snapshot.fleet, {&loss, 1}).value();
}

std::string sites(const Snapshot& snapshot, const std::vector<OfferId>& offers) {
  std::vector<std::string> names;
  for (const OfferId offer : offers) {
    names.push_back(snapshot.fleet.sites[snapshot.fleet.offers[offer].site].name);
  }
  return fmt::format("{}", fmt::join(names, " "));
}

// "any, none: fewer_routes, ashburn frankfurt lyon", of acme.
std::vector<std::string> told(const Snapshot& snapshot, const BitSet& lost) {
  std::vector<std::string> lines;
  for (const Outlook& outlook : outlooks_without(snapshot, lost, day(50))) {
    if (snapshot.tenants.tenants[outlook.tenant].name != "acme") continue;
    std::string line =
        fmt::format("{}, {}: {}", snapshot.catalog.aliases[outlook.alias].name,
                    snapshot.labels.print(outlook.labels), to_string(outlook.change));
    if (!outlook.after.empty()) line += ", " + sites(snapshot, outlook.after);
    for (const Refusing& refusing : outlook.refusing) {
      std::vector<std::string> names;
      for (const SiteId site : refusing.sites) names.push_back(snapshot.fleet.sites[site].name);
      line += fmt::format(", {} at {}", refusing.rule, fmt::join(names, " "));
    }
    lines.push_back(line);
  }
  return lines;
}

TEST(Outlook, SaysWhoHasARouteLeftTheCheapestFirst) {
  const Snapshot snapshot = small_grid();
  const auto lines = told(snapshot, lost(snapshot, fleet::Loss::Kind::site, "lyon"));
  EXPECT_THAT(lines, Contains("any, none: fewer_routes, ashburn frankfurt hamburg"));
  EXPECT_THAT(lines, Contains("any, personal; subjects=EU: fewer_routes, hamburg"));
  EXPECT_THAT(lines, Contains("exact, none: none, frankfurt hamburg"));
}

TEST(Outlook, SaysWhoMustBeRefusedByWhichRules) {
  const Snapshot snapshot = small_grid();
  const auto lines = told(snapshot, lost(snapshot, fleet::Loss::Kind::country, "DE"));
  EXPECT_THAT(lines, Contains("any, none: fewer_routes, ashburn lyon"));
  EXPECT_THAT(lines, Contains("any, personal; subjects=EU: dearer, lyon"));
  EXPECT_THAT(lines, Contains("any, personal; subjects=CH; categories=health: refused_before, "
                              "health-needs-hds at ashburn lyon"));
  EXPECT_THAT(lines, Contains("exact, none: refused")) << "nobody else has the full weights";
}

TEST(Outlook, NamesTheRulesThatKeepARequestFromWhatIsLeft) {
  const Snapshot snapshot = small_grid();
  BitSet gone = lost(snapshot, fleet::Loss::Kind::site, "hamburg");
  gone |= lost(snapshot, fleet::Loss::Kind::site, "lyon");
  EXPECT_THAT(told(snapshot, gone),
              Contains("any, personal; subjects=EU: refused, eu-personal-stays-in-the-eu at "
                       "ashburn, eu-personal-out-of-foreign-reach at ashburn frankfurt"));
}

TEST(Outlook, SaysWhatTheCheapestRouteCostsBeforeAndAfter) {
  const Snapshot snapshot = small_grid();
  const auto outlooks =
      outlooks_without(snapshot, lost(snapshot, fleet::Loss::Kind::site, "ashburn"), day(50));
  const Outlook& first = outlooks.front();
  EXPECT_TRUE(first.is_default);
  EXPECT_EQ(first.change, Outlook::Change::dearer);
  EXPECT_EQ(sites(snapshot, first.before), "ashburn frankfurt hamburg lyon");
  const auto price = [&](OfferId offer) {
    return price_of_a_million(snapshot.fleet.offers[offer].prices);
  };
  EXPECT_EQ(price(first.before.front()), Money(1'000'000)) << "a nano-unit a token";
  EXPECT_EQ(price(first.after.front()), Money(2'000'000));
}

TEST(Outlook, AsksAboutNothingThatIsNotSoldToATenant) {
  Snapshot snapshot = small_grid();
  snapshot.catalog.price_books[PriceBookId(0)].prices[1].reset();
  EXPECT_THAT(told(snapshot, BitSet(4)), Not(Contains(::testing::StartsWith("exact"))));
}

TEST(Outlook, ATenantWhoseKeyMayRelaxIsAskedForWithoutLabelsToo) {
  Snapshot snapshot = small_grid();
  limits::Tenants& tenants = snapshot.tenants;
  tenants.tenants[*tenants.tenants.find("acme")].default_labels =
      snapshot.labels.parse("personal; subjects=EU")->bits();
  EXPECT_THAT(told(snapshot, BitSet(4)), Not(Contains(::testing::StartsWith("any, none"))));
  tenants.keys[*tenants.keys.find("acme/web/laptop")].may_relax = true;
  EXPECT_THAT(told(snapshot, BitSet(4)), Contains(::testing::StartsWith("any, none")));
}

}  // namespace
}  // namespace hanse::dispatch
