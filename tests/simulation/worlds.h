// tests/simulation/worlds.h
// The grids that simulations are played on, by the few facts in which they
// differ.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/money.h"
#include "core/dispatch/snapshot.h"
#include "core/limits/tenants.h"

namespace hanse::simulation {

enum class Grid : std::uint8_t {
  small,   // four sites, each of another owner
  twelve,  // three suppliers in four countries each
};

std::string_view to_string(Grid grid);
std::optional<Grid> parse_grid(std::string_view word);

struct Facts {
  Grid grid = Grid::small;
  // Sites whose engines go on from a last message, a bit each.
  std::uint32_t continuing = 0;
  // What the tenants want of an answer that breaks, in their order.
  std::vector<limits::Rescue> rescue;
  // Of a million requests of each latency class, in their order, so many may have
  // a hedge.
  std::vector<std::int32_t> hedge_ppm;
  // Of the variant that most sites have; zero: as long as its model's.
  Tokens short_context{0};
  // Two of the tenants may not spend more than a little.
  bool budgets = false;
  // The configuration is read twice more: every index changes, then there is
  // less of everything.
  bool reloads = false;
};

// Different ones for most seeds.
Facts draw_facts(std::uint64_t seed);

// Requires: no more wishes than tenants.
std::vector<dispatch::SnapshotRef> snapshots_of(const Facts& facts);

}  // namespace hanse::simulation
