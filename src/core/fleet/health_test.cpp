#include "core/fleet/health.h"

#include <gtest/gtest.h>

namespace hanse::fleet {
namespace {

const SiteId kSite{0};

Instant at(std::int64_t ms) {
  return {.monotonic = MonotonicTime(milliseconds(ms).count()), .wall = WallTime(ms * 1'000'000)};
}

HealthBook book() {
  return {1, {.soft_failures_to_open = 3, .pause_first = seconds(1), .pause_max = seconds(4)}};
}

TEST(HealthBook, AHardFailureOpensAtOnceAndOneTrialClosesAgain) {
  HealthBook health = book();
  health.sent(kSite, at(0));
  health.failed_hard(kSite, at(0));
  EXPECT_FALSE(health.available(kSite, at(999).monotonic));
  ASSERT_TRUE(health.available(kSite, at(1000).monotonic));
  health.sent(kSite, at(1000));
  EXPECT_FALSE(health.available(kSite, at(1000).monotonic)) << "one trial at a time";
  health.succeeded(kSite, at(1100));
  EXPECT_TRUE(health.available(kSite, at(1100).monotonic));
  EXPECT_EQ(health.of(kSite).circuit, Circuit::closed);
}

TEST(HealthBook, SoftFailuresOpenOnlyInARow) {
  HealthBook health = book();
  health.failed_softly(kSite, at(0));
  health.failed_softly(kSite, at(1));
  health.succeeded(kSite, at(2));
  health.failed_softly(kSite, at(3));
  health.failed_softly(kSite, at(4));
  EXPECT_TRUE(health.available(kSite, at(4).monotonic));
  health.failed_softly(kSite, at(5));
  EXPECT_FALSE(health.available(kSite, at(5).monotonic));
}

TEST(HealthBook, ThePauseDoublesUpToItsBound) {
  HealthBook health = book();
  std::int64_t now = 0;
  for (const std::int64_t pause : {1000, 2000, 4000, 4000}) {
    health.failed_hard(kSite, at(now));
    EXPECT_FALSE(health.available(kSite, at(now + pause - 1).monotonic)) << pause;
    now += pause;
    ASSERT_TRUE(health.available(kSite, at(now).monotonic)) << pause;
    health.sent(kSite, at(now));
  }
}

TEST(HealthBook, FailuresOfAttemptsUnderWayDoNotProlongThePause) {
  HealthBook health = book();
  for (int i = 0; i < 50; ++i) health.failed_hard(kSite, at(i));
  EXPECT_TRUE(health.available(kSite, at(1000).monotonic));
}

TEST(HealthBook, AGoodProbeEndsThePause) {
  HealthBook health = book();
  health.failed_hard(kSite, at(0));
  health.probe_succeeded(kSite, at(10));
  EXPECT_TRUE(health.available(kSite, at(10).monotonic));
}

TEST(HealthBook, ATrialThatToldNothingLetsTheNextOneTry) {
  HealthBook health = book();
  health.failed_hard(kSite, at(0));
  health.sent(kSite, at(1000));
  health.told_nothing(kSite);
  EXPECT_TRUE(health.available(kSite, at(1001).monotonic));
}

}  // namespace
}  // namespace hanse::fleet
