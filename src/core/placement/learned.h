// src/core/placement/learned.h
// Ratios learned from settled requests, for prediction only, never for holds:
// bytes of text per prompt token, output length, share of the prompt found in
// a site's prefix cache. Fixed point, exponentially forgetting.
#pragma once

#include "base/id.h"
#include "base/time.h"
#include "base/usage.h"
#include "core/placement/demand.h"

namespace hanse::placement {

class Learned {
 public:
  // A request of `demand` was served at `site` with this usage.
  void observe(const Demand& demand, SiteId site, const Usage& usage);

  [[nodiscard]] Tokens prompt_tokens(const Demand& demand) const;
  // The least of the limit and what such requests used to write.
  [[nodiscard]] Tokens output_tokens(const Demand& demand) const;
  // Of `prompt` tokens, how many `site` is likely to have; zero at first.
  [[nodiscard]] Tokens cached_tokens(const Demand& demand, SiteId site, Tokens prompt) const;
};

}  // namespace hanse::placement
