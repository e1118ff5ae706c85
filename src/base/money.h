// src/base/money.h
// Money, tokens and the one multiplication between them.
//
// Amounts are nano-units of one currency, prices pico-units per token. A cost
// is summed in 128 bits and rounded once per entry, half to even, so that the
// books of two parties who read the same usage agree to the last digit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/quantity.h"
#include "base/result.h"

namespace hanse {

using Money = Quantity<struct MoneyTag>;            // 1e-9 of a currency unit
using TokenPrice = Quantity<struct TokenPriceTag>;  // 1e-12 of a currency unit, per token
using Tokens = Quantity<struct TokensTag>;

inline constexpr std::int64_t kNanosPerUnit = 1'000'000'000;

// The sum of tokens x price over several kinds of token, not yet rounded.
class CostSum {
 public:
  // Requires: the products' sum stays within 128 bits (2^63 tokens at 2^63
  // pico-units do).
  void add(Tokens tokens, TokenPrice price) {
    pico_ += static_cast<__int128>(tokens.count()) * price.count();
  }

  // The amount in nano-units, rounded once, half to even; saturates at the
  // ends of 64 bits.
  [[nodiscard]] Money rounded() const;

 private:
  __int128 pico_ = 0;
};

inline Money cost(Tokens tokens, TokenPrice price) {
  CostSum sum;
  sum.add(tokens, price);
  return sum.rounded();
}

// Parses a decimal amount such as "25.00" or "-0.000001", in currency units.
// Fails: invalid_input for anything else, more than nine decimals, overflow.
Result<Money> parse_money(std::string_view text);

// Parses a price in currency units per million tokens, such as "0.120".
// Fails: invalid_input for anything else, more than six decimals, a negative
// price, overflow.
Result<TokenPrice> parse_price_per_million(std::string_view text);

// Shortest exact decimal of currency units, at least two decimals: "0.0000132".
std::string to_decimal(Money amount);

// Shortest exact decimal of currency units per million tokens: "0.12".
std::string to_decimal_per_million(TokenPrice price);

}  // namespace hanse
