// src/base/bytes.h
// Eight bytes of text looked at as one word, for scans that most often find
// nothing. Source: Henry S. Warren, Hacker's Delight, 6-1, and Sean Eron
// Anderson, Bit Twiddling Hacks ("determine if a word has a byte less than n").
//
// Marks are high bits. A borrow may mark bytes after the first marked one
// too, so a result says whether there is one, and, through first_marked(),
// where the first one is.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace hanse {

constexpr std::uint64_t every_byte(std::uint8_t byte) { return 0x0101010101010101U * byte; }

// The first eight bytes, the first one lowest.
// Requires: there are eight.
inline std::uint64_t first_word(std::string_view text) {
  std::uint64_t word = 0;
  std::memcpy(&word, text.data(), sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = std::byteswap(word);
  return word;
}

// Marks the bytes that are `byte`.
constexpr std::uint64_t bytes_equal(std::uint64_t word, std::uint8_t byte) {
  const std::uint64_t zero = word ^ every_byte(byte);
  return (zero - every_byte(1)) & ~zero & every_byte(0x80);
}

// Marks the bytes below `bound`; those above 127 are not below it.
// Requires: bound <= 128.
constexpr std::uint64_t bytes_below(std::uint64_t word, std::uint8_t bound) {
  return (word - every_byte(bound)) & ~word & every_byte(0x80);
}

// Each capital letter of ASCII made small, every other byte as it is.
constexpr std::uint64_t lower_case(std::uint64_t word) {
  const std::uint64_t low = word & every_byte(0x7F);  // so that no sum carries over
  const std::uint64_t from_a = low + every_byte(0x80 - 'A');
  const std::uint64_t past_z = low + every_byte(0x7F - 'Z');
  return word | ((from_a & ~past_z & ~word & every_byte(0x80)) >> 2U);
}

// The place of the first marked byte. Requires: there is one.
constexpr std::size_t first_marked(std::uint64_t marks) {
  return static_cast<std::size_t>(std::countr_zero(marks)) / 8;
}

}  // namespace hanse
