#include "core/fleet/wait_book.h"

#include <gtest/gtest.h>

namespace hanse::fleet {
namespace {

constexpr SiteLine kSite{3};

MonotonicTime at(std::int64_t seconds_in) { return MonotonicTime() + seconds(seconds_in); }

TEST(WaitBook, ASiteIsLeftAloneForAsLongAsItAsks) {
  WaitBook book;
  EXPECT_EQ(book.until(kSite, at(0)), std::nullopt);
  book.asked(kSite, seconds(5), at(10));
  EXPECT_TRUE(book.waiting().contains(kSite.value()));
  EXPECT_EQ(book.until(kSite, at(14)), at(15));
  EXPECT_EQ(book.until(kSite, at(15)), std::nullopt);
}

TEST(WaitBook, OfTwoWishesTheLaterEndCounts) {
  WaitBook book;
  book.asked(kSite, seconds(10), at(0));
  book.asked(kSite, seconds(2), at(1));
  EXPECT_EQ(book.until(kSite, at(1)), at(10));
  book.asked(kSite, seconds(20), at(1));
  EXPECT_EQ(book.until(kSite, at(1)), at(21));
}

TEST(WaitBook, NobodyIsLeftAloneForEver) {
  WaitBook book;
  book.asked(kSite, seconds(86'400), at(0));
  EXPECT_EQ(book.until(kSite, at(0)), at(600));
}

TEST(WaitBook, AWishWithoutATimeDoublesUntilTheSiteHasAnswered) {
  WaitBook book;
  book.asked(kSite, std::nullopt, at(0));
  EXPECT_EQ(book.until(kSite, at(0)), at(1));
  book.asked(kSite, std::nullopt, at(1));
  EXPECT_EQ(book.until(kSite, at(1)), at(3));
  book.asked(kSite, std::nullopt, at(3));
  EXPECT_EQ(book.until(kSite, at(3)), at(7));
  book.answered(kSite);
  book.asked(kSite, std::nullopt, at(8));
  EXPECT_EQ(book.until(kSite, at(8)), at(9));
}

// Thirty requests that are told so together are one answer of the site.
TEST(WaitBook, ThoseWhoAskedTogetherWereToldOnce) {
  WaitBook book;
  for (int i = 0; i < 30; ++i) book.asked(kSite, std::nullopt, at(0));
  EXPECT_EQ(book.until(kSite, at(0)), at(1));
}

TEST(WaitBook, ForgetsWhoseTimeHasPassed) {
  WaitBook book;
  book.asked(kSite, seconds(5), at(0));
  book.tidy(at(4));
  EXPECT_TRUE(book.waiting().contains(kSite.value()));
  book.tidy(at(5));
  EXPECT_TRUE(book.waiting().empty());
}

}  // namespace
}  // namespace hanse::fleet
