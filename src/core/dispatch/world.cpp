#include "core/dispatch/world.h"

#include <utility>

#include "base/check.h"

namespace hanse::dispatch {

World::World(SnapshotRef used, placement::Placement used_placement, const WorldOptions& options)
    : snapshot(std::move(used)),
      gate(snapshot->catalog, snapshot->fleet, snapshot->policies, snapshot->labels),
      placement(std::move(used_placement)),
      health(snapshot->fleet.sites.size(), options.health),
      sites_of_alias(snapshot->catalog.aliases.size(), BitSet(snapshot->fleet.sites.size())),
      attempts_at(snapshot->fleet.sites.size(), 0),
      full(snapshot->fleet.sites.size()),
      waiting_per_slot_(options.waiting_per_slot) {
  snapshot->catalog.aliases.for_each([&](AliasId alias, const catalog::Alias& row) {
    for (const fleet::Offer& offer : snapshot->fleet.offers) {
      for (const VariantId variant : row.variants) {
        if (offer.variant == variant) sites_of_alias[alias.value()].insert(offer.site.value());
      }
    }
  });
}

std::int32_t World::attempts_max(SiteId site) const {
  return snapshot->fleet.sites[site].slots * (1 + waiting_per_slot_);
}

void World::attempt_began(SiteId site) {
  if (++attempts_at[site.value()] >= attempts_max(site)) full.insert(site.value());
}

void World::attempt_ended(SiteId site) {
  HANSE_CHECK(attempts_at[site.value()] > 0);
  if (--attempts_at[site.value()] < attempts_max(site)) full.erase(site.value());
}

}  // namespace hanse::dispatch
