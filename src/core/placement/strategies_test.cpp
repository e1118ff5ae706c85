// What every strategy must do, whichever file it stands in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "core/placement/placement.h"
#include "core/placement/testing/small_grid.h"

namespace hanse::placement {
namespace {

using testing::at;
using testing::demand;
using testing::empty_grid;
using testing::Grid;
using testing::Wanted;

class EveryStrategy : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Registered, EveryStrategy, ::testing::ValuesIn(strategy_names()),
                         [](const auto& parameter) { return parameter.param; });

// Offers of many prices and speeds, some of them twins.
Grid many_offers(std::uint64_t seed, std::size_t offers) {
  Random random(seed);
  Grid grid = empty_grid();
  for (std::size_t i = 0; i < offers; ++i) {
    Wanted wanted;
    wanted.prompt_price = static_cast<std::int64_t>(100 * (1 + random.below(4)));
    wanted.output_price = static_cast<std::int64_t>(300 * (1 + random.below(4)));
    wanted.prefill_per_second = static_cast<std::int64_t>(100 * (1 + random.below(10)));
    wanted.decode_per_second = static_cast<std::int64_t>(5 * (1 + random.below(10)));
    wanted.round_trip = milliseconds(static_cast<std::int64_t>(random.below(200)));
    grid.add(wanted);
  }
  return grid;
}

BitSet some_of(const Grid& grid, Random& random) {
  BitSet allowed(grid.fleet.sites.size());
  for (std::size_t i = 0; i < allowed.size(); ++i) {
    if (random.chance_ppm(400'000)) allowed.insert(i);
  }
  return allowed;
}

Demand any_demand(Random& random) {
  Demand asked = demand();
  asked.prompt_bytes = static_cast<std::int64_t>(random.below(20'000));
  asked.output_limit = Tokens(static_cast<std::int64_t>(1 + random.below(2'000)));
  asked.latency_class = ClassId(random.below(2));
  return asked;
}

TEST_P(EveryStrategy, ChoosesAmongTheAllowedAndTellsTheChosenFirst) {
  const Grid grid = many_offers(1, 60);
  Placement placement = grid.placement(GetParam());
  Random random(2);
  for (int i = 0; i < 500; ++i) {
    const BitSet allowed = some_of(grid, random);
    const Decision decision = placement.decide(any_demand(random), allowed, at(milliseconds(i)));
    EXPECT_EQ(decision.candidates, allowed.count());
    ASSERT_EQ(decision.chosen.valid(), !allowed.empty());
    ASSERT_EQ(decision.best.size(), std::min(allowed.count(), kCandidatesKept));
    std::set<OfferId> kept;
    for (std::size_t k = 0; k < decision.best.size(); ++k) {
      const Candidate& candidate = decision.best[k];
      EXPECT_TRUE(allowed.contains(grid.fleet.offers[candidate.offer].site.value()));
      EXPECT_EQ(candidate.reason == Reason::chosen, k == 0);
      EXPECT_TRUE(kept.insert(candidate.offer).second);
    }
    if (decision.chosen.valid()) {
      EXPECT_EQ(decision.best[0].offer, decision.chosen);
      placement.loads().started(decision.chosen, decision.best[0].prediction);
    }
  }
}

TEST_P(EveryStrategy, WithoutCandidatesChoosesNothing) {
  const Grid grid = many_offers(1, 5);
  Placement placement = grid.placement(GetParam());
  const Decision none = placement.decide(demand(), BitSet(5), at(seconds(0)));
  EXPECT_FALSE(none.chosen.valid());
  EXPECT_TRUE(none.best.empty());
  EXPECT_EQ(none.candidates, 0U);

  const Grid empty = empty_grid();
  Placement nowhere = empty.placement(GetParam());
  EXPECT_FALSE(nowhere.decide(demand(), empty.all(), at(seconds(0))).chosen.valid());
}

TEST_P(EveryStrategy, TakesTheOnlyCandidateHoweverSlowAndDear) {
  Grid grid = empty_grid();
  Wanted wanted;
  wanted.prompt_price = 1'000'000'000'000'000;
  wanted.prefill_per_second = 1;
  wanted.decode_per_second = 1;
  wanted.round_trip = seconds(100);
  const OfferId only = grid.add(wanted);
  Placement placement = grid.placement(GetParam());
  Demand asked = demand();
  asked.prompt_bytes = 16 << 20;
  asked.output_limit = Tokens(1'000'000);
  const Decision decision = placement.decide(asked, grid.all(), at(seconds(0)));
  EXPECT_EQ(decision.chosen, only);
  EXPECT_FALSE(decision.best[0].within_objective);
  EXPECT_GT(decision.best[0].prediction.cost.count(), 0);
}

TEST_P(EveryStrategy, BreaksTiesById) {
  Grid grid = empty_grid();
  for (int i = 0; i < 6; ++i) grid.add({});
  Placement placement = grid.placement(GetParam());
  BitSet allowed = grid.all();
  allowed.erase(0);
  const Decision decision = placement.decide(demand(), allowed, at(seconds(0)));
  ASSERT_EQ(decision.best.size(), 4U);
  for (std::size_t k = 0; k < 4; ++k) EXPECT_EQ(decision.best[k].offer, OfferId(k + 1));
}

// A recording must be decided again, bit for bit.
TEST_P(EveryStrategy, TheSameHistoryGivesTheSameChoices) {
  const Grid grid = many_offers(3, 40);
  std::vector<std::vector<OfferId>> runs;
  for (int run = 0; run < 2; ++run) {
    Placement placement = grid.placement(GetParam());
    Random random(4);
    auto& chosen = runs.emplace_back();
    for (int i = 0; i < 300; ++i) {
      const Demand asked = any_demand(random);
      const Decision decision = placement.decide(asked, some_of(grid, random), at(milliseconds(i)));
      chosen.push_back(decision.chosen);
      if (!decision.chosen.valid()) continue;
      const Prediction& prediction = decision.best[0].prediction;
      placement.loads().started(decision.chosen, prediction);
      placement.loads().first_token(decision.chosen, prediction,
                                    milliseconds(static_cast<std::int64_t>(random.below(3'000))),
                                    at(milliseconds(i)).monotonic);
      if (random.chance_ppm(500'000)) {
        placement.loads().ended(
            decision.chosen, prediction,
            {.had_first_token = true, .output = Tokens(50), .decoding = seconds(3)},
            at(milliseconds(i)).monotonic);
        placement.learned().observe(asked, grid.fleet.offers[decision.chosen].site,
                                    testing::usage(100, 50, 60));
      }
    }
  }
  EXPECT_EQ(runs[0], runs[1]);
}

TEST(Strategies, AreListedByNameAndAnUnknownOneNamesThem) {
  EXPECT_THAT(strategy_names(),
              ::testing::IsSupersetOf(
                  {"cheapest_within_objective", "least_outstanding_tokens", "round_robin"}));
  const auto names = strategy_names();
  EXPECT_TRUE(std::ranges::is_sorted(names));
  const Grid grid = empty_grid();
  const auto unknown = Placement::create(grid.catalog, grid.fleet, "cheapest");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code, ErrorCode::not_found);
  EXPECT_THAT(unknown.error().message, ::testing::HasSubstr("cheapest_within_objective"));
}

TEST(RoundRobin, GoesRoundAndPassesOverWhatMayNotBeUsed) {
  Grid grid = empty_grid();
  for (int i = 0; i < 4; ++i) grid.add({});
  Placement placement = grid.placement("round_robin");
  BitSet allowed = grid.all();
  const auto next = [&] {
    return placement.decide(demand(), allowed, at(seconds(0))).chosen.value();
  };
  EXPECT_EQ(next(), 0U);
  EXPECT_EQ(next(), 1U);
  allowed.erase(2);
  EXPECT_EQ(next(), 3U);
  EXPECT_EQ(next(), 0U);
  allowed.insert(2);
  EXPECT_EQ(next(), 1U);
  EXPECT_EQ(next(), 2U);
}

TEST(LeastOutstandingTokens, GoesWhereTheFewestTokensAreUnderWay) {
  Grid grid = empty_grid();
  for (int i = 0; i < 3; ++i) grid.add({});
  Placement placement = grid.placement("least_outstanding_tokens");
  std::vector<std::size_t> chosen;
  for (int i = 0; i < 3; ++i) {
    Demand asked = demand();
    asked.prompt_bytes = 4'000 / (i + 1);
    const Decision decision = placement.decide(asked, grid.all(), at(seconds(0)));
    chosen.push_back(decision.chosen.value());
    placement.loads().started(decision.chosen, decision.best[0].prediction);
  }
  EXPECT_THAT(chosen, ::testing::ElementsAre(0, 1, 2));
  const Decision fourth = placement.decide(demand(), grid.all(), at(seconds(0)));
  EXPECT_EQ(fourth.chosen, OfferId(2));
  EXPECT_EQ(fourth.best[1].reason, Reason::busier);
}

}  // namespace
}  // namespace hanse::placement
