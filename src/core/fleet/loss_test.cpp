#include "core/fleet/loss.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <utility>

namespace hanse::fleet {
namespace {

Fleet fleet() {
  Fleet fleet;
  const auto supplier = [&](std::string name, std::string_view home) {
    Supplier row;
    row.name = std::move(name);
    row.home = Code(home);
    return fleet.suppliers.add(std::move(row));
  };
  const SupplierId atlantic = supplier("atlantic-cloud", "US");
  const SupplierId germany = supplier("atlantic-cloud-germany", "DE");
  fleet.suppliers[germany].parents = {{atlantic, 1'000'000, "shares"}};
  const SupplierId elbe = supplier("elbe-compute", "DE");
  const auto site = [&](std::string name, SupplierId of, std::string_view place) {
    Site row;
    row.name = std::move(name);
    row.supplier = of;
    row.place = Code(place);
    fleet.links.emplace_back();
    fleet.sites.add(std::move(row));
  };
  site("ashburn", atlantic, "US");
  site("frankfurt", germany, "DE");
  site("hamburg", elbe, "DE");
  return fleet;
}

// The names of what is lost, or why nothing is.
std::string lost(const Fleet& fleet, Loss::Kind kind, std::string name) {
  const Loss loss{kind, std::move(name)};
  const auto sites = sites_lost(fleet, {&loss, 1});
  if (!sites) return sites.error().message;
  std::string names;
  sites->for_each([&](std::size_t i) { names += fleet.sites[SiteId(i)].name + " "; });
  return names;
}

TEST(Loss, OfASupplierACountryOrALawTakesTheirSites) {
  const Fleet all = fleet();
  EXPECT_EQ(lost(all, Loss::Kind::site, "hamburg"), "hamburg ");
  EXPECT_EQ(lost(all, Loss::Kind::supplier, "atlantic-cloud"), "ashburn ");
  EXPECT_EQ(lost(all, Loss::Kind::country, "DE"), "frankfurt hamburg ");
  EXPECT_EQ(lost(all, Loss::Kind::law, "US"), "ashburn frankfurt ");
}

TEST(Loss, OfSeveralIsAllOfThem) {
  const std::array<Loss, 2> losses = {Loss{Loss::Kind::site, "hamburg"},
                                      Loss{Loss::Kind::supplier, "atlantic-cloud"}};
  EXPECT_EQ(sites_lost(fleet(), losses)->count(), 2U);
}

TEST(Loss, OfWhatIsNotThereIsToldWithTheNearestWord) {
  const Fleet all = fleet();
  EXPECT_EQ(lost(all, Loss::Kind::site, "hambrug"),
            "there is no site 'hambrug' in service: did you mean 'hamburg'?");
  EXPECT_EQ(lost(all, Loss::Kind::country, "XX"),
            "no site in service stands in 'XX': it may be one of DE, US");
}

TEST(Loss, OfARetiredSiteIsNone) {
  Fleet all = fleet();
  all.sites[SiteId(2)].retired = true;
  EXPECT_EQ(lost(all, Loss::Kind::country, "DE"), "frankfurt ");
  EXPECT_EQ(sites_lost(all, std::array{Loss{Loss::Kind::site, "hamburg"}}).error().code,
            ErrorCode::not_found);
}

}  // namespace
}  // namespace hanse::fleet
