// src/core/placement/shelf.h
// The offers of one alias, found by the sites that have them: which sites are
// allowed comes as a set of bits, and going over its members costs nothing for
// those that are not.
//
// Part of a snapshot: made once, never changed after.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bitset.h"
#include "base/id.h"

namespace hanse::placement {

class Shelf {
 public:
  // An offer, and where it is.
  struct Placed {
    OfferId offer;
    SiteId site;

    auto operator<=>(const Placed&) const = default;
  };

  // Requires: no offer twice; ids below `offers_in_all` and `sites_in_all`.
  Shelf(std::span<const Placed> offers, std::size_t offers_in_all, std::size_t sites_in_all);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool holds(OfferId offer) const { return held_.contains(offer.value()); }

  // Writes the offers at `sites` into `found`, in no order that means anything;
  // returns how many. `scratch` is overwritten.
  // Requires: `found` is as long as the shelf.
  std::size_t find_at(const BitSet& sites, BitSet& scratch, std::span<std::uint32_t> found) const;

 private:
  std::size_t size_;
  BitSet held_;  // by OfferId
  // One offer of each site that has any, by SiteId; for few offers among many
  // sites that would waste room, and all are with the others.
  BitSet sites_;
  std::vector<std::uint32_t> offer_at_;
  std::vector<Placed> others_;
};

}  // namespace hanse::placement
