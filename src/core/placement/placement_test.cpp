#include "core/placement/placement.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include "core/placement/testing/small_grid.h"

namespace hanse::placement {
namespace {

using testing::at;
using testing::demand;
using ::testing::ElementsAre;
using testing::empty_grid;
using testing::Grid;
using testing::Wanted;

// "1 chosen", "0 dearer": offers in order of preference, and why.
std::vector<std::string> ranked(const Decision& decision) {
  std::vector<std::string> lines;
  for (const Candidate& candidate : decision.best) {
    lines.push_back(fmt::format("{} {}", candidate.offer.value(), to_string(candidate.reason)));
  }
  return lines;
}

std::vector<std::string> decide(const Grid& grid, const Demand& asked) {
  Placement placement = grid.placement();
  return ranked(placement.decide(asked, grid.all(), at(seconds(0))));
}

TEST(CheapestWithinObjective, TheCheapestOfThoseThatMeetTheClassIsChosen) {
  Grid grid = empty_grid();
  grid.add({.prompt_price = 300});
  grid.add({.prompt_price = 200});
  grid.add({.prompt_price = 50, .round_trip = seconds(2)});  // cheap, and too far
  grid.add({.prompt_price = 200});
  grid.add({.prompt_price = 50, .decode_per_second = 9});  // cheap, and too slow
  EXPECT_THAT(decide(grid, demand()),
              ElementsAre("1 chosen", "3 later_id", "0 dearer", "2 misses_objective"));

  // The same grid for work that can wait: now the distant one is good enough.
  Demand patient = demand();
  patient.latency_class = ClassId(1);
  EXPECT_THAT(decide(grid, patient), ElementsAre("2 chosen", "4 later_id", "1 dearer", "3 dearer"));
}

TEST(CheapestWithinObjective, WhenNoneMeetsTheClassTheOneThatComesNearestIsChosen) {
  Grid grid = empty_grid();
  grid.add({.prompt_price = 1, .round_trip = seconds(3)});
  grid.add({.prompt_price = 900, .round_trip = seconds(2)});
  grid.add({.prompt_price = 1, .decode_per_second = 5});  // 100 ms late, a hundred times
  Placement placement = grid.placement();
  const Decision decision = placement.decide(demand(), grid.all(), at(seconds(0)));
  EXPECT_THAT(ranked(decision), ElementsAre("1 chosen", "0 slower", "2 slower"));
  EXPECT_FALSE(decision.best[0].within_objective);
}

// A price below one nano-unit must still order the offers.
TEST(CheapestWithinObjective, PricesAreComparedBeforeTheyAreRounded) {
  Grid grid = empty_grid();
  grid.add({.prompt_price = 3, .output_price = 1});
  grid.add({.prompt_price = 2, .output_price = 1});
  Demand tiny = demand();
  tiny.prompt_bytes = 4;
  tiny.output_limit = Tokens(1);
  Placement placement = grid.placement();
  const Decision decision = placement.decide(tiny, grid.all(), at(seconds(0)));
  EXPECT_EQ(decision.best[0].prediction.cost, decision.best[1].prediction.cost);
  EXPECT_THAT(ranked(decision), ElementsAre("1 chosen", "0 dearer"));
}

TEST(Placement, ForetellsTimeAndPriceFromProfileAndLink) {
  Grid grid = empty_grid();
  grid.add({.prompt_price = 1'000'000,
            .output_price = 3'000'000,
            .first_token = milliseconds(40),
            .prefill_per_second = 500,
            .decode_per_second = 50,
            .round_trip = milliseconds(10),
            .bits_per_second = 32'000});
  Placement placement = grid.placement();
  const Candidate candidate = placement.decide(demand(), grid.all(), at(seconds(0))).best[0];
  const Prediction& prediction = candidate.prediction;
  // 40 + 10 ms, 400 bytes at 4 kB/s, 100 tokens at 500 a second.
  EXPECT_EQ(prediction.first_token, milliseconds(50 + 100 + 200));
  EXPECT_EQ(prediction.per_token, milliseconds(20));
  EXPECT_EQ(prediction.prompt, Tokens(100));
  EXPECT_EQ(prediction.cached, Tokens(0));
  EXPECT_EQ(prediction.output, Tokens(100));
  EXPECT_EQ(prediction.cost, Money(100 * 1'000 + 100 * 3'000));
  EXPECT_EQ(prediction.promised_first_token, prediction.first_token);
  EXPECT_TRUE(candidate.within_objective);
  EXPECT_EQ(placement.predict(demand(), OfferId(0)), prediction);
}

TEST(Placement, EachChoiceWritesItsOwnAnswerFromOnePrompt) {
  Grid grid = empty_grid();
  grid.add({});
  Demand three = demand();
  three.choices = 3;
  const Prediction prediction = grid.placement().predict(three, OfferId(0));
  EXPECT_EQ(prediction.prompt, Tokens(100));
  EXPECT_EQ(prediction.output, Tokens(300));
  EXPECT_EQ(prediction.sequences, 3);
}

// What a tenant sent before makes a site cheaper and faster for it, in seconds
// and money and not by a weight.
TEST(Placement, ALikelyCacheCountsAsTimeAndMoney) {
  Grid grid = empty_grid();
  grid.add({});
  grid.add({});
  Placement placement = grid.placement();
  const Prediction before = placement.predict(demand(), OfferId(1));
  for (int i = 0; i < 30; ++i) {
    placement.learned().observe(demand(), SiteId(1), testing::usage(20, 80, 100));
  }
  const Prediction after = placement.predict(demand(), OfferId(1));
  EXPECT_NEAR(static_cast<double>(after.cached.count()), 80, 2);
  EXPECT_LT(after.first_token, before.first_token);
  EXPECT_LT(after.cost, before.cost);
  EXPECT_THAT(ranked(placement.decide(demand(), grid.all(), at(seconds(0)))),
              ElementsAre("1 chosen", "0 dearer"));

  // Another tenant's prompts are not in it.
  Demand other = demand();
  other.tenant = TenantId(1);
  EXPECT_EQ(placement.predict(other, OfferId(1)).cached, Tokens(0));
  EXPECT_THAT(ranked(placement.decide(other, grid.all(), at(seconds(0)))),
              ElementsAre("0 chosen", "1 later_id"));
}

TEST(Placement, ABusySiteIsLeftForADearerOneThatMeetsTheClass) {
  Grid grid = empty_grid();
  grid.add({.prompt_price = 100, .slots = 2});
  grid.add({.prompt_price = 200, .slots = 2});
  Placement placement = grid.placement();
  std::vector<std::size_t> chosen;
  for (int i = 0; i < 4; ++i) {
    const Decision decision = placement.decide(demand(), grid.all(), at(seconds(0)));
    chosen.push_back(decision.chosen.value());
    placement.loads().started(decision.chosen, decision.best[0].prediction);
    placement.loads().first_token(decision.chosen, decision.best[0].prediction,
                                  decision.best[0].prediction.promised_first_token,
                                  MonotonicTime(0));
  }
  EXPECT_THAT(chosen, ElementsAre(0, 0, 1, 1));
}

TEST(Placement, OnlyOffersOfTheAliassVariantsAreCandidates) {
  Grid grid = empty_grid();
  grid.add({});
  const ModelId other = grid.catalog.models.add({"other", Tokens(1)});
  const VariantId variant = grid.catalog.variants.add({"other/q8", other, "q8"});
  grid.catalog.aliases.add({"large", other, {variant, variant}, ClassId(0)});
  const OfferId large = grid.add_offer(SiteId(0), {});
  grid.fleet.offers[large].variant = variant;
  Demand asked = demand();
  EXPECT_THAT(decide(grid, asked), ElementsAre("0 chosen"));
  asked.alias = AliasId(1);
  EXPECT_THAT(decide(grid, asked), ElementsAre("1 chosen"));
}

// The loop over the offers, which skips what it can, against the plain
// definition: smallest by (lateness, price, id). Some offers share a site, some
// sites are not allowed, some have what the tenant sent before.
RC_GTEST_PROP(PlacementProperty, TheChosenIsTheSmallestByLatenessPriceAndId, ()) {
  Grid grid = empty_grid();
  const int offers = *rc::gen::inRange(1, 300);
  for (int i = 0; i < offers; ++i) {
    const Wanted wanted{.prompt_price = *rc::gen::inRange<std::int64_t>(0, 5),
                        .cached_price = *rc::gen::inRange<std::int64_t>(0, 5),
                        .output_price = *rc::gen::inRange<std::int64_t>(0, 5),
                        .first_token = milliseconds(*rc::gen::inRange<std::int64_t>(0, 3'000)),
                        .decode_per_second = *rc::gen::inRange<std::int64_t>(1, 40)};
    if (i == 0 || *rc::gen::inRange(0, 4) != 0) {
      grid.add(wanted);
    } else {
      grid.add_offer(SiteId(*rc::gen::inRange<std::size_t>(0, grid.fleet.sites.size())), wanted);
    }
  }
  Placement placement = grid.placement();
  BitSet allowed(grid.fleet.sites.size());
  for (std::size_t i = 0; i < allowed.size(); ++i) {
    if (*rc::gen::inRange(0, 3) != 0) allowed.insert(i);
    if (*rc::gen::inRange(0, 4) != 0) continue;
    const auto cached = *rc::gen::inRange<std::int64_t>(0, 101);
    placement.learned().observe(demand(), SiteId(i), testing::usage(100 - cached, cached, 100));
  }
  Demand asked = demand();
  asked.prompt_bytes = *rc::gen::inRange<std::int64_t>(0, 4'000);
  asked.output_limit = Tokens(*rc::gen::inRange<std::int64_t>(0, 300));

  using Key = std::tuple<std::int64_t, std::int64_t, std::size_t>;
  std::vector<Key> keys;
  grid.fleet.offers.for_each([&](OfferId id, const fleet::Offer& offer) {
    if (!allowed.contains(offer.site.value())) return;
    const Prediction p = placement.predict(asked, id);
    const std::int64_t late =
        std::max<std::int64_t>((p.first_token - milliseconds(1'500)).count(), 0) +
        std::max<std::int64_t>((p.per_token - milliseconds(100)).count(), 0) * p.output.count();
    const std::int64_t pico =
        (p.prompt - p.cached).count() * offer.prices[TokenKind::prompt].count() +
        p.cached.count() * offer.prices[TokenKind::cached_read].count() +
        p.output.count() * offer.prices[TokenKind::output].count();
    keys.emplace_back(late, pico, id.value());
  });
  std::ranges::sort(keys);
  const Decision decision = placement.decide(asked, allowed, at(seconds(0)));
  RC_ASSERT(decision.candidates == keys.size());
  RC_ASSERT(decision.best.size() == std::min(keys.size(), kCandidatesKept));
  for (std::size_t k = 0; k < decision.best.size(); ++k) {
    const Candidate& candidate = decision.best[k];
    RC_ASSERT(candidate.offer.value() == std::get<2>(keys[k]));
    RC_ASSERT(candidate.within_objective == (std::get<0>(keys[k]) == 0));
    RC_ASSERT(candidate.prediction == placement.predict(asked, candidate.offer));
  }
}

}  // namespace
}  // namespace hanse::placement
