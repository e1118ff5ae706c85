// src/core/dispatch/recording.h
// A run as bytes: everything that was decided upon, and a digest of what was
// decided, so that the same run can be decided again and compared.
//
// A recording is a list of blocks, in this order:
//
//   start            options, the instant and the state the dispatch began with
//   entry ...        a seal: the ledger as it stood, one entry a block
//   snapshot         the first configuration, as canonical text
//   event ...        an event, its instant, and the digest of all its actions
//     snapshot       before an event that changes to it, unless it is known
//   end              how many events there were; missing when the recorder died
//
// File format: "HANSEREC", a version byte, then blocks of {kind, length,
// payload, 32-bit checksum}. A block's checksum takes in the one before, so
// none can be lost or moved. A file that stops in the middle of a block is
// whole up to there (`cut`); one that differs in any other way is broken.
//
// Pure: no I/O. The driver flushes the writer's buffer, and hands the reader
// the bytes of a file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "base/time.h"
#include "base/wire.h"
#include "core/dispatch/dispatch.h"
#include "core/dispatch/event_codec.h"
#include "core/ledger/entry.h"
#include "core/ledger/request_id.h"

namespace hanse::dispatch {

struct RecordingStart {
  DispatchOptions options;
  Instant at;       // that the dispatch was made with
  Sha256 snapshot;  // likewise; the first snapshot block has its text
  ledger::JournalId journal;
  // Where the seal stands in the journal: Ledger::begin_at() with it, then
  // apply() every entry, gives the ledger the dispatch was made with.
  ledger::Position position;
};

struct RecordedEntry {
  ledger::Entry entry;
};

struct RecordedSnapshot {
  Sha256 digest;
  std::string text;
};

struct RecordedEvent {
  Instant at;
  Event event;
  Sha256 snapshot;  // for SnapshotChanged, see ReadEvent
  // RunDigest over all actions of the event in order, by add_to().
  std::uint64_t actions_digest = 0;
};

struct RecordingEnd {
  std::uint64_t events = 0;
};

inline constexpr std::size_t kSnapshotBytesMax = std::size_t{1} << 26U;

using RecordedBlock =
    std::variant<RecordingStart, RecordedEntry, RecordedSnapshot, RecordedEvent, RecordingEnd>;

enum class RecordingBlockKind : std::uint8_t { start = 1, entry, snapshot, event, end };

class RecordingWriter {
 public:
  // Appends the file's head and the start block to `out`, which the owner may
  // flush and clear between any two calls.
  // Requires: `out` outlives the writer.
  RecordingWriter(std::string& out, const RecordingStart& start);

  // Requires: `entry` is of a kind that seals are made of; no snapshot has
  // been written yet.
  void entry(const ledger::Entry& entry);
  // Writes nothing when the snapshot has been written before.
  // Requires: the first one is the start's; `text` is at most
  // kSnapshotBytesMax long.
  void snapshot(const Sha256& digest, std::string_view text);
  // Requires: there is a snapshot; that of a SnapshotChanged has been written.
  void event(const Event& event, Instant now, std::uint64_t actions_digest);
  void end();

  [[nodiscard]] std::uint64_t events() const { return events_; }

 private:
  void block(RecordingBlockKind kind);

  std::string& out_;
  std::string payload_;  // of the block under way; reused
  Sha256 first_snapshot_;
  std::vector<Sha256> snapshots_;
  Instant last_;
  std::uint64_t events_ = 0;
  std::uint32_t checksum_ = 0;
};

class RecordingReader {
 public:
  // Requires: `bytes` outlive the reader.
  explicit RecordingReader(std::string_view bytes) : bytes_(bytes) {}

  // Reads the next block into `block`; false at the end. The order of blocks
  // is checked, and that every snapshot is there before it is used.
  // Fails: broken, naming the byte; asked again, it fails again.
  Result<bool> next(RecordedBlock& block);

  // After the end: the recording stops without an end block, in the middle of
  // a block or between two. What was read until then is good.
  [[nodiscard]] bool cut() const { return cut_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }
  // Where the next block begins.
  [[nodiscard]] std::size_t offset() const { return offset_; }

 private:
  enum class Phase : std::uint8_t { start, entries, events, ended };

  Result<bool> read_head();
  // Why such a block may not come now; empty when it may.
  [[nodiscard]] std::string_view out_of_order(RecordingBlockKind kind) const;
  RecordedBlock decode(RecordingBlockKind kind, WireReader& in);
  RecordedEvent decode_event(WireReader& in);
  RecordedSnapshot decode_snapshot(WireReader& in);
  [[nodiscard]] std::unexpected<Error> broken(std::size_t at, std::string_view what) const;
  Result<bool> end_here(bool cut);

  std::string_view bytes_;
  std::size_t offset_ = 0;
  Phase phase_ = Phase::start;
  Sha256 first_snapshot_;
  std::vector<Sha256> snapshots_;
  Instant last_;
  std::uint64_t events_ = 0;
  std::uint32_t checksum_ = 0;
  bool cut_ = false;
};

}  // namespace hanse::dispatch
