// src/core/fleet/country.h
// Countries and the areas made of them. A legal system is named by the same
// codes: a state's by its country code, the Union's by "EU".
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hanse::fleet {

// An ISO 3166-1 alpha-2 code, or "EU" where a legal system is meant.
class Code {
 public:
  constexpr Code() = default;
  // Requires: two capital letters.
  constexpr explicit Code(std::string_view text) : letters_{text[0], text[1]} {}

  [[nodiscard]] std::string_view text() const { return {letters_.data(), letters_.size()}; }
  constexpr auto operator<=>(const Code&) const = default;

 private:
  std::array<char, 2> letters_{};
};

inline constexpr Code kEuropeanUnion{"EU"};

// A country's code. Fails (nothing) for anything ISO 3166-1 does not assign.
std::optional<Code> parse_country(std::string_view text);

// The countries of an area: "EU", "EEA", "EFTA"; for a country's code, itself.
// Nothing for an unknown word. Membership as of 2026.
std::optional<std::span<const Code>> countries_of(std::string_view country_or_area);

bool is_eu_member(Code country);

// The state whose law reaches into a territory that has a code of its own:
// US for PR, CN for HK, FR for RE. Nothing for a state.
std::optional<Code> sovereign_of(Code territory);

// All words that countries_of() knows, for "did you mean".
std::span<const std::string_view> known_areas();
std::span<const Code> known_countries();

}  // namespace hanse::fleet
