#include "core/placement/shelf.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"

namespace hanse::placement {
namespace {

std::size_t root(std::size_t square) {
  std::size_t side = 0;
  while (side * side < square) ++side;
  return side;
}

Shelf::Spot spot(const Shelf::Placed& placed) {
  return {static_cast<std::uint32_t>(placed.offer.value()),
          static_cast<std::uint32_t>(placed.site.value())};
}

// Calls `visit(part)` for each `size` of `all`, and for what is left.
template <typename Visit>
void for_each_part(std::span<Shelf::Placed> all, std::size_t size, Visit&& visit) {
  while (!all.empty()) {
    const std::size_t taken = std::min(size, all.size());
    visit(all.first(taken));
    all = all.subspan(taken);
  }
}

}  // namespace

Shelf::Shelf(std::vector<Placed> offers, std::size_t offers_in_all, std::size_t sites_in_all)
    : held_(offers_in_all), sites_(sites_in_all) {
  for (const Placed& placed : offers) {
    held_.insert(placed.offer.value());
    const std::size_t site = placed.site.value();
    if (sites_.contains(site)) sites_again_.push_back(static_cast<std::uint32_t>(site));
    sites_.insert(site);
  }
  std::ranges::sort(offers, {}, &Placed::offer);
  for (const Placed& placed : offers) by_id_.push_back(spot(placed));
  lay_out(offers);
}

// Slices of like prompt prices, cut into tiles of like output prices: as many
// slices as there are tiles in each, so that both prices are held as close.
void Shelf::lay_out(std::vector<Placed>& offers) {
  by_price_.reserve(offers.size());  // tiles are views of it
  const std::size_t slice = root(offers.size() / kTileOffers + 1) * kTileOffers;
  const auto by_prompt = [](const Placed& placed) {
    return std::pair(placed.price.prompt, placed.offer);
  };
  const auto by_output = [](const Placed& placed) {
    return std::pair(placed.price.output, placed.offer);
  };
  std::ranges::sort(offers, {}, by_prompt);
  for_each_part(offers, slice, [&](std::span<Placed> like_prompt) {
    std::ranges::sort(like_prompt, {}, by_output);
    for_each_part(like_prompt, kTileOffers,
                  [&](std::span<const Placed> like_both) { add_tile(like_both); });
  });
}

void Shelf::add_tile(std::span<const Placed> offers) {
  HANSE_CHECK(by_price_.size() + offers.size() <= by_price_.capacity());
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  Tile tile{{}, kMost, kMost};
  for (const Placed& placed : offers) {
    by_price_.push_back(spot(placed));
    tile.prompt_least = std::min(tile.prompt_least, placed.price.prompt);
    tile.output_least = std::min(tile.output_least, placed.price.output);
  }
  tile.spots = std::span(by_price_).last(offers.size());
  tiles_.push_back(tile);
}

std::size_t Shelf::count_at(const BitSet& sites, BitSet& scratch) const {
  scratch.assign(sites);
  scratch &= sites_;
  std::size_t count = scratch.count();
  for (const std::uint32_t site : sites_again_) count += sites.contains(site) ? 1 : 0;
  return count;
}

}  // namespace hanse::placement
