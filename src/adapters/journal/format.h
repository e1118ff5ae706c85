// src/adapters/journal/format.h
// Segments and blocks as bytes (docs/ledger.md, "The journal on disk").
//
//   segment  = header (128 bytes), block, block, ...      NNNNNNNN.entries
//   block    = header (40 bytes), records, chain (32 bytes)
//   payloads = header (64 bytes), payload, payload, ...   NNNNNNNN.payloads
//   payload  = header (32 bytes), bytes
//
// A block is what one turn of the loop wrote, and is there as a whole or not
// at all. Its chain value is SHA-256 over the chain value before it and the
// block's bytes from offset 8 to the end of its records; the value before a
// segment's first block is SHA-256 of the segment's header, which in turn holds
// the last value of the segment before. So one value vouches for everything up
// to it. The CRC tells a whole block without knowing the one before.
//
// Pure: bytes in, bytes out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "base/time.h"
#include "core/ledger/request_id.h"

namespace hanse::journal {

inline constexpr std::uint16_t kFormatVersion = 1;

using SegmentNumber = Quantity<struct SegmentTag>;  // from 1

struct SegmentHeader {
  ledger::JournalId journal;
  SegmentNumber number;
  ledger::Position first;  // of its first entry
  ledger::Epoch epoch;     // in which it was begun
  WallTime begun_at;
  Sha256 previous;  // the last chain value of the segment before, or zeros
  // Of the machine, when the segment was begun: tells a killed process from
  // lost power.
  std::array<std::uint8_t, 16> machine_boot{};

  bool operator==(const SegmentHeader&) const = default;
};

inline constexpr std::size_t kSegmentHeaderBytes = 128;
void encode(const SegmentHeader& header, std::span<std::uint8_t, kSegmentHeaderBytes> out);
// Fails: broken when it is damaged; invalid_input when it is of another
// format version.
Result<SegmentHeader> decode_segment_header(
    std::span<const std::uint8_t, kSegmentHeaderBytes> bytes);
// The chain value that the segment's first block builds on.
Sha256 chain_of(std::span<const std::uint8_t, kSegmentHeaderBytes> header);

struct BlockHeader {
  std::uint32_t body_bytes = 0;
  std::uint32_t entries = 0;
  ledger::Position first;           // of its first entry
  ledger::Position durable;         // known to survive a loss of power when it was written
  std::uint64_t payload_begin = 0;  // where its payloads begin in the payload file

  bool operator==(const BlockHeader&) const = default;
};

inline constexpr std::size_t kBlockHeaderBytes = 40;
inline constexpr std::size_t kBlockTrailerBytes = 32;
inline constexpr std::size_t kBlockOverheadBytes = kBlockHeaderBytes + kBlockTrailerBytes;
inline constexpr std::size_t kBlockBodyBytesMax = std::size_t{1} << 20;
inline constexpr std::size_t kBlockBytesMax = kBlockBodyBytesMax + kBlockOverheadBytes;

// Completes a block around the records that stand at kBlockHeaderBytes, and
// returns its chain value.
// Requires: block is kBlockOverheadBytes longer than header.body_bytes.
Sha256 finish_block(const BlockHeader& header, const Sha256& before, std::span<std::uint8_t> block);

// The header at the front of `bytes`, if it can be one.
std::optional<BlockHeader> decode_block_header(std::span<const std::uint8_t> bytes);
// Whether a whole block's CRC fits; says nothing about the chain.
bool block_is_whole(std::span<const std::uint8_t> block);
Sha256 stored_chain(std::span<const std::uint8_t> block);
Sha256 computed_chain(std::span<const std::uint8_t> block, const Sha256& before);

// --- Payloads. ---

inline constexpr std::size_t kPayloadFileHeaderBytes = 64;
inline constexpr std::size_t kPayloadHeaderBytes = 32;

void encode_payload_file_header(const SegmentHeader& header,
                                std::span<std::uint8_t, kPayloadFileHeaderBytes> out);

struct PayloadHeader {
  bool erased = false;
  std::uint32_t bytes = 0;
  ledger::Position position;  // of the entry it belongs to
  std::array<std::uint8_t, 16> salt{};

  bool operator==(const PayloadHeader&) const = default;
};
void encode(const PayloadHeader& header, std::span<std::uint8_t, kPayloadHeaderBytes> out);
// Nothing when the bytes are no payload's header.
std::optional<PayloadHeader> decode_payload_header(
    std::span<const std::uint8_t, kPayloadHeaderBytes> bytes);
Sha256 salted_digest(std::span<const std::uint8_t, 16> salt, std::span<const std::uint8_t> payload);

// --- Names. ---

// Held by the process that writes the journal.
inline constexpr const char* kLockName = "LOCK";

std::string entries_name(SegmentNumber number);   // "00000001.entries"
std::string payloads_name(SegmentNumber number);  // "00000001.payloads"
// Nothing for other files.
std::optional<SegmentNumber> segment_of(std::string_view entries_name);

}  // namespace hanse::journal
