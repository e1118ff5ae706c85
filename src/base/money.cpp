#include "base/money.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/ascii.h"

namespace hanse {
namespace {

constexpr std::int64_t kInt64Max = std::numeric_limits<std::int64_t>::max();

// Reads "-12.5" as an integer of 10^-decimals. Digits only: no exponent, no
// sign but a leading minus, no blanks, at least one digit on both sides.
Result<std::int64_t> parse_fixed(std::string_view text, int decimals, std::string_view what) {
  const auto bad = [&](std::string_view why) {
    return invalid_input(fmt::format("'{}' is not {}: {}", text, what, why));
  };
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative) rest.remove_prefix(1);
  __int128 value = 0;
  int seen_decimals = -1;  // -1 until the point
  bool digit_before = false;
  for (const char c : rest) {
    if (c == '.') {
      if (seen_decimals >= 0 || !digit_before) return bad("expected digits, one point, digits");
      seen_decimals = 0;
      continue;
    }
    if (!is_digit(c)) return bad("expected digits, one point, digits");
    digit_before = true;
    if (seen_decimals >= 0) ++seen_decimals;
    if (seen_decimals > decimals) return bad(fmt::format("at most {} decimals fit", decimals));
    value = value * 10 + (c - '0');
    if (value > kInt64Max) return bad("it is too large");
  }
  if (!digit_before || seen_decimals == 0) return bad("expected digits, one point, digits");
  for (int i = seen_decimals < 0 ? 0 : seen_decimals; i < decimals; ++i) {
    value *= 10;
    if (value > kInt64Max) return bad("it is too large");
  }
  return static_cast<std::int64_t>(negative ? -value : value);
}

std::string format_fixed(std::int64_t value, int decimals, int decimals_min) {
  const bool negative = value < 0;
  const std::uint64_t magnitude =
      negative ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  const fmt::format_int formatted(magnitude);
  const auto width = static_cast<std::size_t>(decimals) + 1;
  std::string digits(width - std::min(width, formatted.size()), '0');
  digits.append(formatted.data(), formatted.size());
  digits.insert(digits.size() - static_cast<std::size_t>(decimals), ".");
  const std::size_t length_min = digits.size() - static_cast<std::size_t>(decimals - decimals_min);
  while (digits.size() > length_min && digits.back() == '0') digits.pop_back();
  return negative ? "-" + digits : digits;
}

// Rounded half to even.
template <typename Integer>
Integer nano_of(Integer pico) {
  constexpr int kPicoPerNano = 1000;
  const Integer nano = pico / kPicoPerNano;
  const auto rest = static_cast<int>(pico % kPicoPerNano);  // has the sign of the sum
  const int magnitude = rest < 0 ? -rest : rest;
  const bool odd = (nano & 1) != 0;
  if (magnitude < kPicoPerNano / 2 || (magnitude == kPicoPerNano / 2 && !odd)) return nano;
  return rest < 0 ? nano - 1 : nano + 1;
}

}  // namespace

Money CostSum::rounded() const {
  // Most sums fit; dividing 128 bits takes several times as long.
  if (const auto pico = static_cast<std::int64_t>(pico_); pico == pico_) {
    return Money(nano_of(pico));
  }
  const __int128 nano = nano_of(pico_);
  if (nano > kInt64Max) return Money(kInt64Max);
  if (nano < std::numeric_limits<std::int64_t>::min()) {
    return Money(std::numeric_limits<std::int64_t>::min());
  }
  return Money(static_cast<std::int64_t>(nano));
}

Result<Money> parse_money(std::string_view text) {
  auto value = parse_fixed(text, 9, "an amount of money");
  if (!value) return std::unexpected(std::move(value.error()));
  return Money(*value);
}

Result<TokenPrice> parse_price_per_million(std::string_view text) {
  // One unit per million tokens is 10^12 / 10^6 = 10^6 pico-units per token.
  auto value = parse_fixed(text, 6, "a price per million tokens");
  if (!value) return std::unexpected(std::move(value.error()));
  if (*value < 0) {
    return invalid_input(
        fmt::format("'{}' is not a price per million tokens: it is negative", text));
  }
  return TokenPrice(*value);
}

std::string to_decimal(Money amount) { return format_fixed(amount.count(), 9, 2); }

std::string to_decimal_per_million(TokenPrice price) { return format_fixed(price.count(), 6, 2); }

}  // namespace hanse
