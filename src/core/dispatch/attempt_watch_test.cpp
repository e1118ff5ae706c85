#include "core/dispatch/attempt_watch.h"

#include <gtest/gtest.h>

namespace hanse::dispatch {
namespace {

using answer::Failure;

MonotonicTime at(std::int64_t ms) { return MonotonicTime() + milliseconds(ms); }

constexpr AttemptLimits kLimits{.connect = milliseconds(10),
                                .headers = milliseconds(100),
                                .first_token = milliseconds(100),
                                .whole_reply = milliseconds(900),
                                .between_tokens = milliseconds(50),
                                .rate_window = milliseconds(120),
                                .rate_tokens = Tokens(4),
                                .whole = milliseconds(1'000)};

AttemptWatch streamed() { return AttemptWatch(kLimits, Reply::streamed, at(0)); }

TEST(AttemptWatch, KnowsByWhenWhatMustCome) {
  AttemptWatch watch = streamed();
  EXPECT_EQ(watch.due(), at(10));
  EXPECT_EQ(watch.overdue(at(9)), std::nullopt);
  EXPECT_EQ(watch.overdue(at(10)), Failure::unreachable);
  watch.connected(at(5));
  EXPECT_EQ(watch.due(), at(100));
  EXPECT_EQ(watch.overdue(at(100)), Failure::silent);
  watch.progressed(Tokens(1), at(90));
  EXPECT_EQ(watch.due(), at(140));
  EXPECT_EQ(watch.overdue(at(140)), Failure::stalled);
}

TEST(AttemptWatch, HeadersWithoutATokenAreSilence) {
  AttemptWatch watch = streamed();
  watch.connected(at(1));
  watch.answers(at(50));
  EXPECT_EQ(watch.due(), at(100));
  EXPECT_EQ(watch.overdue(at(100)), Failure::silent);
}

TEST(AttemptWatch, AWholeReplyMayTakeItsTimeButNotLonger) {
  AttemptWatch watch(kLimits, Reply::whole, at(0));
  watch.connected(at(1));
  EXPECT_EQ(watch.due(), at(900));
  watch.answers(at(800));
  EXPECT_EQ(watch.due(), at(900));
  EXPECT_EQ(watch.overdue(at(900)), Failure::silent);
}

// Each token comes in time, and yet the answer would take for ever.
TEST(AttemptWatch, ATrickleIsAStall) {
  AttemptWatch watch = streamed();
  watch.connected(at(1));
  for (int i = 0; i < 3; ++i) {
    watch.progressed(Tokens(i + 1), at(20 + 40 * i));
    EXPECT_EQ(watch.overdue(at(20 + 40 * i)), std::nullopt);
  }
  EXPECT_EQ(watch.due(), at(140));  // the window's end, before the next token's
  EXPECT_EQ(watch.overdue(at(140)), Failure::stalled);
}

TEST(AttemptWatch, AWindowThatEndsWellIsFollowedByTheNext) {
  AttemptWatch watch = streamed();
  watch.connected(at(1));
  for (int i = 0; i <= 6; ++i) watch.progressed(Tokens(i + 1), at(20 + 20 * i));
  EXPECT_EQ(watch.due(), at(140));
  EXPECT_EQ(watch.overdue(at(140)), std::nullopt);
  EXPECT_EQ(watch.due(), at(190));  // of the last token, at 140
}

TEST(AttemptWatch, TheWholeEndsAnyPhase) {
  AttemptWatch watch = streamed();
  watch.connected(at(1));
  watch.progressed(Tokens(100), at(980));
  EXPECT_EQ(watch.due(), at(1'000));
  EXPECT_EQ(watch.overdue(at(1'000)), Failure::stalled);
}

TEST(AttemptWatch, TimeInWhichTheClientTakesNothingIsNotTheSites) {
  AttemptWatch watch = streamed();
  watch.connected(at(1));
  watch.progressed(Tokens(1), at(20));
  watch.paused(at(30));
  EXPECT_EQ(watch.due(), at(1'000));
  EXPECT_EQ(watch.overdue(at(500)), std::nullopt);
  watch.resumed(at(530));
  EXPECT_EQ(watch.due(), at(570));
  EXPECT_EQ(watch.overdue(at(570)), Failure::stalled);
}

}  // namespace
}  // namespace hanse::dispatch
