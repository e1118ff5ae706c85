// src/adapters/journal/segment_reader.h
// One segment, block by block, each checked: whole by its CRC, in place by its
// chain value and its first position. Reads at most a few blocks ahead, so a
// segment of any size takes bounded memory. A file that grows meanwhile may be
// read on: `next` looks again at where it stopped.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "adapters/journal/disk.h"
#include "adapters/journal/format.h"

namespace hanse::journal {

class SegmentReader {
 public:
  struct Block {
    BlockHeader header;
    std::uint64_t offset = 0;            // in the file
    std::span<const std::uint8_t> body;  // valid until the next call
  };

  // Fails: not_found; broken or invalid_input when the header is no good (a
  // file shorter than a header included); what the disk reports.
  static Result<SegmentReader> open(Disk& disk, const std::string& directory, SegmentNumber number);

  // True and the next block; false where no further sound block begins, see
  // `damage`.
  // Fails: what the disk reports.
  Result<bool> next(Block& block);

  // After `next` returned false: nothing when the file ends there, else why
  // the bytes that follow are no block.
  [[nodiscard]] const std::optional<std::string>& damage() const { return damage_; }
  // Whether a whole block lies anywhere from the place on where `next` stopped
  // (one that does not continue the chain is whole, too), and if so the highest
  // durable position that such a block claims.
  Result<std::optional<ledger::Position>> sound_block_ahead();
  // The same for a whole file, whatever its header is.
  static Result<std::optional<ledger::Position>> sound_block_in(Disk& disk,
                                                                const std::string& directory,
                                                                SegmentNumber number);

  [[nodiscard]] const SegmentHeader& header() const { return header_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  // Where the next block begins; how far entries have been read; the value
  // that the next block builds on.
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] ledger::Position last() const { return last_; }
  [[nodiscard]] const Sha256& chain() const { return chain_; }

 private:
  SegmentReader(std::unique_ptr<ReadFile> file, std::string path);

  // Makes `size` bytes from offset_ on available if the file has them, and
  // returns what there is, at most `size`.
  Result<std::span<const std::uint8_t>> peek(std::size_t size);

  std::unique_ptr<ReadFile> file_;
  std::string path_;
  SegmentHeader header_;
  std::uint64_t offset_ = 0;
  ledger::Position last_;
  Sha256 chain_;
  std::optional<std::string> damage_;
  std::vector<std::uint8_t> buffer_;
  std::uint64_t buffer_offset_ = 0;  // of buffer_[0] in the file
  std::size_t buffered_ = 0;
};

// The numbers of the segments in a directory, rising.
Result<std::vector<SegmentNumber>> list_segments(Disk& disk, const std::string& directory);

}  // namespace hanse::journal
