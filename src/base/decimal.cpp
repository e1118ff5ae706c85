#include "base/decimal.h"

#include <fmt/format.h>

#include <iterator>

#include "base/check.h"

namespace hanse {

void append_decimal(std::int64_t number, unsigned decimals, std::string& out) {
  HANSE_CHECK(decimals <= 18);
  std::uint64_t scale = 1;
  for (unsigned i = 0; i < decimals; ++i) scale *= 10;
  const bool negative = number < 0;
  const auto magnitude =
      negative ? ~static_cast<std::uint64_t>(number) + 1U : static_cast<std::uint64_t>(number);
  fmt::format_to(std::back_inserter(out), "{}{}", negative ? "-" : "", magnitude / scale);
  std::uint64_t rest = magnitude % scale;
  if (rest == 0) return;
  unsigned digits = decimals;
  while (rest % 10 == 0) {
    rest /= 10;
    --digits;
  }
  fmt::format_to(std::back_inserter(out), ".{:0{}}", rest, digits);
}

}  // namespace hanse
