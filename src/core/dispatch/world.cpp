#include "core/dispatch/world.h"

#include <utility>

#include "base/check.h"

namespace hanse::dispatch {

World::World(SnapshotRef used, placement::Placement used_placement)
    : snapshot(std::move(used)),
      gate(snapshot->catalog, snapshot->fleet, snapshot->policies, snapshot->labels),
      placement(std::move(used_placement)),
      sites_of_alias(snapshot->catalog.aliases.size(), BitSet(snapshot->fleet.sites.size())),
      lines_(snapshot->fleet.sites.size()) {
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

}  // namespace hanse::dispatch
