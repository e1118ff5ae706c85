#include "core/fleet/drill_book.h"

#include <gtest/gtest.h>

namespace hanse::fleet {
namespace {

MonotonicTime at(std::int64_t s) { return MonotonicTime(seconds(s).count()); }

std::size_t drilled(const DrillBook& book, MonotonicTime now) {
  std::size_t count = 0;
  book.for_each(now, [&](SiteLine) { ++count; });
  return count;
}

TEST(DrillBook, ADrillThatIsForgottenEndsByItself) {
  DrillBook book;
  book.set(SiteLine(3), at(600), at(0));
  EXPECT_EQ(book.ends(SiteLine(3), at(599)), at(600));
  EXPECT_EQ(drilled(book, at(599)), 1U);
  EXPECT_EQ(book.ends(SiteLine(3), at(600)), std::nullopt);
  EXPECT_EQ(drilled(book, at(600)), 0U);
}

TEST(DrillBook, WhatIsSaidLastCounts) {
  DrillBook book;
  book.set(SiteLine(3), at(600), at(0));
  book.set(SiteLine(3), at(50), at(1));
  EXPECT_EQ(book.ends(SiteLine(3), at(1)), at(50));
  book.set(SiteLine(3), at(2), at(2));
  EXPECT_EQ(drilled(book, at(2)), 0U);
  EXPECT_EQ(book.ends(SiteLine(9), at(2)), std::nullopt) << "nobody ever drilled it";
}

}  // namespace
}  // namespace hanse::fleet
