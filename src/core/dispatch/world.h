// src/core/dispatch/world.h
// What one snapshot of the configuration becomes when it is put to work: a
// compiled gate, a placement, and where its rows stand in what outlives it:
// accounts, budgets, and the lines of its sites.
//
// A new snapshot makes a new world; what was learned is taken over by string
// id. Requests keep the world they began in, so the old one lives until its
// last request has ended. Slots and health are kept by line, outside of all
// worlds: a site does not become idle or well because a configuration was read
// again.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bitset.h"
#include "core/dispatch/hedge_book.h"
#include "core/dispatch/snapshot.h"
#include "core/fleet/missing_models.h"
#include "core/fleet/site_line.h"
#include "core/gate/gate.h"
#include "core/ledger/account.h"
#include "core/ledger/hold_book.h"
#include "core/placement/placement.h"

namespace hanse::dispatch {

struct World {
  World(SnapshotRef used, placement::Placement used_placement);

  // `site` stands at `line`. Requires: told once of each site.
  void stands_at(SiteId site, fleet::SiteLine line);
  [[nodiscard]] fleet::SiteLine line(SiteId site) const { return lines_[site.value()]; }
  // The site at `line`; not valid when this world has none there.
  [[nodiscard]] SiteId site(fleet::SiteLine line) const {
    return line.value() < sites_.size() ? sites_[line.value()] : SiteId();
  }

  // The same for offers.
  void stands_at(OfferId offer, fleet::OfferLine line);
  [[nodiscard]] fleet::OfferLine line(OfferId offer) const { return offer_lines_[offer.value()]; }
  // The offer at `line` if it serves `alias`; else not valid.
  [[nodiscard]] OfferId offer_for(AliasId alias, fleet::OfferLine line) const;

  SnapshotRef snapshot;
  gate::Gate gate;
  placement::Placement placement;
  std::vector<BitSet> sites_of_alias;              // that offer one of its variants
  std::vector<ledger::AccountNumber> receivables;  // by key
  std::vector<ledger::AccountNumber> payables;     // by site
  std::vector<ledger::BudgetScope> budget_scopes;  // by key
  std::vector<HedgeLine> hedge_lines;              // by latency class

 private:
  std::vector<fleet::SiteLine> lines_;  // by site
  std::vector<SiteId> sites_;           // by line
  std::vector<fleet::OfferLine> offer_lines_;
  std::vector<OfferId> offers_;
};

}  // namespace hanse::dispatch
