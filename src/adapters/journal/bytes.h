// src/adapters/journal/bytes.h
// Little-endian fields at a cursor, the same on every machine. A reader that
// runs past the end remembers it and returns zeros, so that a decoder checks
// once at the end instead of after each field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace hanse::journal {

// Requires: the caller knows that what it writes fits.
class ByteWriter {
 public:
  explicit ByteWriter(std::uint8_t* begin) : begin_(begin), at_(begin) {}

  void u8(std::uint8_t value) { *at_++ = value; }
  void u16(std::uint16_t value) { put(value); }
  void u32(std::uint32_t value) { put(value); }
  void u64(std::uint64_t value) { put(value); }
  void i64(std::int64_t value) { put(static_cast<std::uint64_t>(value)); }
  void i128(__int128 value) {
    const auto bits = static_cast<unsigned __int128>(value);
    put(static_cast<std::uint64_t>(bits));
    put(static_cast<std::uint64_t>(bits >> 64U));
  }
  void bytes(std::span<const std::uint8_t> from) {
    if (!from.empty()) std::memcpy(at_, from.data(), from.size());
    at_ += from.size();
  }

  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(at_ - begin_); }

 private:
  template <typename Value>
  void put(Value value) {
    for (std::size_t i = 0; i < sizeof(Value); ++i) {
      at_[i] = static_cast<std::uint8_t>(value >> (8 * i));
    }
    at_ += sizeof(Value);
  }

  std::uint8_t* begin_;
  std::uint8_t* at_;
};

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::uint8_t> bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  std::uint8_t u8() { return get<std::uint8_t>(); }
  std::uint16_t u16() { return get<std::uint16_t>(); }
  std::uint32_t u32() { return get<std::uint32_t>(); }
  std::uint64_t u64() { return get<std::uint64_t>(); }
  std::int64_t i64() { return static_cast<std::int64_t>(get<std::uint64_t>()); }
  __int128 i128() {
    const auto low = get<std::uint64_t>();
    const auto high = get<std::uint64_t>();
    return static_cast<__int128>((static_cast<unsigned __int128>(high) << 64U) | low);
  }
  void bytes(std::span<std::uint8_t> to) {
    const auto from = view(to.size());
    if (from.size() == to.size() && !to.empty()) std::memcpy(to.data(), from.data(), to.size());
  }
  // Empty past the end.
  std::span<const std::uint8_t> view(std::size_t size) {
    if (size > left()) {
      ran_out_ = true;
      at_ = end_;
      return {};
    }
    const std::span<const std::uint8_t> found(at_, size);
    at_ += size;
    return found;
  }

  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] bool ran_out() const { return ran_out_; }

 private:
  template <typename Value>
  Value get() {
    const auto from = view(sizeof(Value));
    Value value = 0;
    for (std::size_t i = 0; i < from.size(); ++i) {
      value = static_cast<Value>(value | (static_cast<Value>(from[i]) << (8 * i)));
    }
    return value;
  }

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool ran_out_ = false;
};

}  // namespace hanse::journal
