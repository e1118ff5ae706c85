// src/base/digest.h
// Digests: SHA-256 for what outsiders verify, a fast 64-bit one for
// comparing two runs of our own.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace hanse {

struct Sha256 {
  std::array<std::uint8_t, 32> bytes{};

  auto operator<=>(const Sha256&) const = default;
};

Sha256 sha256(std::string_view data);
// The digest of the parts laid end to end.
Sha256 sha256(std::initializer_list<std::string_view> parts);

std::string to_hex(std::span<const std::uint8_t> bytes);
inline std::string to_hex(const Sha256& digest) { return to_hex(std::span(digest.bytes)); }
// Nothing when `text` is not 64 hexadecimal digits.
std::optional<Sha256> sha256_from_hex(std::string_view text);

// FNV-1a over 64-bit words with a final mix: order matters, endianness and
// padding do not enter. Not for adversaries.
class RunDigest {
 public:
  void add(std::uint64_t word) {
    state_ ^= word;
    state_ *= 0x100000001B3U;
    state_ ^= state_ >> 29U;
  }
  void add_signed(std::int64_t word) { add(static_cast<std::uint64_t>(word)); }
  void add(std::string_view text) {
    add(text.size());
    for (const char c : text) add(static_cast<std::uint8_t>(c));
  }

  [[nodiscard]] std::uint64_t value() const {
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    return z ^ (z >> 27U);
  }

 private:
  std::uint64_t state_ = 0xCBF29CE484222325U;
};

}  // namespace hanse
