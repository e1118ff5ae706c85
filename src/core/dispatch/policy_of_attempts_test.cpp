#include "core/dispatch/policy_of_attempts.h"

#include <gtest/gtest.h>

#include "core/dispatch/failure_table.h"

namespace hanse::dispatch {
namespace {

struct Given {
  catalog::LatencyClass latency_class{.name = "interactive",
                                      .first_token = milliseconds(1'500),
                                      .per_token = milliseconds(100),
                                      .time_limit = seconds(60)};
  fleet::Link link{.round_trip = milliseconds(20)};
  placement::Prediction prediction;
  Duration spread{};
  Tokens output_limit{100};
  Duration left = seconds(60);
  bool others_left = true;

  Given() {
    prediction.first_token = milliseconds(400);
    prediction.per_token = milliseconds(20);
  }
  [[nodiscard]] AttemptLimits limits() const {
    return limits_of_attempt({.latency_class = latency_class,
                              .link = link,
                              .prediction = prediction,
                              .first_token_spread = spread,
                              .output_limit = output_limit,
                              .left = left,
                              .others_left = others_left});
  }
};

// The bar: a dead site is noticed within twice the predicted time and 250 ms.
TEST(LimitsOfAttempt, ASteadySiteIsGivenTwiceItsTimeAndABit) {
  const Given given;
  EXPECT_EQ(given.limits().first_token, milliseconds(1'050));
  EXPECT_EQ(given.limits().headers, milliseconds(1'050));
  EXPECT_EQ(given.limits().connect, seconds(1));
}

TEST(LimitsOfAttempt, AnUnsteadySiteIsGivenMore) {
  Given given;
  given.spread = milliseconds(500);
  EXPECT_EQ(given.limits().first_token, milliseconds(2'650));
  given.spread = seconds(10);
  EXPECT_EQ(given.limits().first_token, seconds(5));
}

TEST(LimitsOfAttempt, WhereNoOtherSiteIsLeftALateAnswerIsBetterThanNone) {
  Given given;
  given.others_left = false;
  EXPECT_EQ(given.limits().first_token, seconds(5));
  EXPECT_EQ(given.limits().between_tokens, seconds(5));
  EXPECT_EQ(given.limits().whole_reply, seconds(60));
  given.prediction.first_token = seconds(4);
  EXPECT_EQ(given.limits().first_token, seconds(16));
}

TEST(LimitsOfAttempt, TheRateIsThatOfTheSlowerOfClassAndPrediction) {
  Given given;
  EXPECT_EQ(given.limits().rate_tokens, Tokens(16));
  EXPECT_EQ(given.limits().rate_window, milliseconds(12'800));
  given.prediction.per_token = milliseconds(200);
  EXPECT_EQ(given.limits().rate_window, milliseconds(25'600));
  EXPECT_EQ(given.limits().between_tokens, seconds(2));
}

// As many tokens as it may have, at four times the time that each should take.
TEST(LimitsOfAttempt, AReplyInOnePieceMayTakeWhatItsTokensDo) {
  Given given;
  given.output_limit = Tokens(8);
  EXPECT_EQ(given.limits().whole_reply, milliseconds(1'050 + 8 * 400));
  given.output_limit = Tokens(10'000'000);
  EXPECT_EQ(given.limits().whole_reply, seconds(30));
}

TEST(LimitsOfAttempt, NothingOutlastsTheRequest) {
  Given given;
  given.left = milliseconds(300);
  given.link.round_trip = seconds(1);
  const AttemptLimits limits = given.limits();
  for (const Duration limit : {limits.connect, limits.headers, limits.first_token,
                               limits.between_tokens, limits.rate_window, limits.whole_reply}) {
    EXPECT_LE(limit, milliseconds(300));
    EXPECT_GT(limit, Duration());
  }
  EXPECT_EQ(limits.whole, milliseconds(300));
}

TEST(FailureTable, TheClientsOwnMistakesAreHeldAgainstNoSite) {
  for (const FailureRow& row : failure_table()) {
    if (answer::fault_of(row.failure) != Fault::client) continue;
    EXPECT_EQ(row.blame, Blame::none) << to_string(row.failure);
    EXPECT_EQ(row.again, Again::no) << to_string(row.failure);
  }
}

// A site that says nothing would say nothing again, at the price of the limit.
TEST(FailureTable, ASilentSiteIsNotRetriedOnItself) {
  EXPECT_EQ(row_of(answer::Failure::silent).again, Again::no);
  EXPECT_EQ(row_of(answer::Failure::stalled).again, Again::no);
}

TEST(FailureTable, WhatOnlyAPersonCanMendAlarmsOne) {
  for (const FailureRow& row : failure_table()) {
    const bool is_ours = row.failure == answer::Failure::credentials ||
                         row.failure == answer::Failure::model_missing;
    EXPECT_EQ(row.alarms, is_ours) << to_string(row.failure);
  }
}

std::optional<Duration> hedge_of(const Given& given, bool streamed = true) {
  const AttemptLimits limits = given.limits();
  return hedge_after({.prediction = given.prediction,
                      .first_token_spread = given.spread,
                      .limits = limits,
                      .streamed = streamed});
}

TEST(WithoutUndelivered, WhoLeavesPaysNotForWhatItWasNotGiven) {
  Usage billed;
  billed.tokens[TokenKind::prompt] = Tokens(40);
  billed.tokens[TokenKind::reasoning] = Tokens(10);
  billed.tokens[TokenKind::output] = Tokens(20);

  EXPECT_EQ(without_undelivered(billed, Tokens(0)).tokens, billed.tokens);
  const TokenCounts some = without_undelivered(billed, Tokens(25)).tokens;
  EXPECT_EQ(some[TokenKind::output], Tokens(0));
  EXPECT_EQ(some[TokenKind::reasoning], Tokens(5));
  EXPECT_EQ(some[TokenKind::prompt], Tokens(40));
  const TokenCounts nothing = without_undelivered(billed, Tokens(1'000)).tokens;
  EXPECT_EQ(nothing[TokenKind::reasoning], Tokens(0));
  EXPECT_EQ(nothing[TokenKind::prompt], Tokens(40));
}

TEST(HedgeAfter, IsTwiceTheSpreadPastWhatIsForetold) {
  Given given;
  given.spread = milliseconds(100);
  EXPECT_EQ(hedge_of(given), milliseconds(600));
}

TEST(HedgeAfter, GivesASteadySiteALittleTime) { EXPECT_EQ(hedge_of(Given()), milliseconds(450)); }

// 250 ms + 400 ms + 4 x 4 s would be past 5 s, the most that a site has.
TEST(HedgeAfter, ComesWellBeforeTheLimitThatEndsTheAttempt) {
  Given given;
  given.spread = seconds(4);
  EXPECT_EQ(hedge_of(given), milliseconds(3'750));
}

TEST(HedgeAfter, IsNotWorthItWhenTheTimeIsNearlyOver) {
  Given given;
  given.left = milliseconds(500);
  EXPECT_EQ(hedge_of(given), std::nullopt);
}

TEST(HedgeAfter, WaitsForTheTokensOfAReplyInOnePiece) {
  Given given;
  given.spread = milliseconds(100);
  given.prediction.output = Tokens(50);
  EXPECT_EQ(hedge_of(given, false), milliseconds(600 + 2 * 50 * 20));
}

}  // namespace
}  // namespace hanse::dispatch
