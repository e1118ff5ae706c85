// src/drivers/serve/books.h
// A shard's side of the books: the journal on disk, the ledger as recovery
// left it, the treasurer who grants from it, the thread that keeps the books
// behind the journal, and the archive of the records beside it.
//
// Admission asks may_admit(): a disk that fails stops it at once, one that stands
// still soon, books that fall behind when they are further behind than allowed.
// Requests that were admitted never wait for the books.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "adapters/journal/disk.h"
#include "adapters/journal/journal.h"
#include "adapters/storage/book_keeper.h"
#include "adapters/storage/books.h"
#include "base/result.h"
#include "base/time.h"
#include "core/dispatch/snapshot.h"
#include "core/ledger/budget.h"
#include "core/ledger/entry.h"
#include "core/ledger/entry_stream.h"
#include "core/ledger/ledger.h"
#include "core/ledger/request_id.h"
#include "drivers/serve/books_files.h"
#include "drivers/serve/record_archive.h"

namespace hanse::serve {

struct BooksOptions {
  BooksFiles files;
  journal::JournalOptions journal;  // its directory is that of `files`
  Duration lag_max = seconds(60);
  journal::RetentionRule records;
  std::function<WallTime()> now;  // the wall clock, for the records' time
  // What an erasure of records came to; called by a thread of its own.
  std::function<void(const Result<journal::RetentionReport>&)> on_erased{};
  std::function<void(const Result<std::int64_t>&)> on_snapshots_erased{};  // the same
  // The configuration that records are about to cite, or null.
  dispatch::SnapshotRef running{};
};

class Books {
 public:
  // A write of the journal that takes longer stops admission.
  static constexpr Duration kStandsMax = seconds(1);

  // Opens or makes the journal, recovers, and ends what a crash left open.
  // Requires: `disk` outlives the books.
  // Fails: conflict when another gateway has it open, or when the books know more
  // than the journal has; broken, naming file and
  // offset, when it is damaged; what the disk or the database reports.
  static Result<std::unique_ptr<Books>> open(journal::Disk& disk, const BooksOptions& options,
                                             Instant now);

  ledger::Ledger& ledger() { return ledger_; }
  ledger::Treasurer& treasurer() { return treasurer_; }
  [[nodiscard]] const journal::Journal& journal() const { return *journal_; }
  [[nodiscard]] RecordArchive& archive() { return *archive_; }

  // Collects an entry that the ledger has applied; `payload` may be empty.
  void append(const ledger::Entry& entry, std::string_view payload = {});
  // Writes what was collected; when it returns well, a killed process has
  // lost nothing. Under the journal's `cover` everything else here may be called
  // meanwhile, but not this.
  Status write(Instant now);
  // How long the write that is under way has stood; zero when there is none.
  [[nodiscard]] Duration stands(Instant now) const;
  // What survives a loss of power too: the journal's on_durable tells when it
  // has risen.
  [[nodiscard]] ledger::Position durable() const { return journal_->durable(); }
  // Fails: unavailable, with what stands in the way.
  [[nodiscard]] Status may_admit(Instant now) const;

  // How far the books are behind the journal: entries that are written and not
  // booked, and the age of the oldest of them, too low by a tenth of a second
  // at most. Of those that were there at the start it is the time since then.
  [[nodiscard]] std::int64_t lag_entries() const;
  [[nodiscard]] Duration lag(Instant now) const;
  // Writes the ledger's state as a seal, and copies it to `copy`.
  void seal(WallTime at, ledger::EntrySink& copy);
  // The last word: the journal is closed, the books catch up. Nothing is
  // appended after it.
  Status close();

 private:
  explicit Books(Duration lag_max) : lag_max_(lag_max) {}
  // Any thread.
  void tell_keeper();

  // When the journal had been written how far, a few times a second: the age
  // of the oldest entry that is not booked yet.
  struct Mark {
    ledger::Position written;
    MonotonicTime at;
  };

  Duration lag_max_;
  ledger::Ledger ledger_;
  ledger::Treasurer treasurer_;
  std::unique_ptr<storage::Books> database_;
  std::unique_ptr<storage::BookKeeper> keeper_;  // its thread goes before its books
  // The journal's flusher tells the keeper, so it goes first of all.
  std::unique_ptr<journal::Journal> journal_;
  std::atomic<bool> may_tell_{false};  // journal and keeper are both there
  std::deque<Mark> marks_;
  Mark newest_;  // of the last write, which need not be among them
  std::optional<MonotonicTime> writing_since_;
  journal::SegmentNumber segment_;  // the last one that the archive was told of
  std::unique_ptr<RecordArchive> archive_;
};

}  // namespace hanse::serve
