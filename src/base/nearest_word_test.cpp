#include "base/nearest_word.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace hanse {
namespace {

TEST(HalfEdits, CountInsertionsDeletionsReplacementsAndSwapsTwice) {
  EXPECT_EQ(half_edits("slots", "slots", 9), 0U);
  EXPECT_EQ(half_edits("slot", "slots", 9), 2U);
  EXPECT_EQ(half_edits("slotss", "slots", 9), 2U);
  EXPECT_EQ(half_edits("slats", "slots", 9), 2U);
  EXPECT_EQ(half_edits("sltos", "slots", 9), 2U);
  EXPECT_EQ(half_edits("kitten", "sitting", 9), 6U);
}

TEST(HalfEdits, CountAnotherCaseOnce) {
  EXPECT_EQ(half_edits("DE", "de", 9), 2U);
  EXPECT_EQ(half_edits("Slots", "slots", 9), 1U);
}

TEST(HalfEdits, GoNoFurtherThanTheLimit) {
  EXPECT_EQ(half_edits("a", "abcdefgh", 4), 5U);
  EXPECT_EQ(half_edits(std::string(1000, 'a'), "a", 4), 5U);
}

TEST(NearestWord, IsTheWordThatWasMeant) {
  constexpr auto kWords = std::to_array<std::string_view>({"place", "price", "slots", "supplier"});
  EXPECT_EQ(nearest_word("slot", kWords), "slots");
  EXPECT_EQ(nearest_word("suplier", kWords), "supplier");
  EXPECT_EQ(nearest_word("prise", kWords), "price");
  EXPECT_EQ(nearest_word("PLACE", kWords), "");  // shouting is more than a slip
  EXPECT_EQ(nearest_word("engine", kWords), "");
}

TEST(NearestWord, OfShortWordsMayDifferInCaseOnly) {
  constexpr auto kWords = std::to_array<std::string_view>({"AX", "DE", "US"});
  EXPECT_EQ(nearest_word("de", kWords), "DE");
  EXPECT_EQ(nearest_word("XX", kWords), "");
}

TEST(NearestWord, OfNothingAndOfMuchTooMuchIsNothing) {
  constexpr auto kWords = std::to_array<std::string_view>({"smollm2", "llama-3.1-8b", "qwen"});
  EXPECT_EQ(nearest_word("llama-3-8b", kWords), "llama-3.1-8b");
  EXPECT_EQ(nearest_word("", kWords), "");
  EXPECT_EQ(nearest_word(std::string(10'000, 'a'), kWords), "");
}

}  // namespace
}  // namespace hanse
