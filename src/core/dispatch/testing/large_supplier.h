// src/core/dispatch/testing/large_supplier.h
// A grid for tests of failure domains: one supplier has most of the sites.
#pragma once

#include <fmt/format.h>

#include "core/dispatch/testing/small_grid.h"

namespace hanse::dispatch::testing {

// The four sites, and many more of ashburn's supplier, which are the cheapest.
inline Snapshot many_at_ashburn(int more) {
  Snapshot snapshot = small_grid();
  fleet::Fleet& fleet = snapshot.fleet;
  const SiteId ashburn = *fleet.sites.find("ashburn");
  for (int i = 0; i < more; ++i) {
    fleet::Site site = fleet.sites[ashburn];
    site.name = fmt::format("ashburn-{:02}", i);
    fleet::Offer offer = fleet.offers[*fleet.offers.find("ashburn/small/q4")];
    offer.name = site.name + "/small/q4";
    offer.site = fleet.sites.add(site);
    fleet.offers.add(offer);
    fleet.links.push_back(fleet.links[ashburn.value()]);
  }
  return snapshot;
}

}  // namespace hanse::dispatch::testing
