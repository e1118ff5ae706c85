// src/adapters/telemetry/attempt_times.h
// What an attempt's record says of its speed. Inside the module.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/time.h"
#include "base/usage.h"
#include "core/dispatch/record.h"

namespace hanse::telemetry {

// Between output tokens of one sequence, from the first token to the end;
// nothing when there was no second token. `sequences` share the output evenly.
inline std::optional<Duration> time_per_token(const dispatch::AttemptRecord& attempt,
                                              std::int32_t sequences) {
  if (!attempt.first_token || !attempt.ended) return std::nullopt;
  const Tokens output =
      attempt.usage.tokens[TokenKind::output] + attempt.usage.tokens[TokenKind::reasoning];
  const std::int64_t gaps = output.count() / std::max(sequences, 1) - 1;
  if (gaps < 1) return std::nullopt;
  return (*attempt.ended - *attempt.first_token) / gaps;
}

}  // namespace hanse::telemetry
