#include "core/fleet/site_slots.h"

#include <gtest/gtest.h>

#include <array>

#include "base/random.h"

namespace hanse::fleet {
namespace {

TEST(SlotOwner, GivesLeaveUpToTheBoundAndAgainWhenAnAttemptEnds) {
  SlotOwner owner;
  const SiteLine site = owner.set("hamburg", 2);
  EXPECT_TRUE(owner.take(site));
  EXPECT_FALSE(owner.full().contains(site.value()));
  EXPECT_TRUE(owner.take(site));
  EXPECT_TRUE(owner.full().contains(site.value()));
  EXPECT_FALSE(owner.take(site));
  owner.give_back(site);
  EXPECT_FALSE(owner.full().contains(site.value()));
  EXPECT_TRUE(owner.take(site));
}

TEST(SlotOwner, ALineSurvivesAReloadByNameWithWhatIsOpen) {
  SlotOwner owner;
  const SiteLine hamburg = owner.set("hamburg", 2);
  const SiteLine lyon = owner.set("lyon", 2);
  ASSERT_TRUE(owner.take(hamburg));
  // The new configuration counts its sites in another order.
  EXPECT_EQ(owner.set("lyon", 2), lyon);
  EXPECT_EQ(owner.set("bergen", 2), SiteLine(2));
  EXPECT_EQ(owner.set("hamburg", 2), hamburg);
  EXPECT_EQ(owner.taken(hamburg), 1);
}

TEST(SlotOwner, ABoundThatIsLoweredEndsNothingAndHoldsFromThen) {
  SlotOwner owner;
  const SiteLine site = owner.set("hamburg", 3);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(owner.take(site));
  owner.set("hamburg", 1);
  EXPECT_EQ(owner.taken(site), 3);
  EXPECT_FALSE(owner.take(site));
  owner.give_back(site);
  owner.give_back(site);
  EXPECT_FALSE(owner.take(site)) << "one is open, which is the new bound";
  owner.give_back(site);
  EXPECT_TRUE(owner.take(site));
}

TEST(SlotOwner, ABoundThatIsRaisedMakesRoomAtOnce) {
  SlotOwner owner;
  const SiteLine site = owner.set("hamburg", 0);
  EXPECT_TRUE(owner.full().contains(site.value()));
  owner.set("hamburg", 1);
  EXPECT_FALSE(owner.full().contains(site.value()));
  EXPECT_TRUE(owner.take(site));
}

// Shards come and go as chance has it; what each holds is counted here.
TEST(SlotOwner, SeveralHoldersTogetherNeverPassTheBound) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    SlotOwner owner;
    const auto most = static_cast<std::int32_t>(random.below(6));
    const SiteLine site = owner.set("hamburg", most);
    std::array<std::int32_t, 3> held{};
    for (int step = 0; step < 200; ++step) {
      std::int32_t& mine = held[random.below(held.size())];
      const std::int32_t all = held[0] + held[1] + held[2];
      if (random.below(2) == 0) {
        const bool leave = owner.take(site);
        ASSERT_EQ(leave, all < most) << "seed " << seed;
        if (leave) ++mine;
      } else if (mine > 0) {
        --mine;
        owner.give_back(site);
      }
      ASSERT_EQ(owner.taken(site), held[0] + held[1] + held[2]);
      ASSERT_EQ(owner.full().contains(site.value()), owner.taken(site) == most);
    }
  }
}

}  // namespace
}  // namespace hanse::fleet
