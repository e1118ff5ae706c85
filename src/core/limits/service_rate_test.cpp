#include "core/limits/service_rate.h"

#include <gtest/gtest.h>

#include <optional>

namespace hanse::limits {
namespace {

MonotonicTime at(Duration since_start) { return MonotonicTime(0) + since_start; }

TEST(ServiceRate, SaysNothingBeforeItHasSeenAFew) {
  ServiceRate rate;
  rate.begin_waiting(at(seconds(0)));
  for (int i = 1; i < ServiceRate::kServedMin; ++i) rate.serve(at(seconds(i)));
  EXPECT_EQ(rate.time_for(1, at(seconds(3))), std::nullopt);
  rate.serve(at(seconds(4)));
  EXPECT_EQ(rate.time_for(1, at(seconds(4))), seconds(1));
}

TEST(ServiceRate, EachWhoWaitsTakesWhatTheLastTook) {
  ServiceRate rate;
  rate.begin_waiting(at(seconds(0)));
  for (std::int64_t i = 1; i <= 100; ++i) rate.serve(at(milliseconds(20 * i)));
  EXPECT_EQ(rate.time_for(0, at(seconds(2))), Duration(0));
  EXPECT_EQ(rate.time_for(50, at(seconds(2))), seconds(1));
}

TEST(ServiceRate, TimeInWhichNobodyWaitsDoesNotCount) {
  ServiceRate rate;
  for (int hour = 0; hour < 8; ++hour) {
    const Duration begun = seconds(3600) * hour;
    rate.begin_waiting(at(begun));
    rate.serve(at(begun + seconds(1)));
    rate.end_waiting(at(begun + seconds(1)));
  }
  EXPECT_EQ(rate.time_for(1, at(seconds(36'000))), seconds(1));
}

TEST(ServiceRate, TheEstimateGrowsWhileNothingMoves) {
  ServiceRate rate;
  rate.begin_waiting(at(seconds(0)));
  for (int i = 1; i <= 4; ++i) rate.serve(at(seconds(i)));
  EXPECT_EQ(rate.time_for(1, at(seconds(40))), seconds(10));
}

TEST(ServiceRate, WhatWasLongAgoIsForgotten) {
  ServiceRate rate;
  rate.begin_waiting(at(seconds(0)));
  for (std::int64_t i = 1; i <= 20; ++i) rate.serve(at(seconds(10 * i)));
  for (std::int64_t i = 1; i <= 20; ++i) rate.serve(at(seconds(200 + i)));
  EXPECT_EQ(rate.time_for(3, at(seconds(220))), seconds(3));
}

TEST(ServiceRate, AnEstimateNeverOverflows) {
  ServiceRate rate;
  rate.begin_waiting(at(seconds(0)));
  for (int i = 0; i < 4; ++i) rate.serve(at(kForever));
  EXPECT_EQ(rate.time_for(1'000'000'000'000, at(kForever)), kForever);
}

}  // namespace
}  // namespace hanse::limits
