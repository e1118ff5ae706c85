// src/drivers/serve/surroundings.h
// What a configuration is judged by beside its files: the date, and the
// strategies and engine kinds that were linked.
#pragma once

#include "adapters/config/load.h"

namespace hanse::serve {

config::Surroundings surroundings();
WallTime wall_now();

}  // namespace hanse::serve
