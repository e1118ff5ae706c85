// src/adapters/engines/usage_reader.h
// An engine's report of usage, in the several ways in which engines write it.
#pragma once

#include <optional>

#include "base/json_cursor.h"
#include "base/usage.h"

namespace hanse::engines {

// Reads the value of a `usage` member; nothing for null. OpenAI counts cached
// tokens among the prompt's and reasoning among the completion's; here the
// kinds are disjoint. Numbers that cannot all be true set `contradicted`.
std::optional<Usage> read_usage(JsonCursor& json);

}  // namespace hanse::engines
