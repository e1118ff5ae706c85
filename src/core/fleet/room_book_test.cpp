#include "core/fleet/room_book.h"

#include <gtest/gtest.h>

namespace hanse::fleet {
namespace {

constexpr SiteLine kSite{2};

MonotonicTime at(std::int64_t s) { return MonotonicTime(seconds(s).count()); }

TEST(RoomBook, HasItsSlotsWhereTheLinkIsShort) {
  RoomBook book;
  book.know(kSite, 4, milliseconds(20));
  EXPECT_EQ(book.room(kSite), 4) << "nothing is known of its answers";
  book.answered(kSite, seconds(2));
  EXPECT_EQ(book.room(kSite), 4);
}

TEST(RoomBook, HasMoreWhereSlotsWouldWaitForTheLink) {
  RoomBook book;
  book.know(kSite, 10, milliseconds(100));
  for (int i = 0; i < 50; ++i) book.answered(kSite, milliseconds(500));
  EXPECT_EQ(book.room(kSite), 12);
  for (int i = 0; i < 100; ++i) book.answered(kSite, milliseconds(1));
  EXPECT_EQ(book.room(kSite), 20) << "never more than it works on";
  book.know(kSite, 1'000, milliseconds(20));
  for (int i = 0; i < 100; ++i) book.answered(kSite, seconds(2));
  EXPECT_EQ(book.room(kSite), 1'010) << "a large site has some on their way";
}

TEST(RoomBook, HasLessAfterItWasBusyAndRisesAgainSlowly) {
  RoomBook book;
  book.know(kSite, 100, Duration());
  book.turned_away(kSite, 40, at(1), at(2));
  EXPECT_EQ(book.room(kSite), 30);
  for (int i = 0; i < 29; ++i) book.answered(kSite, seconds(1));
  EXPECT_EQ(book.room(kSite), 30);
  book.answered(kSite, seconds(1));
  EXPECT_EQ(book.room(kSite), 31);
  for (int i = 0; i < 100 * 100; ++i) book.answered(kSite, seconds(1));
  EXPECT_EQ(book.room(kSite), 100);
}

TEST(RoomBook, OfManyThatAreTurnedAwayTogetherTheFirstSaysIt) {
  RoomBook book;
  book.know(kSite, 100, Duration());
  for (int open = 40; open > 0; --open) book.turned_away(kSite, open, at(1), at(2));
  EXPECT_EQ(book.room(kSite), 30);
  book.turned_away(kSite, 30, at(3), at(4));
  EXPECT_EQ(book.room(kSite), 22) << "it is still too much";
}

TEST(RoomBook, AlwaysHasRoomForOne) {
  RoomBook book;
  book.know(kSite, 3, milliseconds(5));
  for (int i = 0; i < 20; ++i) book.turned_away(kSite, 1, at(2 * i + 1), at(2 * i + 2));
  EXPECT_EQ(book.room(kSite), 1);
  book.know(kSite, 0, milliseconds(5));
  EXPECT_EQ(book.room(kSite), 0);
}

TEST(RoomBook, KeepsWhatItLearnedOverAReload) {
  RoomBook book;
  book.know(kSite, 8, Duration());
  book.turned_away(kSite, 8, at(1), at(2));
  book.know(kSite, 16, Duration());
  EXPECT_EQ(book.room(kSite), 6);
}

}  // namespace
}  // namespace hanse::fleet
