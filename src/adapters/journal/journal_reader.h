// src/adapters/journal/journal_reader.h
// The journal from outside: entries in order, for the books, for `hanse books
// verify` and for whoever wants to check with their own eyes. Every block's
// checksum, chain value and position is checked on the way. Takes bounded
// memory, needs no lock, and may run beside the process that writes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "adapters/journal/disk.h"
#include "adapters/journal/entry_codec.h"
#include "adapters/journal/payloads.h"
#include "adapters/journal/segment_reader.h"
#include "core/ledger/entry_stream.h"

namespace hanse::journal {

struct PlacedRecord {
  ledger::Position position;
  Record record;
  std::optional<PayloadPlace> payload;
};

class JournalReader final : public ledger::EntrySource {
 public:
  // Reads from a place at or before the entry that follows `after`, at which a
  // ledger can begin: the beginning, or a seal. Whoever needs only what comes
  // after it skips the rest.
  // Requires: `disk` outlives the reader.
  // Fails: not_found when there is no journal; broken; what the disk reports.
  static Result<JournalReader> open(Disk& disk, std::string directory, ledger::Position after = {});

  [[nodiscard]] ledger::Position begins_at() const override { return begins_at_; }
  [[nodiscard]] const ledger::JournalId& journal() const override { return journal_; }

  // False at the end of what is written now; call again for what is added.
  Result<bool> next(ledger::PlacedEntry& entry) override;
  Result<bool> next(PlacedRecord& record);

  // The last entry read, and the chain value that vouches for all before the
  // end of its block.
  [[nodiscard]] ledger::Position position() const { return position_; }
  [[nodiscard]] const Sha256& chain() const { return segment_.chain(); }
  // After `next` returned false: why what follows the end is no block, such as
  // a write that a crash cut short. Nothing at a clean end.
  [[nodiscard]] std::optional<std::string> torn() const;

 private:
  JournalReader(Disk& disk, std::string directory, SegmentReader segment);

  Result<bool> next_block();
  Result<bool> pass_end();

  Disk* disk_;
  std::string directory_;
  SegmentReader segment_;
  ledger::JournalId journal_;
  ledger::Position begins_at_;
  ledger::Position position_;
  SegmentReader::Block block_;
  std::span<const std::uint8_t> left_;  // of block_.body
  std::uint32_t entries_left_ = 0;
  std::uint64_t payload_offset_ = 0;
  std::uint64_t looked_again_at_ = 0;
};

}  // namespace hanse::journal
