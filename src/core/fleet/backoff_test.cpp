#include "core/fleet/backoff.h"

#include <gtest/gtest.h>

namespace hanse::fleet {
namespace {

constexpr Pauses kPauses{.first = seconds(1), .most = seconds(8)};

MonotonicTime at(std::int64_t s) { return MonotonicTime(seconds(s).count()); }

// Failed so often in a row at time 0.
Backoff failed(int times) {
  Backoff backoff;
  for (int i = 0; i < times; ++i) (void)backoff.fail(kPauses, at(0));
  return backoff;
}

TEST(Backoff, PausesDoubleUpToTheLongest) {
  Backoff backoff;
  for (const std::int64_t pause : {1, 2, 4, 8, 8, 8}) {
    EXPECT_EQ(backoff.fail(kPauses, at(0)), seconds(pause));
  }
}

TEST(Backoff, AnAnswerAloneForgetsNothing) {
  Backoff backoff = failed(3);
  backoff.works(at(10));
  EXPECT_EQ(backoff.fail(kPauses, at(11)), seconds(8));
}

// After pauses of 1, 2 and 4 seconds, so that the next is one of 8.
TEST(Backoff, BeingWellForFourTimesAPauseHalvesTheNext) {
  struct Case {
    std::int64_t well;
    std::int64_t pause;
  };
  for (const Case& c : {Case{31, 8}, Case{32, 4}, Case{47, 4}, Case{48, 2}, Case{56, 1}}) {
    Backoff backoff = failed(3);
    backoff.works(at(10));
    backoff.works(at(10 + c.well));
    EXPECT_EQ(backoff.fail(kPauses, at(10 + c.well)), seconds(c.pause)) << c.well;
  }
}

TEST(Backoff, FailuresPastTheLongestPauseAreForgottenWithIt) {
  Backoff backoff = failed(500);
  backoff.works(at(0));
  EXPECT_EQ(backoff.fail(kPauses, at(31)), seconds(8));
  backoff.works(at(100));
  EXPECT_EQ(backoff.fail(kPauses, at(132)), seconds(4));
}

TEST(Backoff, TimeThatPassesInAPauseIsNoTimeSpentWell) {
  Backoff backoff = failed(3);
  EXPECT_EQ(backoff.fail(kPauses, at(1'000)), seconds(8));
}

}  // namespace
}  // namespace hanse::fleet
