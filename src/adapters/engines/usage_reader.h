// src/adapters/engines/usage_reader.h
// An engine's report of usage, in the several ways in which engines write it.
#pragma once

#include <optional>

#include "base/json_cursor.h"
#include "base/usage.h"

namespace hanse::engines {

// The tokens of a side that is lacking are all zero.
struct UsageReport {
  Usage usage;
  bool lacks_prompt = false;
  bool lacks_output = false;
};

// Reads the value of a `usage` member; nothing for null, and when both sides
// are lacking. OpenAI counts cached tokens among the prompt's and reasoning
// among the completion's; here the kinds are disjoint. Numbers that cannot be
// true, by themselves or together, set `contradicted`.
std::optional<UsageReport> read_usage(JsonCursor& json);

}  // namespace hanse::engines
