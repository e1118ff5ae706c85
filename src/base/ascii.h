// src/base/ascii.h
// Letters, digits and blanks of the protocols' own words.
//
// <cctype> asks the locale and takes no negative char; protocols mean these
// characters, on every machine. What is not ASCII is nothing here.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

namespace hanse {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

constexpr char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

inline std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), to_lower);
  return lower;
}

constexpr bool equal_but_for_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, to_lower, to_lower);
}

inline constexpr std::string_view kBlanks = " \t";
inline constexpr std::string_view kBlanksAndLineEnds = " \t\r\n";

constexpr std::string_view trimmed(std::string_view text, std::string_view blanks = kBlanks) {
  const std::size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

inline constexpr std::string_view kHexDigits = "0123456789abcdef";

// What the digit stands for, or -1: of either case, or of lower case only.
constexpr int lower_hex_value(char c) {
  if (is_digit(c)) return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}
constexpr int hex_value(char c) { return lower_hex_value(to_lower(c)); }

}  // namespace hanse
