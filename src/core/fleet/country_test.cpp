#include "core/fleet/country.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace hanse::fleet {
namespace {

TEST(Country, AllOfIso3166IsKnownAndNothingElse) {
  EXPECT_EQ(known_countries().size(), 249U);
  EXPECT_TRUE(std::ranges::is_sorted(known_countries()));
  for (const Code code : known_countries()) EXPECT_EQ(parse_country(code.text()), code);

  // Reserved, withdrawn, never given, or not a code.
  for (const auto* text : {"EU", "UK", "SU", "XK", "AA", "de", "D", "DEU", ""}) {
    EXPECT_EQ(parse_country(text), std::nullopt) << text;
  }
}

TEST(Country, AreasAreTheirMembers) {
  EXPECT_EQ(countries_of("EU")->size(), 27U);
  EXPECT_EQ(countries_of("EEA")->size(), 30U);
  EXPECT_EQ(countries_of("EFTA")->size(), 4U);
  const auto members = *countries_of("EU");
  for (const Code member : members) {
    EXPECT_TRUE(is_eu_member(member));
    EXPECT_TRUE(parse_country(member.text()).has_value());
    EXPECT_THAT(*countries_of("EEA"), testing::Contains(member));
  }
  EXPECT_FALSE(is_eu_member(Code("NO")));
  EXPECT_FALSE(is_eu_member(Code("CH")));
  EXPECT_FALSE(is_eu_member(Code("GB")));
  EXPECT_THAT(*countries_of("EFTA"),
              testing::ElementsAre(Code("CH"), Code("IS"), Code("LI"), Code("NO")));
}

TEST(Country, ACountryIsAnAreaOfItself) {
  EXPECT_THAT(*countries_of("BR"), testing::ElementsAre(Code("BR")));
  EXPECT_EQ(countries_of("Europe"), std::nullopt);
  EXPECT_EQ(countries_of("eu"), std::nullopt);
}

TEST(Country, TerritoriesKnowTheirSovereign) {
  EXPECT_EQ(sovereign_of(Code("PR")), Code("US"));
  EXPECT_EQ(sovereign_of(Code("HK")), Code("CN"));
  EXPECT_EQ(sovereign_of(Code("RE")), Code("FR"));
  EXPECT_EQ(sovereign_of(Code("DE")), std::nullopt);
  for (const Code code : known_countries()) {
    const auto sovereign = sovereign_of(code);
    if (!sovereign) continue;
    EXPECT_TRUE(parse_country(sovereign->text()).has_value());
    EXPECT_EQ(sovereign_of(*sovereign), std::nullopt) << sovereign->text() << " is a state";
  }
}

}  // namespace
}  // namespace hanse::fleet
