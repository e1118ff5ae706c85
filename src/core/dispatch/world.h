// src/core/dispatch/world.h
// What one snapshot of the configuration becomes when it is put to work: a
// compiled gate, a placement, and what is known of each site now.
//
// A new snapshot makes a new world; health and what was learned are taken
// over by string id. Requests keep the world they began in, so the old one
// lives until its last request has ended.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bitset.h"
#include "core/dispatch/snapshot.h"
#include "core/fleet/health.h"
#include "core/gate/gate.h"
#include "core/ledger/account.h"
#include "core/ledger/hold_book.h"
#include "core/placement/placement.h"

namespace hanse::dispatch {

struct WorldOptions {
  fleet::HealthOptions health;
  std::int32_t waiting_per_slot = 16;
};

struct World {
  World(SnapshotRef used, placement::Placement used_placement, const WorldOptions& options);

  // An attempt begins or ends at `site`.
  void attempt_began(SiteId site);
  void attempt_ended(SiteId site);

  SnapshotRef snapshot;
  gate::Gate gate;
  placement::Placement placement;
  fleet::HealthBook health;
  std::vector<BitSet> sites_of_alias;              // that offer one of its variants
  std::vector<std::int32_t> attempts_at;           // open ones, by site
  BitSet full;                                     // sites at their bound of attempts
  std::vector<ledger::AccountNumber> receivables;  // by key
  std::vector<ledger::AccountNumber> payables;     // by site
  std::vector<ledger::BudgetScope> budget_scopes;  // by key

 private:
  [[nodiscard]] std::int32_t attempts_max(SiteId site) const;

  std::int32_t waiting_per_slot_;
};

}  // namespace hanse::dispatch
