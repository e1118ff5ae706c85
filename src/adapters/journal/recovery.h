// src/adapters/journal/recovery.h
// What a start does with the files it finds: reads the last seal and what
// follows into a ledger, and decides what the end of the journal is.
//
// A process that is killed leaves at most one block half written, at the very
// end: it is cut off, for nothing that depends on it had left. Damage with
// whole blocks behind it is an error that names file and offset, with one
// exception: when the machine has been started again since, and no block
// claims that the damaged part had reached the disk, then the power went and
// the disk kept the later write instead of the earlier one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "adapters/journal/disk.h"
#include "adapters/journal/format.h"
#include "base/result.h"
#include "core/ledger/ledger.h"

namespace hanse::journal {

struct RecoveryReport {
  std::uint64_t entries_read = 0;
  std::uint64_t bytes_cut = 0;        // from the end
  std::int64_t segments_removed = 0;  // that held nothing, or nothing durable
  // Where and why the journal was cut; empty when it was whole.
  std::string cut;
};

// Where writing goes on.
struct Recovered {
  SegmentHeader segment;
  std::uint64_t entries_bytes = 0;  // of the segment's file
  std::uint64_t payload_bytes = 0;  // of its payload file
  Sha256 chain;
  ledger::Position last;
  RecoveryReport report;
};

// How far the books know a journal; zero when they do not. They know only what
// has reached the disk.
using KnownEnd = std::function<Result<ledger::Position>(const ledger::JournalId&)>;

// Applies the journal in `directory` to `ledger`, which must be new, and cuts
// off what a crash left half written. Nothing when there is no journal yet.
// Fails: broken, naming file and offset, for damage that no crash explains, and
// for entries that the ledger refuses; conflict when the journal ends before
// what is `known` of it, and then nothing has been cut.
Result<std::optional<Recovered>> recover(Disk& disk, const std::string& directory,
                                         ledger::Ledger& ledger, const KnownEnd& known = {});

// The last segment up to `at_most` at which a ledger can begin: it is the
// first, or it begins with a whole seal. `numbers` rise without gaps.
// Fails: broken when there is none.
Result<SegmentNumber> last_segment_to_begin_at(Disk& disk, const std::string& directory,
                                               const std::vector<SegmentNumber>& numbers,
                                               SegmentNumber at_most);

}  // namespace hanse::journal
