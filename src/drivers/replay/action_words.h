// src/drivers/replay/action_words.h
// What was decided, a line for people: for differences and for failing tests.
#pragma once

#include <string>

#include "core/dispatch/action.h"

namespace hanse::replay {

// "open_attempt request 3.1 attempt 0 site 2 offer 2 limit 256".
std::string describe(const dispatch::Action& action);

}  // namespace hanse::replay
