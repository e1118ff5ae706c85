// src/adapters/journal/entry_codec.h
// Entries as bytes. Pure: no file, no state.
//
// A record is
//
//   u16 size of the record      u8 kind      u8 flags      i64 wall time
//   the kind's fields (docs/ledger.md lists them)
//   with flag 1: 32 bytes salted digest of the payload, u32 payload bytes
//
// little-endian. Each entry has exactly one encoding and the decoder refuses
// every other, so two journals with the same entries are the same bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/digest.h"
#include "base/result.h"
#include "core/ledger/entry.h"

namespace hanse::journal {

inline constexpr std::size_t kPayloadBytesMax = std::size_t{1} << 20;

// What the chain says of a payload that lies beside it: the SHA-256 of
// (16 bytes of salt, payload). Without the salt, which is erased with the
// payload, the digest tells nothing.
struct PayloadMark {
  Sha256 salted_digest;
  std::uint32_t bytes = 0;

  bool operator==(const PayloadMark&) const = default;
};

struct Record {
  ledger::Entry entry;
  std::optional<PayloadMark> payload;

  bool operator==(const Record&) const = default;
};

// No record is larger, whatever its kind.
inline constexpr std::size_t kRecordBytesMax = 384;

// Writes the record and returns its size. `payload` may be null.
std::size_t encode(const ledger::Entry& entry, const PayloadMark* payload,
                   std::span<std::uint8_t, kRecordBytesMax> out);

// Reads the record at the front of `bytes` and returns its size.
// Fails: broken for anything that encode does not write.
Result<std::size_t> decode(std::span<const std::uint8_t> bytes, Record& record);

}  // namespace hanse::journal
