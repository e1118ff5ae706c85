// src/core/placement/field.h
// What a strategy looks at: the candidates of one decision, with their
// foretold times and prices. Nothing is computed before it is asked for, and
// all of it is a few multiplications, so that ten thousand offers can be
// looked at anew for every request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/bitset.h"
#include "base/id.h"
#include "base/time.h"
#include "core/placement/demand.h"
#include "core/placement/load_book.h"

namespace hanse::placement {

// The parts of all offers that only the snapshot decides, indexed by OfferId.
struct OfferColumns {
  std::vector<std::uint32_t> site;
  // pico-units per token.
  std::vector<std::uint64_t> prompt_price;
  std::vector<std::uint64_t> cached_price;
  std::vector<std::uint64_t> output_price;
};

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

// Views only; lives for one decision.
class Field {
 public:
  Field(const Demand& demand, const Workload& work, const Objective& objective,
        const OfferColumns& columns, const LoadBook& loads, std::span<const std::uint32_t> offers,
        const BitSet& allowed, std::span<const std::uint64_t> cached)
      : demand_(demand),
        work_(work),
        objective_(objective),
        columns_(columns),
        loads_(loads),
        offers_(offers),
        allowed_(allowed),
        cached_(cached) {}

  [[nodiscard]] const Demand& demand() const { return demand_; }
  [[nodiscard]] const Workload& work() const { return work_; }
  [[nodiscard]] const LoadBook& loads() const { return loads_; }

  // Calls `visit(offer)` for each candidate, in rising order of id.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const std::uint32_t offer : offers_) {
      if (allowed_.contains(columns_.site[offer])) visit(OfferId(offer));
    }
  }

  [[nodiscard]] std::uint64_t cached_tokens(OfferId offer) const {
    return cached_[columns_.site[offer.value()]];
  }

  // ns from now until the first token is here.
  [[nodiscard]] std::uint64_t first_token(OfferId offer) const {
    const std::size_t i = offer.value();
    const Pace& pace = loads_.pace();
    return first_token(pace.wait[i], pace.per_byte[i], pace.prefill[i], cached_tokens(offer));
  }
  // ns between the output tokens of one sequence.
  [[nodiscard]] std::uint64_t per_token(OfferId offer) const {
    return loads_.pace().decode[offer.value()];
  }
  // pico-units owed to the supplier, not rounded.
  [[nodiscard]] unsigned __int128 cost(OfferId offer) const {
    const std::size_t i = offer.value();
    const std::uint64_t cached = cached_tokens(offer);
    return wide(work_.prompt_tokens - cached) * columns_.prompt_price[i] +
           wide(cached) * columns_.cached_price[i] +
           wide(work_.output_tokens) * columns_.output_price[i];
  }

  // By how many ns the whole answer is late, measured against its objective:
  // what the first token exceeds it, and what all further tokens of one
  // sequence exceed it. Zero says within the objective.
  [[nodiscard]] std::uint64_t lateness(OfferId offer) const {
    return excess(first_token(offer), objective_.first_token) +
           excess(per_token(offer), objective_.per_token) * work_.sequence_tokens;
  }

  // The sum of terms that makes a first token, for a promise or a prediction.
  [[nodiscard]] std::uint64_t first_token(std::uint64_t wait, std::uint64_t per_byte,
                                          std::uint64_t prefill, std::uint64_t cached) const {
    const unsigned __int128 scaled =
        wide(work_.prompt_bytes) * per_byte + wide(work_.prompt_tokens - cached) * prefill;
    return wait + static_cast<std::uint64_t>(scaled >> kFractionBits);
  }

 private:
  static unsigned __int128 wide(std::uint64_t value) { return value; }
  static std::uint64_t excess(std::uint64_t value, std::uint64_t objective) {
    return value > objective ? value - objective : 0;
  }

  const Demand& demand_;
  const Workload& work_;
  const Objective& objective_;
  const OfferColumns& columns_;
  const LoadBook& loads_;
  std::span<const std::uint32_t> offers_;  // of the alias, rising
  const BitSet& allowed_;                  // by SiteId
  std::span<const std::uint64_t> cached_;  // tokens, by SiteId
};

}  // namespace hanse::placement
