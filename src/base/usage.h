// src/base/usage.h
// What an attempt used, by kind of token, and what each kind costs.
//
// The kinds are disjoint: `prompt` counts what was computed anew, `cached_read`
// what came from a prefix cache; `output` what the client was given,
// `reasoning` what the model wrote for itself. Their sum is all tokens.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/money.h"

namespace hanse {

enum class TokenKind : std::uint8_t { prompt, cached_read, cache_write, output, reasoning };
inline constexpr std::size_t kTokenKinds = 5;
inline constexpr std::array<TokenKind, kTokenKinds> kAllTokenKinds = {
    TokenKind::prompt, TokenKind::cached_read, TokenKind::cache_write, TokenKind::output,
    TokenKind::reasoning};

std::string_view to_string(TokenKind kind);

template <typename Value>
struct PerTokenKind {
  std::array<Value, kTokenKinds> values{};

  constexpr Value& operator[](TokenKind kind) { return values[static_cast<std::size_t>(kind)]; }
  constexpr const Value& operator[](TokenKind kind) const {
    return values[static_cast<std::size_t>(kind)];
  }
  bool operator==(const PerTokenKind&) const = default;
};

using TokenCounts = PerTokenKind<Tokens>;
using TokenPrices = PerTokenKind<TokenPrice>;

struct Usage {
  TokenCounts tokens;
  bool estimated = false;     // counted here, for the engine reported nothing
  bool contradicted = false;  // the engine's report does not fit the text

  bool operator==(const Usage&) const = default;
};

// All kinds at their prices, rounded once.
Money cost(const TokenCounts& tokens, const TokenPrices& prices);

}  // namespace hanse
