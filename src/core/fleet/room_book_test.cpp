#include "core/fleet/room_book.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace hanse::fleet {
namespace {

constexpr SiteLine kSite{2};

MonotonicTime at(std::int64_t s) { return MonotonicTime(seconds(s).count()); }

// A site whose attempts take a second, and all of whose room is taken.
class Busy {
 public:
  explicit Busy(std::int32_t slots, Duration round_trip = {}) {
    book_.know(kSite, slots, round_trip);
  }

  // So many rounds, in each of which as many end well as it has room for; more than
  // `can` at a time are turned away, the last of them.
  void rounds(int count, std::int32_t can = 1'000) {
    for (int round = 0; round < count; ++round) {
      const MonotonicTime sent_at = now_;
      now_ = now_ + seconds(1);
      const std::int32_t open = room();
      if (open > can) ++turned_away_;
      if (open > can) book_.turned_away(kSite, open, sent_at, now_);
      for (std::int32_t i = 0; i < std::min(open, can); ++i) {
        book_.answered(kSite, seconds(1), open, now_);
      }
    }
  }
  // So many seconds, in each of which it is asked what it does; as many as it
  // has room for are there, and it works on `can` of them.
  void looks(int count, std::int32_t can) {
    for (int i = 0; i < count; ++i) {
      const MonotonicTime asked_at = now_ + milliseconds(1);
      const std::int32_t open = room();
      waited_ += open > can;
      now_ = now_ + seconds(1);
      for (std::int32_t k = 0; k < std::min(open, can); ++k) {
        book_.answered(kSite, seconds(1), open, now_);
      }
      book_.told(kSite, {.running = std::min(open, can), .waiting = std::max(open - can, 0)},
                 asked_at, now_);
    }
  }
  void turned_away(std::int32_t open) {
    now_ = now_ + seconds(1);
    book_.turned_away(kSite, open, now_, now_);
  }
  [[nodiscard]] std::int32_t room() const { return book_.room(kSite); }
  [[nodiscard]] int times_turned_away() const { return turned_away_; }
  [[nodiscard]] int seconds_with_some_waiting() const { return waited_; }
  RoomBook& book() { return book_; }

 private:
  RoomBook book_;
  MonotonicTime now_ = at(1);
  int turned_away_ = 0;
  int waited_ = 0;
};

TEST(RoomBook, HasItsSlotsWhereTheLinkIsShort) {
  RoomBook book;
  book.know(kSite, 4, milliseconds(20));
  EXPECT_EQ(book.room(kSite), 4) << "nothing is known of its answers";
  book.answered(kSite, seconds(2), 1, at(1));
  EXPECT_EQ(book.room(kSite), 4);
}

TEST(RoomBook, HasMoreWhereSlotsWouldWaitForTheLink) {
  RoomBook book;
  book.know(kSite, 10, milliseconds(100));
  for (int i = 0; i < 50; ++i) book.answered(kSite, milliseconds(500), 1, at(1));
  EXPECT_EQ(book.room(kSite), 12);
  for (int i = 0; i < 100; ++i) book.answered(kSite, milliseconds(1), 1, at(1));
  EXPECT_EQ(book.room(kSite), 20) << "never more than it works on";
  book.know(kSite, 1'000, milliseconds(20));
  for (int i = 0; i < 100; ++i) book.answered(kSite, seconds(2), 1, at(1));
  EXPECT_EQ(book.room(kSite), 1'010) << "a large site has some on their way";
}

TEST(RoomBook, HasLessAfterItWasBusyAndRisesAgainSlowly) {
  Busy site(100);
  site.turned_away(40);
  EXPECT_EQ(site.room(), 30);
  site.rounds(2);
  EXPECT_EQ(site.room(), 30) << "not before two signs could have said that it was too much";
  site.rounds(1);
  EXPECT_EQ(site.room(), 31);
  site.rounds(1'000);
  EXPECT_EQ(site.room(), 100);
}

TEST(RoomBook, RemembersHowManyWereTooMany) {
  // Four, where five are configured.
  Busy site(5);
  site.rounds(10'000, 4);
  EXPECT_LE(site.times_turned_away(), 8 + 10'000 / 64) << "once, and then seldom";
  EXPECT_GE(site.times_turned_away(), 10'000 / 80) << "but it is tried again";
  EXPECT_GE(site.room(), 4);
  // It can do them now.
  site.rounds(100);
  EXPECT_EQ(site.room(), 5);
}

TEST(RoomBook, FindsHowManyItCanDoFarBelowWhatIsConfigured) {
  Busy site(64);
  site.rounds(100, 5);
  const int before = site.times_turned_away();
  site.rounds(640, 5);
  EXPECT_LE(site.times_turned_away() - before, 20);
  EXPECT_GE(site.room(), 5);
  EXPECT_LE(site.room(), 6);
}

TEST(RoomBook, OfWhatWasTooMuchALittleWorkShowsNothing) {
  Busy site(4);
  site.turned_away(4);
  EXPECT_EQ(site.room(), 3);
  for (int i = 0; i < 1'000; ++i) site.book().answered(kSite, seconds(1), 1, at(100 + i));
  EXPECT_EQ(site.room(), 3);
  Busy other(8);
  other.turned_away(8);
  for (int i = 0; i < 1'000; ++i) other.book().answered(kSite, seconds(1), 1, at(100 + i));
  EXPECT_EQ(other.room(), 7) << "below that it rises with any";
}

TEST(RoomBook, HearsThatRequestsWaitInsideASite) {
  for (const std::int32_t slots : {5, 6, 16}) {
    Busy site(slots);
    site.looks(60, 4);
    EXPECT_GE(site.room(), 4);
    EXPECT_LE(site.room(), 5);
    const int before = site.seconds_with_some_waiting();
    site.looks(1'000, 4);
    EXPECT_LE(site.seconds_with_some_waiting() - before, 100) << slots << " slots configured";
    site.looks(400, 16);
    EXPECT_EQ(site.room(), slots);
  }
}

TEST(RoomBook, OneSignOfAQueueMayBeAMoment) {
  Busy site(8);
  for (int i = 0; i < 10; ++i) {
    site.looks(1, 7);
    site.looks(1, 8);
  }
  EXPECT_EQ(site.room(), 8);
}

TEST(RoomBook, WhatBridgesTheLinkMayWait) {
  Busy site(10, milliseconds(100));
  site.looks(100, 11);
  EXPECT_EQ(site.room(), 11) << "one of them only bridges it";
  EXPECT_EQ(site.book().bridging(kSite), 1);
  site.looks(100, 10);
  EXPECT_EQ(site.room(), 11);
  site.looks(4, 6);
  EXPECT_LE(site.room(), 8);
  EXPECT_GE(site.room(), 7);
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
