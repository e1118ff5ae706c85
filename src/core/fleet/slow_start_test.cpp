#include "core/fleet/slow_start.h"

#include <gtest/gtest.h>

#include <vector>

namespace hanse::fleet {
namespace {

// Sends as many as may be sent, numbered after `last`; returns their numbers.
std::vector<std::uint32_t> send_all(SlowStart& start, std::uint32_t& last) {
  std::vector<std::uint32_t> sent;
  while (start.admits() && sent.size() < 1'000) {
    start.sent();
    sent.push_back(++last);
  }
  return sent;
}

TEST(SlowStart, AdmitsTwiceAsManyWithEachRoundOfAnswers) {
  SlowStart start;
  std::uint32_t last = 7;
  start.begin(last);
  for (const std::size_t round : {1U, 2U, 4U, 8U, 16U}) {
    const auto sent = send_all(start, last);
    EXPECT_EQ(sent.size(), round);
    for (const std::uint32_t attempt : sent) start.answered(attempt);
  }
  EXPECT_FALSE(start.going());
  EXPECT_TRUE(start.admits());
}

TEST(SlowStart, WhatEndsWithoutATokenMakesRoomForItsLikeOnly) {
  SlowStart start;
  std::uint32_t last = 0;
  start.begin(last);
  for (int i = 0; i < 100; ++i) {
    const auto sent = send_all(start, last);
    ASSERT_EQ(sent.size(), 1U);
    start.ended(sent.front());
  }
}

TEST(SlowStart, AttemptsSentBeforeDoNotCount) {
  SlowStart start;
  start.begin(5);
  start.answered(5);
  start.ended(3);
  std::uint32_t last = 5;
  EXPECT_EQ(send_all(start, last).size(), 1U);
}

TEST(SlowStart, BeginningAnewForgetsWhatWaits) {
  SlowStart start;
  std::uint32_t last = 0;
  start.begin(last);
  const auto before = send_all(start, last);
  start.stop();
  start.ended(before.front());
  start.begin(last);
  start.ended(before.front());
  EXPECT_EQ(start.waiting(), 0);
}

}  // namespace
}  // namespace hanse::fleet
