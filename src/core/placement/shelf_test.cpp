#include "core/placement/shelf.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

namespace hanse::placement {
namespace {

std::vector<Shelf::Placed> arbitrary_offers(std::size_t offers_in_all, std::size_t sites_in_all) {
  std::vector<Shelf::Placed> offers;
  for (std::size_t i = 0; i < offers_in_all; ++i) {
    if (*rc::gen::inRange(0, 3) == 0) continue;
    offers.push_back({OfferId(i),
                      SiteId(*rc::gen::inRange<std::size_t>(0, sites_in_all)),
                      {.prompt = *rc::gen::inRange<std::uint64_t>(0, 50),
                       .cached = 0,
                       .output = *rc::gen::inRange<std::uint64_t>(0, 50)}});
  }
  return offers;
}

BitSet arbitrary_sites(std::size_t sites_in_all) {
  BitSet sites(sites_in_all);
  for (std::size_t i = 0; i < sites_in_all; ++i) {
    if (*rc::gen::inRange(0, 2) == 0) sites.insert(i);
  }
  return sites;
}

// Few offers among many sites and many offers at few.
RC_GTEST_PROP(Shelf, FindsTheOffersThatAreAtTheSites, ()) {
  const auto sites_in_all = *rc::gen::inRange<std::size_t>(1, 200);
  const auto offers_in_all = *rc::gen::inRange<std::size_t>(0, 300);
  const std::vector<Shelf::Placed> offers = arbitrary_offers(offers_in_all, sites_in_all);
  const BitSet sites = arbitrary_sites(sites_in_all);

  const Shelf shelf(offers, offers_in_all, sites_in_all);
  std::vector<std::uint32_t> expected;
  std::set<std::size_t> held;
  for (const Shelf::Placed& placed : offers) {
    held.insert(placed.offer.value());
    if (!sites.contains(placed.site.value())) continue;
    expected.push_back(static_cast<std::uint32_t>(placed.offer.value()));
  }
  std::vector<std::uint32_t> found;
  Shelf::Found in_tile;
  for (const Shelf::Tile& tile : shelf.tiles()) {
    Shelf::find_at(sites, tile.spots, in_tile);
    found.insert(found.end(), in_tile.offers.begin(),
                 in_tile.offers.begin() + static_cast<std::ptrdiff_t>(in_tile.count));
  }
  std::ranges::sort(found);
  RC_ASSERT(found == expected);
  RC_ASSERT(std::ranges::equal(
      shelf.by_id(), offers, {}, [](const Shelf::Spot spot) { return OfferId(spot.offer); },
      &Shelf::Placed::offer));
  BitSet scratch;
  RC_ASSERT(shelf.count_at(sites, scratch) == expected.size());
  for (std::size_t i = 0; i < offers_in_all; ++i) {
    RC_ASSERT(shelf.holds(OfferId(i)) == held.contains(i));
  }
}

// Whoever passes over a tile by its least prices must lose nothing.
RC_GTEST_PROP(Shelf, NoOfferIsCheaperThanItsTileSays, ()) {
  const auto offers_in_all = *rc::gen::inRange<std::size_t>(0, 300);
  const std::vector<Shelf::Placed> offers = arbitrary_offers(offers_in_all, 1);
  const Shelf shelf(offers, offers_in_all, 1);
  std::map<std::uint32_t, OfferPrice> price_of;
  for (const Shelf::Placed& placed : offers) {
    price_of[static_cast<std::uint32_t>(placed.offer.value())] = placed.price;
  }
  for (const Shelf::Tile& tile : shelf.tiles()) {
    for (const Shelf::Spot spot : tile.spots) {
      RC_ASSERT(price_of[spot.offer].prompt >= tile.prompt_least);
      RC_ASSERT(price_of[spot.offer].output >= tile.output_least);
    }
  }
}

}  // namespace
}  // namespace hanse::placement
