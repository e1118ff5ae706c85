// src/adapters/journal/journal.h
// A shard's append-only record of what happened, on disk.
//
// The loop appends entries to memory during a turn and calls `write` once at
// its end: one block, one system call (two with payloads), one hash. Whatever
// depends on an entry (a request to an engine, a whole reply, the last chunk)
// waits until `write` has returned: then `kill -9` loses nothing. A thread of
// its own makes it survive a loss of power shortly after, and says so in
// `durable`.
//
// Errors of the disk are sticky: after the first one nothing more is written,
// `write` goes on failing, and admission has to stop until somebody has seen to
// the disk and started again.
//
// A disk may stand still. `cover` is then the way for others to go on: while a
// write is under way they may append, though not write; what they append goes
// out with the next.
//
// One thread at a time appends and writes; `written`, `durable` and `failed` may
// be read by any. Allocates only while its buffers grow to their largest use.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "adapters/journal/disk.h"
#include "adapters/journal/entry_codec.h"
#include "adapters/journal/flusher.h"
#include "adapters/journal/format.h"
#include "adapters/journal/recovery.h"
#include "core/ledger/entry_stream.h"
#include "core/ledger/ledger.h"

namespace hanse::journal {

struct JournalOptions {
  std::string directory;  // made when it is missing
  // A segment is left when its entries or its payloads pass these.
  std::uint64_t segment_bytes = std::uint64_t{128} << 20U;
  std::uint64_t payload_segment_bytes = std::uint64_t{256} << 20U;
  // Likewise when it was begun so long ago, so that its payloads get old
  // together (retention.h).
  Duration segment_time = kForever;
  // How long writes gather before they are synced together. Zero suits
  // durability "power", where a last byte waits for `durable`.
  Duration flush_interval = milliseconds(5);
  // Called by the flusher's thread after `durable` has risen or a sync has
  // failed, to wake the loop.
  std::function<void()> on_durable{};
  // What a start must find; see recover().
  KnownEnd known_end{};
  // Runs what it is given, and may let others append until that is done. When
  // empty, nobody does.
  std::function<void(const std::function<void()>&)> cover{};
};

class Journal final : public ledger::EntrySink {
 public:
  // Opens or makes the journal: takes the directory's lock, brings `ledger`,
  // which must be new, to where the journal ends, starts the next epoch, ends
  // what a crash left open, and writes that down.
  // Requires: `disk` and `ledger` outlive the journal.
  // Fails: conflict when another process has it open, or when it has lost its
  // end, and then its files are as they were; broken, naming file and
  // offset, when it is damaged; invalid_input for another format version;
  // at_capacity after the last epoch; what the disk reports.
  static Result<std::unique_ptr<Journal>> open(Disk& disk, JournalOptions options,
                                               ledger::Ledger& ledger, WallTime now);
  // Stops without writing what has been appended; see `close`.
  ~Journal() override;

  // --- Each turn. ---

  // Requires: the ledger has applied `entry` (and perhaps more, which must be
  // appended before the next `write`).
  ledger::Position append(const ledger::Entry& entry) override;
  // With bytes that lie beside the chain and can be erased: the chain keeps
  // their salted digest.
  // Requires: at most kPayloadBytesMax.
  ledger::Position append(const ledger::Entry& entry, std::span<const std::uint8_t> payload);

  // Hands everything appended to the operating system; nothing to do is fine.
  // Leaves a full segment for a new one, which begins with a seal.
  // Requires: no other write is under way.
  Status write();

  // --- State. ---

  [[nodiscard]] const ledger::JournalId& id() const { return id_; }
  [[nodiscard]] ledger::Position appended() const { return appended_; }
  [[nodiscard]] ledger::Position written() const {
    return ledger::Position(written_.load(std::memory_order_acquire));
  }
  [[nodiscard]] ledger::Position durable() const { return flusher_.durable(); }
  [[nodiscard]] std::uint64_t syncs() const { return flusher_.syncs(); }
  // Whether admission must stop; `status` says why.
  [[nodiscard]] bool failed() const { return failed_.load() || flusher_.failed(); }
  [[nodiscard]] Status status() const;
  // The segment that is being written.
  [[nodiscard]] SegmentNumber segment() const { return segment_.number; }
  [[nodiscard]] const RecoveryReport& recovery() const { return recovery_; }
  [[nodiscard]] std::uint64_t bytes_written() const { return bytes_written_.load(); }

  // Writes and syncs everything and notes that it did, so that the next start
  // knows the end to be whole. Nothing may be appended afterwards.
  Status close();

 private:
  Journal(Disk& disk, JournalOptions options, ledger::Ledger& ledger,
          std::unique_ptr<DirectoryLock> lock);

  Status begin(WallTime now);
  Status start_first_segment(WallTime now);
  Status continue_segment(const Recovered& recovered);
  Status start_epoch(WallTime now);
  Status begin_segment(SegmentHeader header);
  Status make_segment(SegmentHeader header);
  Status leave_segment();
  Status sync_what_was_found();
  void make_room();
  void begin_block();
  void finish_block();
  Status write_buffers();
  void take_out();
  Status put_out();
  Status put_out_covered();
  [[nodiscard]] bool may_leave_segment() const;
  Status append_all(AppendFile& file, std::span<const std::uint8_t> bytes);
  Status stop(Status failure);
  std::array<std::uint8_t, 16> draw_salt();
  [[nodiscard]] std::string path(const std::string& name) const;

  Disk& disk_;
  JournalOptions options_;
  ledger::Ledger& ledger_;
  std::unique_ptr<DirectoryLock> lock_;
  Flusher flusher_;

  ledger::JournalId id_;
  std::array<std::uint8_t, 16> boot_{};
  RecoveryReport recovery_;
  SegmentHeader segment_;
  AppendFile* entries_ = nullptr;  // the flusher owns the files
  AppendFile* payloads_ = nullptr;
  std::uint64_t entries_bytes_ = 0;  // of the files, written
  std::uint64_t leave_at_ = 0;       // no sooner, for the next segment could not be begun
  std::uint64_t payload_bytes_ = 0;
  Sha256 chain_;

  std::vector<std::uint8_t> buffer_;  // whole blocks, then the open one
  std::size_t buffered_ = 0;
  std::size_t block_begin_ = 0;
  bool block_open_ = false;
  BlockHeader block_;
  std::vector<std::uint8_t> payload_buffer_;
  // What is being written, apart from what is appended meanwhile.
  struct Outgoing {
    std::vector<std::uint8_t> blocks;
    std::size_t block_bytes = 0;
    std::vector<std::uint8_t> payloads;
    ledger::Position last;
  };
  Outgoing outgoing_;
  bool writing_ = false;

  ledger::Position appended_;
  ledger::Position finished_;  // the last entry in a finished block
  std::atomic<std::int64_t> written_{0};
  std::atomic<bool> failed_{false};
  Status status_;
  std::atomic<std::uint64_t> bytes_written_{0};

  std::array<std::uint8_t, 4096> salts_{};
  std::size_t salts_used_ = 4096;
};

}  // namespace hanse::journal
