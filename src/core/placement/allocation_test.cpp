// A decision allocates nothing once it has been made a few times. The bar is
// eight allocations for a whole request, so none may be spent here.
#include <gtest/gtest.h>

#include "base/testing/allocations.h"
#include "core/placement/placement.h"
#include "core/placement/testing/small_grid.h"

namespace hanse::placement {
namespace {

class EveryStrategyAllocates : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(Registered, EveryStrategyAllocates, ::testing::ValuesIn(strategy_names()),
                         [](const auto& parameter) { return parameter.param; });

TEST_P(EveryStrategyAllocates, NothingInSteadyState) {
  testing::Grid grid = testing::empty_grid();
  for (int i = 0; i < 50; ++i) grid.add({});
  Placement placement = grid.placement(GetParam());
  const BitSet allowed = grid.all();
  const Demand asked = testing::demand();
  const auto serve = [&] {
    const Instant now = testing::at(seconds(0));
    const Decision decision = placement.decide(asked, allowed, now);
    const Prediction& prediction = decision.best[0].prediction;
    placement.loads().started(decision.chosen, prediction);
    placement.loads().first_token(decision.chosen, prediction, milliseconds(70), now.monotonic);
    placement.loads().ended(decision.chosen, prediction,
                            {.had_first_token = true, .output = Tokens(20), .decoding = seconds(1)},
                            now.monotonic);
    placement.learned().observe(asked, grid.fleet.offers[decision.chosen].site,
                                testing::usage(40, 60, 20));
  };
  for (int i = 0; i < 200; ++i) serve();
  const std::size_t before = allocations_so_far();
  for (int i = 0; i < 200; ++i) serve();
  EXPECT_EQ(allocations_so_far(), before);
}

}  // namespace
}  // namespace hanse::placement
