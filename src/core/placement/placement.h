// src/core/placement/placement.h
// Which permitted site? Predicts time and price of every permitted offer and
// lets a strategy choose.
//
// Plain state: no I/O, no clock, no threads. One placement belongs to one
// shard and one snapshot.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/bitset.h"
#include "base/result.h"
#include "base/time.h"
#include "core/catalog/catalog.h"
#include "core/fleet/fleet.h"
#include "core/placement/demand.h"
#include "core/placement/field.h"
#include "core/placement/learned.h"
#include "core/placement/load_book.h"
#include "core/placement/ranking.h"
#include "core/placement/shelf.h"
#include "core/placement/strategy.h"

namespace hanse::placement {

class Placement {
 public:
  // Requires: catalog and fleet outlive it.
  // Fails: not_found for a strategy that no file defines, naming those that
  // exist.
  static Result<Placement> create(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
                                  std::string_view strategy);

  // Chooses among the offers of `demand`'s alias at the sites in `allowed`
  // (permitted, healthy, not yet tried). Ties break by offer id. Allocates
  // nothing in steady state.
  // Requires: `allowed` is as large as the fleet.
  Decision decide(const Demand& demand, const BitSet& allowed, Instant now);

  // What is foretold of one offer as things stand, whatever the strategy.
  // Requires: `offer` serves the demand's alias.
  [[nodiscard]] Prediction predict(const Demand& demand, OfferId offer) const;

  // How soon the first token could be there from a site of `sites`, as things
  // stand or if it had nothing else to do; no time at all when none serves the
  // demand.
  enum class Load : std::uint8_t { as_it_is, idle };
  [[nodiscard]] Duration soonest_first_token(const Demand& demand, const BitSet& sites,
                                             Load load) const;

  // Told by dispatch as attempts go their way.
  LoadBook& loads() { return loads_; }
  [[nodiscard]] const LoadBook& loads() const { return loads_; }
  Learned& learned() { return learned_; }
  [[nodiscard]] const Learned& learned() const { return learned_; }

 private:
  // The candidates of a decision, in memory that the next one uses again.
  struct Candidates {
    std::vector<WarmOffer> warm;
    BitSet cold_sites;
    std::size_t cold_count = 0;  // offers at cold_sites
    BitSet scratch;
  };

  Placement(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
            std::unique_ptr<Strategy> strategy);

  // The offers that serve the demand, wherever they are.
  [[nodiscard]] const Shelf& shelf(const Demand& demand) const;
  [[nodiscard]] Workload workload(const Demand& demand) const;
  [[nodiscard]] Objective objective(const Demand& demand) const;
  // The offers of the demand's alias at sites in `allowed`.
  void gather(const Demand& demand, const Workload& work, const BitSet& allowed,
              Candidates& candidates) const;
  void gather_warm(const Demand& demand, const Workload& work, Candidates& candidates) const;
  [[nodiscard]] Field field(const Demand& demand, const Workload& work,
                            const Candidates& candidates) const;
  [[nodiscard]] Prediction predict(const Field& field, OfferId offer, std::uint64_t cached) const;
  [[nodiscard]] Candidate candidate(const Field& field, const Ranked& chosen, const Ranked& ranked,
                                    MonotonicTime now) const;

  const catalog::Catalog* catalog_;
  const fleet::Fleet* fleet_;
  std::unique_ptr<Strategy> strategy_;
  std::vector<OfferPrice> prices_;  // by OfferId
  OfferPrice dearest_;              // the largest of each
  std::vector<Shelf> shelves_;      // by AliasId
  std::vector<Shelf> of_variants_;  // by VariantId
  LoadBook loads_;
  Learned learned_;
  Ranking ranking_;
  Candidates candidates_;
};

}  // namespace hanse::placement
