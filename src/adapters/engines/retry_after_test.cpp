#include "adapters/engines/retry_after.h"

#include <gtest/gtest.h>

namespace hanse::engines {
namespace {

// 1994-11-06T08:49:30Z, seven seconds before RFC 9110's examples.
constexpr WallTime kNow(784'111'770'000'000'000);

TEST(RetryAfter, TakesSecondsAndTheThreeFormsOfADate) {
  for (const std::string_view value :
       {"7", " 7 ", "6.2", "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994"}) {
    EXPECT_EQ(read_retry_after(value, kNow), seconds(7)) << value;
  }
}

TEST(RetryAfter, IsNeverNegativeAndAtMostADay) {
  EXPECT_EQ(read_retry_after("Sun, 06 Nov 1994 08:49:00 GMT", kNow), seconds(0));
  EXPECT_EQ(read_retry_after("0", kNow), seconds(0));
  EXPECT_EQ(read_retry_after("99999999999999999999999999", kNow), seconds(86'400));
  EXPECT_EQ(read_retry_after("Sun, 06 Nov 2094 08:49:37 GMT", kNow), seconds(86'400));
}

TEST(RetryAfter, AnythingElseIsNoWord) {
  for (const std::string_view value :
       {"", "soon", "-1", "1,5", "1.", "7s", "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 1994 25:49:37 GMT", "06 Nov 1994",
        "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 0x Nov 1994 08:49:37 GMT"}) {
    EXPECT_EQ(read_retry_after(value, kNow), std::nullopt) << value;
  }
}

}  // namespace
}  // namespace hanse::engines
