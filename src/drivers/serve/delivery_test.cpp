#include "drivers/serve/delivery.h"

#include <gtest/gtest.h>

namespace hanse::serve {
namespace {

TEST(Delivery, AClientThatTakesAllAtOnceHasAll) {
  Delivery delivery;
  delivery.handed(Tokens(1), 100);
  delivery.taken(100);
  EXPECT_EQ(delivery.left(), Tokens(1));
  delivery.handed(Tokens(9), 900);
  EXPECT_EQ(delivery.left(), Tokens(1));
  delivery.taken(900);
  EXPECT_EQ(delivery.left(), Tokens(9));
}

TEST(Delivery, WhatIsKeptForAClientHasNotLeft) {
  Delivery delivery;
  delivery.handed(Tokens(10), 1'000);
  delivery.taken(999);
  delivery.handed(Tokens(20), 2'000);
  delivery.taken(999);
  EXPECT_EQ(delivery.left(), Tokens(0));
}

// Somebody who is always behind would else be given a whole answer for nothing.
TEST(Delivery, AClientThatIsAlwaysBehindIsFollowedAndNeverOvertaken) {
  Delivery delivery;
  constexpr std::int64_t kBehind = 50;
  for (std::int64_t deltas = 1; deltas <= 10'000; ++deltas) {
    delivery.handed(Tokens(deltas), static_cast<std::uint64_t>(deltas) * 10);
    const std::int64_t taken = deltas > kBehind ? deltas - kBehind : 0;
    delivery.taken(static_cast<std::uint64_t>(taken) * 10);
    ASSERT_LE(delivery.left(), Tokens(taken));
    ASSERT_GE(delivery.left(), Tokens(taken - 2 * kBehind));
  }
}

}  // namespace
}  // namespace hanse::serve
