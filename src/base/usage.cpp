#include "base/usage.h"

namespace hanse {

std::string_view to_string(TokenKind kind) {
  switch (kind) {
    case TokenKind::prompt: return "prompt";
    case TokenKind::cached_read: return "cached_read";
    case TokenKind::cache_write: return "cache_write";
    case TokenKind::output: return "output";
    case TokenKind::reasoning: return "reasoning";
  }
  return "unknown";
}

Money cost(const TokenCounts& tokens, const TokenPrices& prices) {
  CostSum sum;
  for (const TokenKind kind : kAllTokenKinds) sum.add(tokens[kind], prices[kind]);
  return sum.rounded();
}

}  // namespace hanse
