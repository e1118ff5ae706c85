#include "core/fleet/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hanse::fleet {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A fleet of one site, whose owners each test writes down.
class Reaching : public testing::Test {
 protected:
  SupplierId entity(std::string name, std::optional<Code> home) {
    Supplier supplier;
    supplier.name = std::move(name);
    supplier.home = home;
    return fleet_.suppliers.add(std::move(supplier));
  }
  void controls(SupplierId holder, SupplierId held, std::int32_t share_ppm, std::string basis) {
    fleet_.suppliers[held].parents.push_back({holder, share_ppm, std::move(basis)});
  }
  SiteId site_of(SupplierId supplier, std::optional<Code> place) {
    Site site;
    site.name = "site";
    site.supplier = supplier;
    site.place = place;
    return fleet_.sites.add(std::move(site));
  }
  std::vector<std::string> sentences(SiteId site) const {
    std::vector<std::string> all;
    const ReachSet set = reach_of(fleet_, site);
    for (const Reach& reach : set.reaches) all.push_back(describe(fleet_, site, reach));
    for (const Gap& gap : set.gaps) all.push_back(describe(fleet_, site, gap));
    return all;
  }

  Fleet fleet_;
};

TEST_F(Reaching, PlaceAndHomeBringTheirLawAndTheUnions) {
  const SiteId site = site_of(entity("Elbe", Code("DE")), Code("FR"));
  EXPECT_THAT(sentences(site),
              ElementsAre("FR reaches it: its machines stand in FR",
                          "EU reaches it: its machines stand in FR, a member state",
                          "DE reaches it: its operator Elbe has its home in DE",
                          "EU reaches it: its operator Elbe has its home in DE, a member state"));
  EXPECT_TRUE(reach_of(fleet_, site).complete());
}

// European soil under a foreign owner: the case that place alone misses.
TEST_F(Reaching, AParentBringsTheLawOfItsHome) {
  const SupplierId atlantic = entity("atlantic", Code("US"));
  fleet_.suppliers[atlantic].title = "Atlantic Cloud, Inc.";
  const SupplierId german = entity("atlantic-germany", Code("CH"));
  controls(atlantic, german, 1'000'000, "shares");
  EXPECT_THAT(sentences(site_of(german, Code("CH"))),
              ElementsAre("CH reaches it: its machines stand in CH",
                          "CH reaches it: its operator atlantic-germany has its home in CH",
                          "US reaches it: Atlantic Cloud, Inc. (home US) controls "
                          "atlantic-germany by shares, 100 %"));
}

TEST_F(Reaching, AChainOfParentsIsToldInFull) {
  const SupplierId top = entity("top", Code("CN"));
  const SupplierId middle = entity("middle", Code("SG"));
  const SupplierId operator_ = entity("operator", Code("CH"));
  controls(top, middle, 0, "veto");
  controls(middle, operator_, 333'333, "votes");
  const auto all = sentences(site_of(operator_, Code("CH")));
  EXPECT_EQ(all.back(),
            "CN reaches it: top (home CN) controls middle by veto, which controls operator by "
            "votes, 33.3333 %");
}

TEST_F(Reaching, ARingOfOwnersEndsWhereItCloses) {
  const SupplierId a = entity("a", Code("CH"));
  const SupplierId b = entity("b", Code("JP"));
  controls(b, a, 510'000, "shares");
  controls(a, b, 510'000, "shares");
  const ReachSet set = reach_of(fleet_, site_of(a, Code("CH")));
  EXPECT_EQ(set.reaches.size(), 3U);
  EXPECT_TRUE(set.complete());
}

TEST_F(Reaching, WhoControlsByTwoChainsIsListedWithTheShorter) {
  const SupplierId top = entity("top", Code("US"));
  const SupplierId middle = entity("middle", Code("JP"));
  const SupplierId operator_ = entity("operator", Code("CH"));
  controls(middle, operator_, 600'000, "shares");
  controls(top, middle, 600'000, "shares");
  controls(top, operator_, 400'000, "contract");
  const ReachSet set = reach_of(fleet_, site_of(operator_, Code("CH")));
  ASSERT_EQ(set.reaches.size(), 4U);
  EXPECT_THAT(set.reaches[3].chain, ElementsAre(top));
}

TEST_F(Reaching, ATerritoryBringsTheLawOfItsSovereign) {
  EXPECT_THAT(sentences(site_of(entity("harbour", Code("HK")), Code("RE"))),
              ElementsAre("RE reaches it: its machines stand in RE",
                          "FR reaches it: its machines stand in RE, a territory of FR",
                          "EU reaches it: its machines stand in RE, a territory of the member "
                          "state FR",
                          "HK reaches it: its operator harbour has its home in HK",
                          "CN reaches it: its operator harbour has its home in HK, a territory "
                          "of CN"));
}

TEST_F(Reaching, MissingFactsAreGaps) {
  const SupplierId parent = entity("parent", std::nullopt);
  const SupplierId operator_ = entity("operator", std::nullopt);
  controls(parent, operator_, 500'000, "shares");
  fleet_.suppliers[parent].parents_known = false;
  const SiteId site = site_of(operator_, std::nullopt);
  EXPECT_FALSE(reach_of(fleet_, site).complete());
  EXPECT_THAT(reach_of(fleet_, site).reaches, IsEmpty());
  EXPECT_THAT(sentences(site),
              ElementsAre("it is not known where the machines of site stand",
                          "the home of operator is not known", "the home of parent is not known",
                          "it is not known who controls parent"));
}

}  // namespace
}  // namespace hanse::fleet
