// Asking the gate allocates nothing, not even when a certificate ends.
#include <gtest/gtest.h>

#include "base/testing/allocations.h"
#include "core/gate/gate.h"
#include "core/gate/testing/four_sites.h"

namespace hanse::gate {
namespace {

TEST(GateAllocates, NothingOnceTheAnswersPlaceIsThere) {
  testing::World world = testing::four_sites();
  world.policies[PolicyId(0)].rules.push_back({"c5", {}, {testing::certificate("C5")}});
  Gate gate(world.catalog, world.fleet, world.policies, world.labels);
  const Question question{PolicyId(0), world.read("personal; subjects=EU")};
  BitSet permitted;
  gate.permitted_sites(question, testing::day(0), permitted);
  const std::size_t before = allocations_so_far();
  for (int day = 0; day < 300; ++day) {
    gate.permitted_sites(question, testing::day(day), permitted);
    for (std::size_t site = 0; site < 4; ++site) {
      static_cast<void>(gate.permit(question, SiteId(site), testing::day(day)));
    }
  }
  EXPECT_EQ(allocations_so_far(), before);
}

}  // namespace
}  // namespace hanse::gate
