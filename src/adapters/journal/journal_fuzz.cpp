// Any bytes are a journal or an error. Checksums and the chain keep a fuzzer
// out, so the first byte says how much of them is put right: 0 records, 1 a
// segment as it is, 2 the records of sound blocks, 3 a payload file.
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "adapters/journal/entry_codec.h"
#include "adapters/journal/journal.h"
#include "adapters/journal/journal_reader.h"
#include "adapters/journal/testing/faulty_disk.h"
#include "base/check.h"

namespace {

using namespace hanse;
using namespace hanse::journal;

using Bytes = std::vector<std::uint8_t>;
constexpr const char* kEntries = "j/00000001.entries";

// What is read is written the same way.
void records(std::span<const std::uint8_t> bytes) {
  Record record;
  while (!bytes.empty()) {
    const auto size = decode(bytes, record);
    if (!size) return;
    std::array<std::uint8_t, kRecordBytesMax> again{};
    const std::size_t written =
        encode(record.entry, record.payload ? &*record.payload : nullptr, again);
    HANSE_CHECK(written == *size);
    HANSE_CHECK(std::ranges::equal(std::span(again).first(written), bytes.first(written)));
    bytes = bytes.subspan(*size);
  }
}

// Reads the journal and, if a start accepts it, starts on it twice.
void start_on(journal::testing::FaultyDisk& disk) {
  if (auto reader = JournalReader::open(disk, "j")) {
    PlacedRecord record;
    for (auto more = reader->next(record); more && *more; more = reader->next(record)) {
      if (record.payload) (void)read_payload(disk, "j", *record.payload);
    }
  }
  ledger::Ledger first;
  auto recovered = recover(disk, "j", first);
  if (!recovered || !*recovered) return;
  for (const auto currency : first.currencies()) HANSE_CHECK(first.imbalance(currency) == 0);
  ledger::Ledger second;
  const auto again = recover(disk, "j", second);
  HANSE_CHECK(again && *again && (*again)->last == (*recovered)->last);
  HANSE_CHECK((*again)->report.bytes_cut == 0);
  HANSE_CHECK(second.position() == first.position());
}

Bytes header_of_first_segment() {
  SegmentHeader header{.journal = {},
                       .number = SegmentNumber(1),
                       .first = ledger::Position(1),
                       .epoch = ledger::Epoch(1),
                       .begun_at = WallTime(1),
                       .previous = {},
                       .machine_boot = {}};
  header.journal.bytes[0] = 1;
  Bytes bytes(kSegmentHeaderBytes);
  encode(header, std::span(bytes).first<kSegmentHeaderBytes>());
  return bytes;
}

// A sound block around each half of `bytes`, whatever they are.
void sound_blocks(std::span<const std::uint8_t> bytes) {
  Bytes file = header_of_first_segment();
  Sha256 chain = chain_of(std::span(file).first<kSegmentHeaderBytes>());
  ledger::Position next(1);
  // The first byte says where the first block ends, in records.
  std::size_t records_left = bytes.empty() ? 0 : 1 + bytes[0];
  bytes = bytes.subspan(bytes.empty() ? 0 : 1);
  while (!bytes.empty()) {
    Record record;
    std::size_t size = 0;
    std::uint32_t entries = 0;
    while (records_left-- > 0 && size < bytes.size()) {
      const auto one = decode(bytes.subspan(size), record);
      size = one ? size + *one : bytes.size();
      ++entries;
    }
    records_left = SIZE_MAX;
    if (size > kBlockBodyBytesMax) return;
    Bytes block(size + kBlockOverheadBytes);
    std::ranges::copy(bytes.first(size), block.begin() + kBlockHeaderBytes);
    chain = finish_block({.body_bytes = static_cast<std::uint32_t>(size),
                          .entries = entries,
                          .first = next,
                          .durable = {},
                          .payload_begin = kPayloadFileHeaderBytes},
                         chain, block);
    file.insert(file.end(), block.begin(), block.end());
    next += ledger::Position(entries);
    bytes = bytes.subspan(size);
  }
  journal::testing::FaultyDisk disk;
  disk.set_file(kEntries, std::move(file));
  start_on(disk);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span<const std::uint8_t> bytes(data + 1, size - 1);
  switch (data[0] % 4) {
    case 0: records(bytes); break;
    case 1: {
      journal::testing::FaultyDisk disk;
      disk.set_file(kEntries, {bytes.begin(), bytes.end()});
      start_on(disk);
      break;
    }
    case 2: sound_blocks(bytes); break;
    default: {
      journal::testing::FaultyDisk disk;
      disk.set_file("j/00000001.payloads", {bytes.begin(), bytes.end()});
      const PayloadPlace place{.segment = SegmentNumber(1),
                               .offset = 0,
                               .position = ledger::Position(1),
                               .mark = {.salted_digest = {}, .bytes = 16}};
      (void)read_payload(disk, "j", place);
      (void)erase_payload(disk, "j", place);
      const auto erased = read_payload(disk, "j", place);
      HANSE_CHECK(erased && erased->state == Payload::State::erased);
    }
  }
  return 0;
}
