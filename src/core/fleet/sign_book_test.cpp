#include "core/fleet/sign_book.h"

#include <gtest/gtest.h>

#include <vector>

namespace hanse::fleet {
namespace {

constexpr SiteLine kSite{3};

MonotonicTime at(std::int64_t milliseconds_in) {
  return MonotonicTime() + milliseconds(milliseconds_in);
}

// The sites whose signs count less than before.
std::vector<SiteLine> fade(SignBook& book, MonotonicTime now) {
  std::vector<SiteLine> faded;
  book.fade(now, [&](SiteLine site) { faded.push_back(site); });
  return faded;
}

TEST(SignBook, WhatIsNotOursIsOthers) {
  SignBook book;
  EXPECT_EQ(book.of(kSite), nullptr);
  book.measured(kSite, {.running = 4, .waiting = 3}, 2, at(0));
  ASSERT_NE(book.of(kSite), nullptr);
  EXPECT_EQ(book.of(kSite)->others, 5);
  EXPECT_EQ(book.of(kSite)->weight, SignBook::kWhole);
  book.measured(kSite, {.running = 1}, 2, at(0));
  EXPECT_EQ(book.of(kSite)->others, 0);
}

TEST(SignBook, SaysHowManyOfOursItDoesNotTellOfAndWhenItWasAsked) {
  SignBook book;
  book.asked(kSite, 5, at(20));
  book.measured(kSite, {.running = 2, .waiting = 1}, 7, at(30));
  EXPECT_EQ(book.of(kSite)->untold, 2);
  EXPECT_EQ(book.of(kSite)->asked_at, at(20));
  EXPECT_EQ(book.of(kSite)->at, at(30));
}

// An attempt that ends while the question is under way is not taken for
// somebody else's.
TEST(SignBook, WhatWasOursWhenItWasAskedIsOurs) {
  SignBook book;
  book.asked(kSite, 4, at(0));
  book.measured(kSite, {.running = 4}, 0, at(0));
  EXPECT_EQ(book.of(kSite)->others, 0);
  EXPECT_EQ(book.of(kSite)->untold, 0) << "nor is one that begins missed";
}

TEST(SignBook, ASignFadesAndIsNeverBelievedWhenItIsTenSecondsOld) {
  EXPECT_EQ(SignBook::weight(Duration()), SignBook::kWhole);
  EXPECT_EQ(SignBook::weight(seconds(2)), SignBook::kWhole);
  EXPECT_EQ(SignBook::weight(seconds(6)), SignBook::kWhole / 2);
  EXPECT_EQ(SignBook::weight(seconds(10)), 0);

  SignBook book;
  book.measured(kSite, {.waiting = 9}, 0, at(700));
  std::int32_t before = SignBook::kWhole;
  MonotonicTime gone;
  for (std::int64_t ms = 700; ms < 20'000; ms += 37) {
    if (book.is_due(at(ms))) fade(book, at(ms));
    const SignBook::Told* told = book.of(kSite);
    if (told == nullptr) {
      gone = at(ms);
      break;
    }
    const Duration age = elapsed(at(700), at(ms));
    EXPECT_LE(told->weight, SignBook::weight(age)) << "never more than it is worth";
    EXPECT_GE(told->weight, SignBook::weight(age + SignBook::kStep + milliseconds(37)));
    EXPECT_LE(told->weight, before);
    before = told->weight;
  }
  EXPECT_GT(gone, at(700) + seconds(8));
  EXPECT_LE(gone, at(700) + SignBook::kGone);
}

TEST(SignBook, AFreshSignTakesTheOldOnesPlace) {
  SignBook book;
  book.measured(kSite, {.waiting = 9}, 0, at(0));
  EXPECT_EQ(fade(book, at(5'000)), std::vector{kSite});
  EXPECT_LT(book.of(kSite)->weight, SignBook::kWhole);
  book.measured(kSite, {.waiting = 2}, 0, at(5'500));
  EXPECT_EQ(book.of(kSite)->weight, SignBook::kWhole);
  EXPECT_TRUE(fade(book, at(6'000)).empty()) << "nothing changes for it";
}

TEST(SignBook, NumbersThatCannotBeAreBroughtWithinReason) {
  SignBook book;
  book.measured(kSite, {.running = -5, .waiting = 2'000'000'000, .kv_use_ppm = -1}, -3, at(0));
  EXPECT_EQ(book.of(kSite)->sign.running, 0);
  EXPECT_EQ(book.of(kSite)->others, SignBook::kSequencesMax);
  EXPECT_FALSE(book.of(kSite)->kv_is_full());
  book.measured(kSite, {.kv_use_ppm = 950'000}, 0, at(0));
  EXPECT_TRUE(book.of(kSite)->kv_is_full());
}

}  // namespace
}  // namespace hanse::fleet
