#include "core/dispatch/twin.h"

namespace hanse::dispatch {

Twin::Twin(World& world, OfferId offer, const placement::Prediction& prediction, bool answering)
    : offer_(offer), prediction_(prediction) {
  // Its prompt has been computed, and what that took was learned before.
  if (answering) prediction_.cached = prediction_.prompt;
  world.placement.loads().started(offer_, prediction_);
}

void Twin::first_token(World& world, Duration waited, MonotonicTime now) {
  had_first_token_ = true;
  world.placement.loads().first_token(offer_, prediction_, waited, now);
}

void Twin::ended(World& world, placement::Ending ending, MonotonicTime now) const {
  ending.had_first_token = had_first_token_;
  world.placement.loads().ended(offer_, prediction_, ending, now);
}

void Twin::left(World& world, MonotonicTime now) const { ended(world, placement::Ending{}, now); }

}  // namespace hanse::dispatch
