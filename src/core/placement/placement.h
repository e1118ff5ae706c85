// src/core/placement/placement.h
// Which permitted site? Predicts time and price of every permitted offer and
// lets a strategy choose.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bitset.h"
#include "base/result.h"
#include "base/time.h"
#include "core/catalog/catalog.h"
#include "core/fleet/fleet.h"
#include "core/placement/demand.h"
#include "core/placement/learned.h"
#include "core/placement/load_book.h"
#include "core/placement/strategy.h"

namespace hanse::placement {

class Placement {
 public:
  // Requires: catalog and fleet outlive it.
  // Fails: not_found for a strategy that no file defines, naming those that
  // exist.
  static Result<Placement> create(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
                                  std::string_view strategy, std::uint64_t seed);

  // Chooses among the offers of `demand`'s alias at the sites in `allowed`
  // (permitted, healthy, not yet tried). Ties break by offer id. Allocates
  // nothing in steady state.
  Decision decide(const Demand& demand, const BitSet& allowed, Instant now);

  // Told by dispatch as attempts go their way.
  LoadBook& loads();
  Learned& learned();
};

}  // namespace hanse::placement
