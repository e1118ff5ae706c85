// src/drivers/serve/site_list.h
// What the admin listener tells of sites as they stand, at /sites.
#pragma once

#include <string>

#include "base/time.h"
#include "core/dispatch/dispatch.h"

namespace hanse::serve {

// {"sites": [{"site": "hamburg", "circuit": "closed", "attempts_open": 2,
// "engine": {"running": 4, "waiting": 1, "others": 3, "kv_cache_use": 0.5,
// "told_ago_ns": 400000000, "counts_percent": 100}}]}, by id. `engine` is what
// its own metrics page told last; it is left out where that is nothing, or too
// old to count.
std::string write_sites(const dispatch::Dispatch& dispatch, MonotonicTime now);

}  // namespace hanse::serve
