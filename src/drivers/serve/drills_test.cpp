#include "drivers/serve/drills.h"

#include <gtest/gtest.h>

#include <string>

namespace hanse::serve {
namespace {

// "site hamburg, country DE for 60 s", or what is wrong with it.
std::string read(std::string_view text) {
  const auto order = read_drill_order(text);
  if (!order) return order.error().message;
  std::string said;
  for (const fleet::Loss& loss : order->losses) {
    said += std::string(to_string(loss.kind)) + " " + loss.name + ", ";
  }
  return said + std::to_string(order->lasts.count() / seconds(1).count()) + " s";
}

TEST(DrillOrder, NamesWhatIsLostAndForHowLong) {
  EXPECT_EQ(read(R"({"supplier":"elbe-compute"})"), "supplier elbe-compute, 600 s");
  EXPECT_EQ(read(R"({"site":["hamburg","lyon"],"country":"DE","law":"US","lasts_seconds":60})"),
            "site hamburg, site lyon, country DE, law US, 60 s");
  EXPECT_EQ(read(""), "600 s");
}

TEST(DrillOrder, ThatCannotBeUnderstoodIsRefusedWhole) {
  EXPECT_EQ(read("hamburg"), "a drill is told as a JSON object");
  EXPECT_EQ(read("[]"), "a drill is told as a JSON object");
  EXPECT_EQ(read(R"({"site":7})"), "a drill: `site` is a name or a list of names");
  EXPECT_EQ(read(R"({"site":["hamburg",null]})"), "a drill: `site` is a name or a list of names");
  for (const char* length : {"0", "-1", "1.5", "86401", "\"60\"", "1e300"}) {
    EXPECT_EQ(read(std::string(R"({"lasts_seconds":)") + length + "}"),
              "a drill: `lasts_seconds` is a whole number from 1 to 86400");
  }
  EXPECT_NE(read(R"({"sites":"hamburg"})").find("and nothing else"), std::string::npos);
  EXPECT_EQ(read(std::string(70'000, ' ')), "a drill: too much is said");
}

}  // namespace
}  // namespace hanse::serve
