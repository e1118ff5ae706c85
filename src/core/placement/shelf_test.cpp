#include "core/placement/shelf.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace hanse::placement {
namespace {

// Few offers among many sites and many offers at few: both ways to store them
// find the same.
RC_GTEST_PROP(Shelf, FindsTheOffersThatAreAtTheSites, ()) {
  const auto sites_in_all = *rc::gen::inRange<std::size_t>(1, 200);
  const auto offers_in_all = *rc::gen::inRange<std::size_t>(0, 300);
  std::vector<Shelf::Placed> offers;
  for (std::size_t i = 0; i < offers_in_all; ++i) {
    if (*rc::gen::inRange(0, 3) == 0) continue;
    offers.push_back({OfferId(i), SiteId(*rc::gen::inRange<std::size_t>(0, sites_in_all))});
  }
  BitSet sites(sites_in_all);
  for (std::size_t i = 0; i < sites_in_all; ++i) {
    if (*rc::gen::inRange(0, 2) == 0) sites.insert(i);
  }

  const Shelf shelf(offers, offers_in_all, sites_in_all);
  std::set<std::uint32_t> expected;
  std::set<std::size_t> held;
  for (const Shelf::Placed& placed : offers) {
    held.insert(placed.offer.value());
    if (!sites.contains(placed.site.value())) continue;
    expected.insert(static_cast<std::uint32_t>(placed.offer.value()));
  }
  BitSet scratch;
  std::vector<std::uint32_t> found(shelf.size());
  const std::size_t count = shelf.find_at(sites, scratch, found);
  RC_ASSERT(count == expected.size());
  RC_ASSERT(std::set<std::uint32_t>(found.begin(), found.begin() + static_cast<long>(count)) ==
            expected);
  for (std::size_t i = 0; i < offers_in_all; ++i) {
    RC_ASSERT(shelf.holds(OfferId(i)) == held.contains(i));
  }
}

}  // namespace
}  // namespace hanse::placement
