#include "adapters/config/nearest.h"

#include <gtest/gtest.h>

#include <array>

namespace hanse::config {
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

TEST(Nearest, IsTheWordThatWasMeant) {
  constexpr auto kWords = std::to_array<std::string_view>({"place", "price", "slots", "supplier"});
  EXPECT_EQ(nearest("slot", kWords), "slots");
  EXPECT_EQ(nearest("suplier", kWords), "supplier");
  EXPECT_EQ(nearest("prise", kWords), "price");
  EXPECT_EQ(nearest("PLACE", kWords), "");  // shouting is more than a slip
  EXPECT_EQ(nearest("engine", kWords), "");
}

TEST(Nearest, OfShortWordsMayDifferInCaseOnly) {
  constexpr auto kWords = std::to_array<std::string_view>({"AX", "DE", "US"});
  EXPECT_EQ(nearest("de", kWords), "DE");
  EXPECT_EQ(nearest("XX", kWords), "");
}

TEST(Suggestion, ListsTheWordsWhenTheyAreFew) {
  constexpr auto kWords = std::to_array<std::string_view>({"process", "power"});
  EXPECT_EQ(suggest("powre", kWords), "did you mean 'power'?");
  EXPECT_EQ(suggest("disk", kWords), "it may be one of process, power");
  EXPECT_EQ(suggest("disk", {}), "");
}

}  // namespace
}  // namespace hanse::config
