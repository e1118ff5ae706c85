// src/core/dispatch/twin.h
// The load of an attempt as the newest world counts it, when its request began
// in another.
//
// A request keeps the world that it began in, but sites do not become idle
// because a configuration was read again. Load is measured by what a snapshot
// says of an offer, so each such attempt is counted in the newest world too,
// at the offer of the same name, until it ends or a still newer world takes
// the count over.
#pragma once

#include "base/id.h"
#include "base/time.h"
#include "core/dispatch/world.h"
#include "core/placement/demand.h"
#include "core/placement/load_book.h"

namespace hanse::dispatch {

class Twin {
 public:
  // Counts an attempt with this prediction at `offer` of `world`; `answering`
  // says that its first token has come.
  Twin(World& world, OfferId offer, const placement::Prediction& prediction, bool answering);

  // Requires, of all three: `world` is the one it was made with.
  void first_token(World& world, Duration waited, MonotonicTime now);
  // The twin is over then.
  void ended(World& world, placement::Ending ending, MonotonicTime now) const;
  // It ends here and goes on in a newer world; nothing is learned.
  void left(World& world, MonotonicTime now) const;

 private:
  OfferId offer_;
  placement::Prediction prediction_;
  bool had_first_token_ = false;
};

}  // namespace hanse::dispatch
