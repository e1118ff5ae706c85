// src/core/fleet/site_line.h
// A site as all shards and all configuration snapshots mean it: what outlives
// a snapshot (slots, health) is kept by line, and each snapshot only knows
// which of its sites has which line.
#pragma once

#include "base/id.h"

namespace hanse::fleet {

// Given by a site's string id, dense from 0 and never reused; see
// SiteSlots::set. Both ports of a process mean the same sites by them.
using SiteLine = Index<struct SiteLineTag>;

}  // namespace hanse::fleet
