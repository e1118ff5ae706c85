#include "drivers/replay/site_watch.h"

#include <gtest/gtest.h>

namespace hanse::replay {
namespace {

using answer::Failure;

constexpr AttemptName kFirst{.slot = 1, .generation = 1, .attempt = 0};
constexpr AttemptName kSecond{.slot = 2, .generation = 1, .attempt = 0};

MonotonicTime at(std::int64_t ms) { return MonotonicTime() + milliseconds(ms); }

class SiteWatchTest : public ::testing::Test {
 protected:
  void fails(const AttemptName& attempt, Failure failure, MonotonicTime now) {
    watch_.ended({.site = "lyon",
                  .number = attempt,
                  .failure = failure,
                  .retry_after = seconds(3),
                  .was_closed = true},
                 now);
  }

  SiteWatch watch_{{.health = {.pause_first = seconds(1)}, .probe_every = seconds(1)}};
};

TEST_F(SiteWatchTest, ASiteWhereNobodyListenedIsTriedByOneAtATimeAfterAPause) {
  EXPECT_FALSE(watch_.opened("lyon", kFirst, at(0)));
  fails(kFirst, Failure::unreachable, at(10));
  EXPECT_TRUE(watch_.opened("lyon", kSecond, at(1'000)));
  EXPECT_FALSE(watch_.opened("lyon", kFirst, at(1'010)));
  EXPECT_TRUE(watch_.opened("lyon", kSecond, at(1'020)));
  EXPECT_FALSE(watch_.opened("hamburg", kSecond, at(1'020)));
  watch_.answered("lyon");
  EXPECT_FALSE(watch_.opened("lyon", kSecond, at(1'030)));
}

TEST_F(SiteWatchTest, ATrialThatIsCancelledMakesRoomForAnother) {
  fails(kFirst, Failure::unreachable, at(0));
  EXPECT_FALSE(watch_.opened("lyon", kFirst, at(1'000)));
  watch_.cancelled("lyon", kFirst);
  EXPECT_FALSE(watch_.opened("lyon", kSecond, at(1'001)));
}

TEST_F(SiteWatchTest, ASiteThatAsksToBeLeftAloneIs) {
  fails(kFirst, Failure::rate_limited, at(0));
  EXPECT_TRUE(watch_.opened("lyon", kSecond, at(2'999)));
  EXPECT_FALSE(watch_.opened("lyon", kSecond, at(3'000)));
}

TEST_F(SiteWatchTest, ADrilledSiteIsNotAskedUntilTheDrillIsOver) {
  watch_.drilled("lyon", at(5'000));
  EXPECT_TRUE(watch_.opened("lyon", kFirst, at(4'999)));
  watch_.drilled("lyon", at(4'999));
  EXPECT_FALSE(watch_.opened("lyon", kFirst, at(4'999)));
}

TEST_F(SiteWatchTest, ASiteIsProbedOnceInAPeriod) {
  EXPECT_FALSE(watch_.probed("lyon", at(0)));
  EXPECT_TRUE(watch_.probed("lyon", at(999)));
  EXPECT_FALSE(watch_.probed("lyon", at(1'000)));
}

}  // namespace
}  // namespace hanse::replay
