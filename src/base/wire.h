// src/base/wire.h
// Values as bytes: small numbers in few bytes, the same on every machine.
//
// Unsigned numbers are varints (seven bits a byte, low bits first, the high
// bit says that more follows), signed ones zigzag varints, digests and bit
// patterns fixed little-endian, texts a varint of their length and their
// bytes. There are no tags: writer and reader agree by a version that the
// caller writes first. Every value has exactly one encoding, and a reader
// refuses any other.
//
// Pure: no I/O. A writer appends to the caller's string, which is reused, so
// steady traffic allocates nothing.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hanse {

// Appends to `out`, which is whole again when the writer is gone.
class WireWriter {
 public:
  // Requires: nobody else touches `out` while the writer lives.
  explicit WireWriter(std::string& out) : out_(out), next_(out.data() + out.size()), end_(next_) {}
  ~WireWriter() { out_.resize(static_cast<std::size_t>(next_ - out_.data())); }
  WireWriter(const WireWriter&) = delete;
  WireWriter& operator=(const WireWriter&) = delete;

  void byte(std::uint8_t value) {
    room(1);
    *next_++ = static_cast<char>(value);
  }
  void varint(std::uint64_t value) {
    room(kVarintBytesMax);
    while (value >= 0x80) {
      *next_++ = static_cast<char>(value | 0x80U);
      value >>= 7U;
    }
    *next_++ = static_cast<char>(value);
  }
  void zigzag(std::int64_t value) {
    varint((static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63));
  }
  void fixed32(std::uint32_t value) { fixed(value); }
  void fixed64(std::uint64_t value) { fixed(value); }
  // The bytes alone; the reader must know how many.
  void raw(std::string_view bytes) {
    room(bytes.size());
    if (!bytes.empty()) std::memcpy(next_, bytes.data(), bytes.size());
    next_ += bytes.size();
  }
  void text(std::string_view bytes) {
    varint(bytes.size());
    raw(bytes);
  }

 private:
  static constexpr std::size_t kVarintBytesMax = 10;

  template <typename Word>
  void fixed(Word value) {
    static_assert(std::endian::native == std::endian::little);
    room(sizeof value);
    std::memcpy(next_, &value, sizeof value);
    next_ += sizeof value;
  }
  void room(std::size_t bytes) {
    if (static_cast<std::size_t>(end_ - next_) < bytes) [[unlikely]]
      grow(bytes);
  }
  void grow(std::size_t bytes);

  std::string& out_;
  char* next_;
  char* end_;
};

// Reads what a WireWriter wrote. The first read that fails (past the end, not
// the one encoding, out of its range) is remembered: from then on every read
// gives zero and moves nothing, so a decoder asks status() once at its end.
// Whoever reads a count must bound it, see below().
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : bytes_(bytes) {}

  std::uint8_t byte();
  std::uint64_t varint();
  std::int64_t zigzag();
  std::uint32_t fixed32();
  std::uint64_t fixed64();
  // A view into the reader's bytes.
  std::string_view raw(std::size_t size);
  std::string_view text(std::size_t size_max);
  // A varint that is at most `max`: for counts, enumerators and flags.
  std::uint64_t up_to(std::uint64_t max);

  // For a caller that finds values which do not fit together.
  // Requires: `what` outlives the reader; a literal does.
  void fail(std::string_view what);

  [[nodiscard]] bool ok() const { return failed_.empty(); }
  [[nodiscard]] std::size_t offset() const { return offset_; }
  [[nodiscard]] std::size_t left() const { return bytes_.size() - offset_; }
  // Fails: broken, with the first failure and its offset.
  [[nodiscard]] Status status() const;
  // The same, and bytes that are left over are a failure too.
  [[nodiscard]] Status finish();

 private:
  template <typename Word>
  Word fixed();

  std::string_view bytes_;
  std::size_t offset_ = 0;
  std::string_view failed_;  // what went wrong; empty: nothing
};

}  // namespace hanse
