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
// payload, 32-bit checksum}. A file that stops in the middle of a block is
// whole up to there (`cut`); one that differs in any other way is broken.
//
// Pure: no I/O. The driver flushes the writer's buffer, and hands the reader
// the bytes of a file.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/digest.h"
#include "base/result.h"
#include "base/time.h"
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

using RecordedBlock =
    std::variant<RecordingStart, RecordedEntry, RecordedSnapshot, RecordedEvent, RecordingEnd>;

class RecordingWriter {
 public:
  // Appends the file's head and the start block to `out`, which the owner may
  // flush and clear between any two calls.
  // Requires: `out` outlives the writer.
  RecordingWriter(std::string& out, const RecordingStart& start);

  // Requires: `entry` is of a kind that seals are made of.
  void entry(const ledger::Entry& entry);
  void snapshot(const Sha256& digest, std::string_view text);
  // Requires: the snapshot of a SnapshotChanged has been written.
  void event(const Event& event, Instant now, std::uint64_t actions_digest);
  void end();

  [[nodiscard]] std::uint64_t events() const { return events_; }

 private:
  std::string& out_;
  std::string payload_;  // reused
  Instant last_;
  std::uint64_t events_ = 0;
};

class RecordingReader {
 public:
  // Requires: `bytes` outlive the reader.
  explicit RecordingReader(std::string_view bytes) : bytes_(bytes) {}

  // Reads the next block into `block`; false at the end. The order of blocks
  // is checked.
  // Fails: broken, naming the byte; then there is nothing more to read.
  Result<bool> next(RecordedBlock& block);

  // After the end: the recording stops without an end block, in the middle of
  // a block or between two. What was read until then is good.
  [[nodiscard]] bool cut() const { return cut_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }
  // Where the next block begins.
  [[nodiscard]] std::size_t offset() const { return offset_; }

 private:
  enum class Phase : std::uint8_t { head, start, entries, events, ended };

  Result<bool> read_head();
  Status decode(std::uint8_t kind, std::string_view payload, RecordedBlock& block);
  [[nodiscard]] std::unexpected<Error> broken(std::string_view what) const;
  Result<bool> cut_here();

  std::string_view bytes_;
  std::size_t offset_ = 0;
  Phase phase_ = Phase::head;
  Instant last_;
  std::uint64_t events_ = 0;
  bool cut_ = false;
};

}  // namespace hanse::dispatch
