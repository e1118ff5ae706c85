// src/core/placement/shelf.h
// The offers of one alias, laid out for choosing: in tiles of offers with like
// prices. The least prices of a tile say what any of its offers costs at least,
// so whoever looks for a cheap one passes over most tiles unseen.
//
// Part of a snapshot: made once, never changed after.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bitset.h"
#include "base/id.h"

namespace hanse::placement {

// What an offer costs, in pico-units per token.
struct OfferPrice {
  std::uint64_t prompt = 0;
  std::uint64_t cached = 0;
  std::uint64_t output = 0;
};

class Shelf {
 public:
  // An offer, where it is, and what it costs.
  struct Placed {
    OfferId offer;
    SiteId site;
    OfferPrice price;
  };

  // An offer and its site in the order in which they are gone over.
  struct Spot {
    std::uint32_t offer = 0;
    std::uint32_t site = 0;
  };
  static constexpr std::size_t kTileOffers = 32;
  // Offers with like prices, at most kTileOffers. None has a price below these.
  struct Tile {
    std::span<const Spot> spots;
    std::uint64_t prompt_least = 0;
    std::uint64_t output_least = 0;
  };
  // Those of a stretch that are wanted.
  struct Found {
    std::array<std::uint32_t, kTileOffers> offers;  // OfferIds, the first `count`
    std::size_t count = 0;
  };

  // Requires: no offer twice; ids below `offers_in_all` and `sites_in_all`.
  Shelf(std::vector<Placed> offers, std::size_t offers_in_all, std::size_t sites_in_all);

  // Tiles are views of the shelf's own memory, which a move takes along.
  Shelf(const Shelf&) = delete;
  Shelf& operator=(const Shelf&) = delete;
  Shelf(Shelf&&) = default;
  Shelf& operator=(Shelf&&) = default;

  [[nodiscard]] bool holds(OfferId offer) const { return held_.contains(offer.value()); }
  // How many of its offers are at `sites`. `scratch` is overwritten.
  std::size_t count_at(const BitSet& sites, BitSet& scratch) const;

  // All offers in order of id, which is that of the tables about them: for
  // those who look at each.
  [[nodiscard]] std::span<const Spot> by_id() const { return by_id_; }
  // All offers, each in one tile; the cheapest come early.
  [[nodiscard]] std::span<const Tile> tiles() const { return tiles_; }
  // Writes those of `spots` that are at `sites` into `found`.
  // Requires: at most kTileOffers spots.
  static void find_at(const BitSet& sites, std::span<const Spot> spots, Found& found) {
    // Each is written, and the place moves on if it is wanted: no branch whose
    // outcome nobody can foretell.
    std::size_t count = 0;
    for (const Spot spot : spots) {
      found.offers[count] = spot.offer;
      count += sites.contains(spot.site) ? 1 : 0;
    }
    found.count = count;
  }

 private:
  void lay_out(std::vector<Placed>& offers);
  void add_tile(std::span<const Placed> offers);

  BitSet held_;  // by OfferId
  // Where offers are, by SiteId, and once more for each further one of a site.
  BitSet sites_;
  std::vector<std::uint32_t> sites_again_;
  std::vector<Spot> by_id_;
  std::vector<Spot> by_price_;  // in order of tiles
  std::vector<Tile> tiles_;     // views of by_price_
};

}  // namespace hanse::placement
