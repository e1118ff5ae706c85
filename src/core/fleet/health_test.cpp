#include "core/fleet/health.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hanse::fleet {
namespace {

const SiteLine kSite{0};

Instant at(std::int64_t ms) {
  return {.monotonic = MonotonicTime(milliseconds(ms).count()), .wall = WallTime(ms * 1'000'000)};
}

// What was told to other shards, in a letter each: works, fails.
class Told final : public HealthNews {
 public:
  void publish(SiteLine, Finding finding) override {
    letters += finding == Finding::works ? 'w' : 'f';
  }
  std::string letters;
};

HealthBook book(HealthNews& others) {
  HealthBook health(
      others, {.soft_failures_to_open = 3, .pause_first = seconds(1), .pause_max = seconds(4)});
  health.know(kSite);
  return health;
}

HealthBook book() {
  static NobodyElse nobody_else;
  return book(nobody_else);
}

TEST(HealthBook, AHardFailureOpensAtOnceAndOneTrialClosesAgain) {
  HealthBook health = book();
  health.failed_hard(kSite, health.sent(kSite, at(0)), at(0));
  EXPECT_FALSE(health.available(kSite, at(999).monotonic));
  ASSERT_TRUE(health.available(kSite, at(1000).monotonic));
  const Trial trial = health.sent(kSite, at(1000));
  EXPECT_FALSE(health.available(kSite, at(1000).monotonic)) << "one trial at a time";
  health.succeeded(kSite, trial, at(1100));
  EXPECT_TRUE(health.available(kSite, at(1100).monotonic));
  EXPECT_EQ(health.of(kSite).circuit, Circuit::closed);
}

TEST(HealthBook, SoftFailuresOpenOnlyInARow) {
  HealthBook health = book();
  health.failed_softly(kSite, Trial::none, at(0));
  health.failed_softly(kSite, Trial::none, at(1));
  health.succeeded(kSite, Trial::none, at(2));
  health.failed_softly(kSite, Trial::none, at(3));
  health.failed_softly(kSite, Trial::none, at(4));
  EXPECT_TRUE(health.available(kSite, at(4).monotonic));
  health.failed_softly(kSite, Trial::none, at(5));
  EXPECT_FALSE(health.available(kSite, at(5).monotonic));
}

TEST(HealthBook, ThePauseDoublesUpToItsBound) {
  HealthBook health = book();
  std::int64_t now = 0;
  Trial trial = Trial::none;
  for (const std::int64_t pause : {1000, 2000, 4000, 4000}) {
    health.failed_hard(kSite, trial, at(now));
    EXPECT_FALSE(health.available(kSite, at(now + pause - 1).monotonic)) << pause;
    now += pause;
    ASSERT_TRUE(health.available(kSite, at(now).monotonic)) << pause;
    trial = health.sent(kSite, at(now));
  }
}

TEST(HealthBook, FailuresOfAttemptsUnderWayDoNotProlongThePause) {
  HealthBook health = book();
  for (int i = 0; i < 50; ++i) health.failed_hard(kSite, Trial::none, at(i));
  EXPECT_TRUE(health.available(kSite, at(1000).monotonic));
}

TEST(HealthBook, AGoodReportEndsThePause) {
  HealthBook health = book();
  health.failed_hard(kSite, Trial::none, at(0));
  health.reported(kSite, Finding::works, at(10));
  EXPECT_TRUE(health.available(kSite, at(10).monotonic));
}

// A wedged engine, or a wrong key: its health page says all is well each second.
TEST(HealthBook, AGoodProbeEndsNoPauseForWhatProbesDoNotSee) {
  HealthBook health = book();
  health.turned_away(kSite, Trial::none, at(0));
  health.reported(kSite, Finding::answers, at(10));
  EXPECT_FALSE(health.available(kSite, at(999).monotonic));
  health.failed_softly(kSite, health.sent(kSite, at(1000)), at(1001));
  health.reported(kSite, Finding::answers, at(1500));
  EXPECT_FALSE(health.available(kSite, at(3000).monotonic)) << "and the pauses grow";
  health.failed_hard(kSite, health.sent(kSite, at(3001)), at(3002));
  health.reported(kSite, Finding::answers, at(3010));
  EXPECT_TRUE(health.available(kSite, at(3010).monotonic))
      << "nobody listened, and now somebody does";
}

TEST(HealthBook, WhatAnotherShardSawAnsweredEndsAnyPause) {
  HealthBook health = book();
  health.turned_away(kSite, Trial::none, at(0));
  health.reported(kSite, Finding::works, at(10));
  EXPECT_TRUE(health.available(kSite, at(10).monotonic));
}

TEST(HealthBook, ATrialThatToldNothingLetsTheNextOneTry) {
  HealthBook health = book();
  health.failed_hard(kSite, Trial::none, at(0));
  health.told_nothing(kSite, health.sent(kSite, at(1000)));
  EXPECT_TRUE(health.available(kSite, at(1001).monotonic));
}

TEST(HealthBook, AnAttemptSentEarlierEndsNobodysTrial) {
  HealthBook health = book();
  const Trial early = health.sent(kSite, at(0));
  health.failed_hard(kSite, Trial::none, at(1));
  const Trial trial = health.sent(kSite, at(1001));
  ASSERT_NE(trial, Trial::none);
  health.told_nothing(kSite, early);
  EXPECT_FALSE(health.available(kSite, at(1002).monotonic)) << "the trial is still under way";
  health.failed_hard(kSite, early, at(1002));
  EXPECT_EQ(health.of(kSite).circuit, Circuit::trying) << "old news opens nothing";
  health.succeeded(kSite, trial, at(1003));
  EXPECT_EQ(health.of(kSite).circuit, Circuit::closed);
}

TEST(HealthBook, ATrialsFirstTokenClosesTheCircuitAndItsFailureOpensItForLonger) {
  HealthBook health = book();
  health.failed_hard(kSite, Trial::none, at(0));
  const Trial trial = health.sent(kSite, at(1000));
  health.first_token(kSite, trial, at(1100));
  EXPECT_EQ(health.of(kSite).circuit, Circuit::closed);
  EXPECT_TRUE(health.available(kSite, at(1100).monotonic)) << "others need not wait for its end";
  health.failed_hard(kSite, Trial::none, at(1200));
  EXPECT_FALSE(health.available(kSite, at(3199).monotonic)) << "the second pause is twice as long";
  EXPECT_TRUE(health.available(kSite, at(3200).monotonic));
}

// It answers the trial and fails the next request, again and again.
TEST(HealthBook, ASiteThatFlapsIsTriedAtPausesThatGrow) {
  HealthBook health = book();
  int sent = 0;
  for (std::int64_t now = 0; now < 60'000; now += 10) {
    if (!health.available(kSite, at(now).monotonic)) continue;
    const Trial trial = health.sent(kSite, at(now));
    if (++sent % 2 == 0) {
      health.succeeded(kSite, trial, at(now));
    } else {
      health.failed_hard(kSite, trial, at(now));
    }
  }
  EXPECT_LE(sent, 2 * (2 + 60 / 4)) << "two at each pause, of four seconds in the end";
}

TEST(HealthBook, ASiteThatHasBeenWellForLongIsTriedSoonAgain) {
  HealthBook health = book();
  health.failed_hard(kSite, Trial::none, at(0));
  health.succeeded(kSite, health.sent(kSite, at(1'000)), at(1'000));
  health.failed_hard(kSite, Trial::none, at(100'000));
  EXPECT_TRUE(health.available(kSite, at(101'000).monotonic));
}

TEST(HealthBook, ASiteThatIsBackIsTakenIntoUseStepByStep) {
  HealthBook health = book();
  health.failed_hard(kSite, Trial::none, at(0));
  health.first_token(kSite, health.sent(kSite, at(1'000)), at(1'001));
  ASSERT_EQ(health.of(kSite).circuit, Circuit::closed);
  for (const std::size_t admitted : {1U, 2U, 4U, 8U, 16U}) {
    std::vector<Trial> sent;
    while (health.available(kSite, at(1'001).monotonic)) {
      sent.push_back(health.sent(kSite, at(1'001)));
    }
    EXPECT_EQ(sent.size(), admitted);
    EXPECT_EQ(health.obstacle(kSite, at(1'001).monotonic), Obstacle::starting);
    for (const Trial trial : sent) health.first_token(kSite, trial, at(1'002));
  }
  EXPECT_EQ(health.sent(kSite, at(1'003)), Trial::none) << "like any other";
}

TEST(HealthBook, AnAttemptThatHasBegunToAnswerKeepsNobodyFromStarting) {
  HealthBook health = book();
  health.failed_hard(kSite, Trial::none, at(0));
  health.first_token(kSite, health.sent(kSite, at(1'000)), at(1'001));
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(health.available(kSite, at(1'002).monotonic)) << i;
    health.first_token(kSite, health.sent(kSite, at(1'002)), at(1'002));
  }
}

TEST(HealthBook, ABadReportEndsATrialAndItsOwnEndIsThenOldNews) {
  HealthBook health = book();
  health.failed_hard(kSite, Trial::none, at(0));
  const Trial trial = health.sent(kSite, at(1000));
  health.reported(kSite, Finding::fails, at(1001));
  EXPECT_FALSE(health.available(kSite, at(3000).monotonic));
  health.failed_softly(kSite, trial, at(1500));
  EXPECT_TRUE(health.available(kSite, at(3001).monotonic)) << "the pause is as long as it was";
}

TEST(HealthBook, ABadReportOpensAtOnceAndAGoodOneLetsOneRequestTry) {
  HealthBook health = book();
  health.reported(kSite, Finding::fails, at(0));
  EXPECT_FALSE(health.available(kSite, at(999).monotonic));
  health.reported(kSite, Finding::works, at(10));
  const Trial trial = health.sent(kSite, at(10));
  EXPECT_NE(trial, Trial::none);
  EXPECT_FALSE(health.available(kSite, at(10).monotonic)) << "one trial at a time";
}

TEST(HealthBook, TellsOthersWhenItsMindChangesAndNotWithEachRequest) {
  Told told;
  HealthBook health = book(told);
  health.succeeded(kSite, Trial::none, at(0));
  health.failed_softly(kSite, Trial::none, at(1));
  EXPECT_EQ(told.letters, "");
  for (int i = 0; i < 50; ++i) health.failed_hard(kSite, Trial::none, at(2));
  EXPECT_EQ(told.letters, "f");
  health.failed_hard(kSite, health.sent(kSite, at(1002)), at(1003));
  EXPECT_EQ(told.letters, "ff") << "its pause begins anew, and so should theirs";
  const Trial trial = health.sent(kSite, at(3003));
  health.first_token(kSite, trial, at(3004));
  health.succeeded(kSite, Trial::none, at(3005));
  EXPECT_EQ(told.letters, "ffw");
}

// Else two shards would tell each other the same thing for ever.
TEST(HealthBook, WhatWasReportedIsNotToldAgain) {
  Told told;
  HealthBook health = book(told);
  health.reported(kSite, Finding::fails, at(0));
  health.reported(kSite, Finding::works, at(1));
  EXPECT_EQ(told.letters, "");
}

TEST(HealthBook, ASiteThatComesLaterLeavesWhatIsKnownAsItIs) {
  HealthBook health = book();
  health.failed_hard(kSite, Trial::none, at(0));
  health.know(SiteLine(70));
  health.know(kSite);
  EXPECT_FALSE(health.available(kSite, at(0).monotonic));
  EXPECT_TRUE(health.available(SiteLine(70), at(0).monotonic));
  int unsound = 0;
  health.for_each_unsound([&](SiteLine) { ++unsound; });
  EXPECT_EQ(unsound, 1);
}

}  // namespace
}  // namespace hanse::fleet
