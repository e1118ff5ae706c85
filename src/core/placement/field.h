// src/core/placement/field.h
// What a strategy looks at: the candidates of one decision, with their
// foretold times and prices. Nothing is computed before it is asked for, and
// all of it is a few multiplications, so that ten thousand offers can be
// looked at anew for every request.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bitset.h"
#include "base/id.h"
#include "core/placement/demand.h"
#include "core/placement/load_book.h"
#include "core/placement/shelf.h"

namespace hanse::placement {

// What is expected of this request at any offer.
struct Workload {
  std::uint64_t prompt_bytes = 0;
  std::uint64_t prompt_tokens = 0;
  std::uint64_t output_tokens = 0;    // of all sequences
  std::uint64_t sequence_tokens = 0;  // of one
};

struct Objective {
  std::uint64_t first_token = 0;  // ns
  std::uint64_t per_token = 0;    // ns
};

// An offer whose site is likely to have part of this request's prompt.
struct WarmOffer {
  std::uint32_t offer = 0;
  std::uint32_t cached = 0;  // tokens of the prompt, not more than it has
};

// Where a field looks things up.
struct FieldSources {
  const LoadBook& loads;
  std::span<const OfferPrice> prices;  // by OfferId
  OfferPrice dearest;                  // no price of any offer is above these
  // The candidates: those of the shelf at these sites, which expect nothing
  // cached, and those that do.
  const Shelf& shelf;
  const BitSet& cold_sites;
  std::span<const WarmOffer> warm;
};

// Views and numbers only; lives for one decision. Strategies take it by value:
// what stands in a copy of their own need not be read anew for each offer.
class Field {
 public:
  Field(const Demand& demand, const Workload& work, const Objective& objective,
        const FieldSources& sources)
      : demand_(&demand),
        loads_(&sources.loads),
        work_(work),
        objective_(objective),
        shelf_(&sources.shelf),
        cold_sites_(&sources.cold_sites),
        warm_(sources.warm),
        prices_(sources.prices.data()),
        paces_(sources.loads.paces().data()),
        narrow_(fits_64_bits(work, sources.dearest)) {}

  [[nodiscard]] const Demand& demand() const { return *demand_; }
  [[nodiscard]] const Workload& work() const { return work_; }
  [[nodiscard]] const LoadBook& loads() const { return *loads_; }

  // Calls `visit(offer, cached)` for each candidate, with the tokens of the
  // prompt that it is likely to have. In no order that means anything: those
  // that have some come first.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for_each_warm(visit);
    for (std::span rest = shelf_->by_id(); !rest.empty();) {
      const std::size_t taken = std::min(rest.size(), Shelf::kTileOffers);
      for_each_cold(rest.first(taken), visit);
      rest = rest.subspan(taken);
    }
  }

  // The same, but it asks `too_dear(cost)` whether candidates with that cost or
  // a higher one need not be visited, and may leave out those.
  template <typename TooDear, typename Visit>
  void for_each_but(TooDear&& too_dear, Visit&& visit) const {
    for_each_warm(visit);
    for (const Shelf::Tile& tile : shelf_->tiles()) {
      if (!too_dear(least_cost(tile))) for_each_cold(tile.spots, visit);
    }
  }

  // ns from now until the first token is here, with `cached` tokens of the
  // prompt at hand.
  [[nodiscard]] std::uint64_t first_token(OfferId offer, std::uint64_t cached) const {
    return first_token(paces_[offer.value()], cached);
  }
  // The same at a pace of the caller's choice.
  [[nodiscard]] std::uint64_t first_token(const Pace& pace, std::uint64_t cached) const {
    const unsigned __int128 scaled = wide(work_.prompt_bytes) * pace.per_byte +
                                     wide(work_.prompt_tokens - cached) * pace.prefill;
    return pace.wait + static_cast<std::uint64_t>(scaled >> kFractionBits);
  }
  // ns between the output tokens of one sequence.
  [[nodiscard]] std::uint64_t per_token(OfferId offer) const {
    return paces_[offer.value()].decode;
  }

  // pico-units owed to the supplier, not rounded.
  [[nodiscard]] unsigned __int128 cost(OfferId offer, std::uint64_t cached) const {
    if (narrow_) return cost_in<std::uint64_t>(offer, cached);
    return cost_in<unsigned __int128>(offer, cached);
  }

  // By how many ns the whole answer is late, measured against its objective:
  // what the first token exceeds it, and what all further tokens of one
  // sequence exceed it. Zero says within the objective.
  [[nodiscard]] std::uint64_t lateness(OfferId offer, std::uint64_t cached) const {
    return excess(first_token(offer, cached), objective_.first_token) +
           excess(per_token(offer), objective_.per_token) * work_.sequence_tokens;
  }

 private:
  static unsigned __int128 wide(std::uint64_t value) { return value; }
  static std::uint64_t excess(std::uint64_t value, std::uint64_t objective) {
    return std::max(value, objective) - objective;
  }

  template <typename Visit>
  void for_each_warm(Visit& visit) const {
    for (const WarmOffer warm : warm_) visit(OfferId(warm.offer), std::uint64_t{warm.cached});
  }
  template <typename Visit>
  void for_each_cold(std::span<const Shelf::Spot> spots, Visit& visit) const {
    Shelf::Found found;
    Shelf::find_at(*cold_sites_, spots, found);
    // Nothing times a price need not be computed.
    for (std::size_t i = 0; i < found.count; ++i) {
      visit(OfferId(found.offers[i]), std::uint64_t{0});
    }
  }

  // What each offer of a tile costs at least, with nothing cached.
  [[nodiscard]] unsigned __int128 least_cost(const Shelf::Tile& tile) const {
    return wide(work_.prompt_tokens) * tile.prompt_least +
           wide(work_.output_tokens) * tile.output_least;
  }

  // Whether no offer can cost more than 64 bits hold, as is the rule: then a
  // cost takes half the work.
  static bool fits_64_bits(const Workload& work, const OfferPrice& dearest) {
    const std::uint64_t input = std::max(dearest.prompt, dearest.cached);
    const unsigned __int128 most =
        wide(work.prompt_tokens) * input + wide(work.output_tokens) * dearest.output;
    return most >> 64U == 0;
  }

  template <typename Sum>
  [[nodiscard]] Sum cost_in(OfferId offer, std::uint64_t cached) const {
    const OfferPrice& price = prices_[offer.value()];
    return Sum{work_.prompt_tokens - cached} * price.prompt + Sum{cached} * price.cached +
           Sum{work_.output_tokens} * price.output;
  }

  const Demand* demand_;
  const LoadBook* loads_;
  Workload work_;
  Objective objective_;
  const Shelf* shelf_;
  const BitSet* cold_sites_;
  std::span<const WarmOffer> warm_;
  // By OfferId.
  const OfferPrice* prices_;
  const Pace* paces_;
  bool narrow_;
};

}  // namespace hanse::placement
