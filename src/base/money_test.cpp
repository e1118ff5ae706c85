#include "base/money.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace hanse {
namespace {

TEST(Money, ParsesAndPrintsExactDecimals) {
  EXPECT_EQ(parse_money("25.00")->count(), 25'000'000'000);
  EXPECT_EQ(parse_money("-0.000000001")->count(), -1);
  EXPECT_EQ(parse_money("9223372036.854775807")->count(), 9'223'372'036'854'775'807);
  EXPECT_EQ(to_decimal(Money(13'200)), "0.0000132");
  EXPECT_EQ(to_decimal(Money(-25'000'000'000)), "-25.00");
  EXPECT_EQ(parse_price_per_million("0.12")->count(), 120'000);
  EXPECT_EQ(to_decimal_per_million(TokenPrice(120'000)), "0.12");
}

TEST(Money, RefusesWhatIsNotAPlainDecimal) {
  for (const char* text : {"", "-", ".", "1.", ".5", "1e3", "1,5", " 1", "1 ", "+1", "0x1", "1..2",
                           "0.0000000001", "9223372036.854775808", "99999999999999999999"}) {
    EXPECT_FALSE(parse_money(text)) << text;
  }
  EXPECT_FALSE(parse_price_per_million("-0.1"));
  EXPECT_FALSE(parse_price_per_million("0.0000001"));
}

TEST(CostSum, RoundsOnceHalfToEven) {
  const auto rounded = [](std::int64_t pico) { return cost(Tokens(1), TokenPrice(pico)).count(); };
  EXPECT_EQ(rounded(499), 0);
  EXPECT_EQ(rounded(500), 0);
  EXPECT_EQ(rounded(501), 1);
  EXPECT_EQ(rounded(1500), 2);
  EXPECT_EQ(rounded(2500), 2);
  EXPECT_EQ(rounded(-500), 0);
  EXPECT_EQ(rounded(-1500), -2);
  EXPECT_EQ(rounded(-1501), -2);

  // Two kinds at half a nano each make one nano, not two rounded-away halves.
  CostSum sum;
  sum.add(Tokens(1), TokenPrice(500));
  sum.add(Tokens(1), TokenPrice(500));
  EXPECT_EQ(sum.rounded().count(), 1);
}

RC_GTEST_PROP(Money, WhatIsPrintedParsesBackToTheSameAmount, (std::int64_t count)) {
  // The one value whose magnitude does not fit is never an amount.
  RC_PRE(count != std::numeric_limits<std::int64_t>::min());
  RC_ASSERT(parse_money(to_decimal(Money(count)))->count() == count);
}

RC_GTEST_PROP(CostSum, IsWithinHalfANanoOfTheExactSum, (std::int32_t tokens, std::int32_t price)) {
  const std::int64_t exact = static_cast<std::int64_t>(tokens) * price;
  const std::int64_t rounded = cost(Tokens(tokens), TokenPrice(price)).count();
  const std::int64_t error = rounded * 1000 - exact;
  RC_ASSERT(error >= -500 && error <= 500);
}

}  // namespace
}  // namespace hanse
