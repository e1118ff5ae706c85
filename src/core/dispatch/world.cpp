#include "core/dispatch/world.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace hanse::dispatch {

World::World(SnapshotRef used, placement::Placement used_placement)
    : snapshot(std::move(used)),
      gate(snapshot->catalog, snapshot->fleet, snapshot->policies, snapshot->labels),
      placement(std::move(used_placement)),
      sites_of_alias(snapshot->catalog.aliases.size(), BitSet(snapshot->fleet.sites.size())),
      lines_(snapshot->fleet.sites.size()),
      offer_lines_(snapshot->fleet.offers.size()) {
  snapshot->catalog.aliases.for_each([&](AliasId alias, const catalog::Alias& row) {
    for (const fleet::Offer& offer : snapshot->fleet.offers) {
      for (const VariantId variant : row.variants) {
        if (offer.variant == variant) sites_of_alias[alias.value()].insert(offer.site.value());
      }
    }
  });
}

void World::stands_at(SiteId site, fleet::SiteLine line) {
  HANSE_CHECK(!lines_[site.value()].valid());
  lines_[site.value()] = line;
  if (line.value() >= sites_.size()) sites_.resize(line.value() + 1);
  sites_[line.value()] = site;
}

void World::stands_at(OfferId offer, fleet::OfferLine line) {
  HANSE_CHECK(!offer_lines_[offer.value()].valid());
  offer_lines_[offer.value()] = line;
  if (line.value() >= offers_.size()) offers_.resize(line.value() + 1);
  offers_[line.value()] = offer;
}

OfferId World::offer_for(AliasId alias, fleet::OfferLine line) const {
  const OfferId offer = line.value() < offers_.size() ? offers_[line.value()] : OfferId();
  if (!offer.valid()) return offer;
  const auto& variants = snapshot->catalog.aliases[alias].variants;
  const VariantId variant = snapshot->fleet.offers[offer].variant;
  return std::ranges::find(variants, variant) == variants.end() ? OfferId() : offer;
}

}  // namespace hanse::dispatch
