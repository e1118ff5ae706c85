// src/drivers/serve/drills.h
// What an operator says to /drills of the admin listener, and what is told of
// the drills under way.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "core/dispatch/dispatch.h"
#include "core/fleet/loss.h"

namespace hanse::serve {

struct DrillOrder {
  static constexpr Duration kUsual = seconds(600);

  std::vector<fleet::Loss> losses;
  Duration lasts = kUsual;  // at most DrillBook::kLongest
};

// Reads {"site": NAME, "supplier": NAME, "country": CODE, "law": CODE,
// "lasts_seconds": N}: each may be left out, and a name may be a list of names.
// No text at all is an order with nothing in it.
// Fails: invalid_input for anything else.
Result<DrillOrder> read_drill_order(std::string_view text);

// {"drills": [{"site": "hamburg", "ends_in_seconds": 600}]}, by id; what is
// left of a second is a second.
std::string write_drills(const dispatch::Dispatch& dispatch, MonotonicTime now);

}  // namespace hanse::serve
