#include "adapters/journal/format.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "adapters/journal/bytes.h"
#include "adapters/journal/crc32c.h"
#include "base/check.h"

namespace hanse::journal {
namespace {

constexpr std::string_view kSegmentMagic = "HANSEJNL";
constexpr std::string_view kPayloadFileMagic = "HANSEPAY";
constexpr std::uint32_t kBlockMagic = 0x31424A48U;          // "HJB1"
constexpr std::uint32_t kPayloadMagic = 0x31504A48U;        // "HJP1"
constexpr std::uint32_t kErasedPayloadMagic = 0x58504A48U;  // "HJPX"
constexpr std::string_view kEntriesSuffix = ".entries";
constexpr std::size_t kNameDigits = 8;
// Where a block's chain and CRC begin to cover: after magic and CRC.
constexpr std::size_t kCoveredFrom = 8;

std::string_view text(std::span<const std::uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void put_text(ByteWriter& writer, std::string_view from) {
  for (const char c : from) writer.u8(static_cast<std::uint8_t>(c));
}

}  // namespace

void encode(const SegmentHeader& header, std::span<std::uint8_t, kSegmentHeaderBytes> out) {
  std::ranges::fill(out, std::uint8_t{0});
  ByteWriter writer(out.data());
  put_text(writer, kSegmentMagic);
  writer.u16(kFormatVersion);
  writer.u16(kSegmentHeaderBytes);
  writer.u32(static_cast<std::uint32_t>(header.epoch.count()));
  writer.bytes(header.journal.bytes);
  writer.i64(header.number.count());
  writer.i64(header.first.count());
  writer.i64(header.begun_at.count());
  writer.bytes(header.previous.bytes);
  writer.bytes(header.machine_boot);
  ByteWriter(out.data() + kSegmentHeaderBytes - 4).u32(crc32c(out.first(kSegmentHeaderBytes - 4)));
}

Result<SegmentHeader> decode_segment_header(
    std::span<const std::uint8_t, kSegmentHeaderBytes> bytes) {
  ByteReader reader(bytes);
  const bool magic = text(reader.view(kSegmentMagic.size())) == kSegmentMagic;
  const std::uint16_t version = reader.u16();
  const std::uint16_t size = reader.u16();
  SegmentHeader header;
  header.epoch = ledger::Epoch(reader.u32());
  reader.bytes(header.journal.bytes);
  header.number = SegmentNumber(reader.i64());
  header.first = ledger::Position(reader.i64());
  header.begun_at = WallTime(reader.i64());
  reader.bytes(header.previous.bytes);
  reader.bytes(header.machine_boot);
  if (magic && version != kFormatVersion) {
    return fail({ErrorCode::invalid_input, Fault::us, Retry::no,
                 fmt::format("it is of format version {}, this program reads version {}", version,
                             kFormatVersion)});
  }
  // One encoding only: whatever is not covered by a field is zero.
  std::array<std::uint8_t, kSegmentHeaderBytes> again{};
  encode(header, again);
  if (!magic || size != kSegmentHeaderBytes || header.number < SegmentNumber(1) ||
      header.first < ledger::Position(1) || !std::ranges::equal(again, bytes)) {
    return fail({ErrorCode::broken, Fault::us, Retry::no, "its header is damaged"});
  }
  return header;
}

Sha256 chain_of(std::span<const std::uint8_t, kSegmentHeaderBytes> header) {
  return sha256(text(header));
}

Sha256 finish_block(const BlockHeader& header, const Sha256& before,
                    std::span<std::uint8_t> block) {
  HANSE_CHECK(block.size() == header.body_bytes + kBlockOverheadBytes);
  ByteWriter writer(block.data());
  writer.u32(kBlockMagic);
  writer.u32(0);
  writer.u32(header.body_bytes);
  writer.u32(header.entries);
  writer.i64(header.first.count());
  writer.i64(header.durable.count());
  writer.u64(header.payload_begin);
  const Sha256 chain = computed_chain(block, before);
  ByteWriter(block.data() + block.size() - kBlockTrailerBytes).bytes(chain.bytes);
  ByteWriter(block.data() + 4).u32(crc32c(block.subspan(kCoveredFrom)));
  return chain;
}

std::optional<BlockHeader> decode_block_header(std::span<const std::uint8_t> bytes) {
  ByteReader reader(bytes);
  const bool magic = reader.u32() == kBlockMagic;
  reader.u32();
  BlockHeader header;
  header.body_bytes = reader.u32();
  header.entries = reader.u32();
  header.first = ledger::Position(reader.i64());
  header.durable = ledger::Position(reader.i64());
  header.payload_begin = reader.u64();
  if (!magic || reader.ran_out() || header.body_bytes > kBlockBodyBytesMax) return std::nullopt;
  return header;
}

bool block_is_whole(std::span<const std::uint8_t> block) {
  ByteReader reader(block.subspan(4));
  return reader.u32() == crc32c(block.subspan(kCoveredFrom));
}

Sha256 stored_chain(std::span<const std::uint8_t> block) {
  Sha256 chain;
  ByteReader(block.last(kBlockTrailerBytes)).bytes(chain.bytes);
  return chain;
}

Sha256 computed_chain(std::span<const std::uint8_t> block, const Sha256& before) {
  const auto covered =
      block.subspan(kCoveredFrom, block.size() - kCoveredFrom - kBlockTrailerBytes);
  return sha256({text(before.bytes), text(covered)});
}

void encode_payload_file_header(const SegmentHeader& header,
                                std::span<std::uint8_t, kPayloadFileHeaderBytes> out) {
  std::ranges::fill(out, std::uint8_t{0});
  ByteWriter writer(out.data());
  put_text(writer, kPayloadFileMagic);
  writer.u16(kFormatVersion);
  writer.u16(kPayloadFileHeaderBytes);
  writer.u32(0);
  writer.bytes(header.journal.bytes);
  writer.i64(header.number.count());
}

void encode(const PayloadHeader& header, std::span<std::uint8_t, kPayloadHeaderBytes> out) {
  ByteWriter writer(out.data());
  writer.u32(header.erased ? kErasedPayloadMagic : kPayloadMagic);
  writer.u32(header.bytes);
  writer.i64(header.position.count());
  writer.bytes(header.salt);
}

std::optional<PayloadHeader> decode_payload_header(
    std::span<const std::uint8_t, kPayloadHeaderBytes> bytes) {
  ByteReader reader(bytes);
  const std::uint32_t magic = reader.u32();
  PayloadHeader header;
  header.erased = magic == kErasedPayloadMagic;
  header.bytes = reader.u32();
  header.position = ledger::Position(reader.i64());
  reader.bytes(header.salt);
  if (magic != kPayloadMagic && magic != kErasedPayloadMagic) return std::nullopt;
  return header;
}

Sha256 salted_digest(std::span<const std::uint8_t, 16> salt,
                     std::span<const std::uint8_t> payload) {
  return sha256({text(salt), text(payload)});
}

std::string entries_name(SegmentNumber number) {
  return fmt::format("{:08}{}", number.count(), kEntriesSuffix);
}

std::string payloads_name(SegmentNumber number) {
  return fmt::format("{:08}.payloads", number.count());
}

std::optional<SegmentNumber> segment_of(std::string_view entries_name) {
  if (entries_name.size() != kNameDigits + kEntriesSuffix.size() ||
      !entries_name.ends_with(kEntriesSuffix)) {
    return std::nullopt;
  }
  std::int64_t number = 0;
  const char* const end = entries_name.data() + kNameDigits;
  const auto [stopped, error] = std::from_chars(entries_name.data(), end, number);
  if (error != std::errc{} || stopped != end || number < 1) return std::nullopt;
  return SegmentNumber(number);
}

}  // namespace hanse::journal
