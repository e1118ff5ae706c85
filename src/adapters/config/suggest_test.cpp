#include "adapters/config/suggest.h"

#include <gtest/gtest.h>

#include <array>

namespace hanse::config {
namespace {

TEST(Suggestion, ListsTheWordsWhenTheyAreFew) {
  constexpr auto kWords = std::to_array<std::string_view>({"process", "power"});
  EXPECT_EQ(suggest("powre", kWords), "did you mean 'power'?");
  EXPECT_EQ(suggest("disk", kWords), "it may be one of process, power");
  EXPECT_EQ(suggest("disk", {}), "");
}

}  // namespace
}  // namespace hanse::config
