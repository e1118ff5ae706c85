#include "core/placement/shelf.h"

namespace hanse::placement {
namespace {

// A shelf with fewer offers than sites / kSparse has no table by site.
constexpr std::size_t kSparse = 16;

}  // namespace

Shelf::Shelf(std::span<const Placed> offers, std::size_t offers_in_all, std::size_t sites_in_all)
    : size_(offers.size()), held_(offers_in_all), sites_(sites_in_all) {
  const bool dense = offers.size() >= sites_in_all / kSparse;
  if (dense) offer_at_.resize(sites_in_all);
  for (const Placed& placed : offers) {
    held_.insert(placed.offer.value());
    const std::size_t site = placed.site.value();
    if (dense && !sites_.contains(site)) {
      sites_.insert(site);
      offer_at_[site] = static_cast<std::uint32_t>(placed.offer.value());
    } else {
      others_.push_back(placed);
    }
  }
}

std::size_t Shelf::find_at(const BitSet& sites, BitSet& scratch,
                           std::span<std::uint32_t> found) const {
  scratch.assign(sites);
  scratch &= sites_;
  std::size_t count = 0;
  scratch.for_each([&](std::size_t site) { found[count++] = offer_at_[site]; });
  for (const Placed& placed : others_) {
    if (!sites.contains(placed.site.value())) continue;
    found[count++] = static_cast<std::uint32_t>(placed.offer.value());
  }
  return count;
}

}  // namespace hanse::placement
