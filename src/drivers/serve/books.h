// src/drivers/serve/books.h
// A shard's side of the books: the journal on disk, the ledger as recovery
// left it, and the treasurer who grants from it.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

#include "adapters/journal/disk.h"
#include "adapters/journal/journal.h"
#include "base/result.h"
#include "base/time.h"
#include "core/ledger/budget.h"
#include "core/ledger/entry.h"
#include "core/ledger/entry_stream.h"
#include "core/ledger/ledger.h"
#include "core/ledger/request_id.h"

namespace hanse::serve {

class Books {
 public:
  // Opens or makes the journal in `options.directory`, recovers, and ends what
  // a crash left open.
  // Fails: conflict when another gateway has it open; broken, naming file and
  // offset, when it is damaged; what the disk reports.
  static Result<std::unique_ptr<Books>> open(journal::Disk& disk,
                                             const journal::JournalOptions& options, WallTime now);

  ledger::Ledger& ledger() { return ledger_; }
  ledger::Treasurer& treasurer() { return treasurer_; }
  [[nodiscard]] const journal::Journal& journal() const { return *journal_; }

  // Collects an entry that the ledger has applied; `payload` may be empty.
  void append(const ledger::Entry& entry, std::string_view payload = {});
  // Writes what was collected; when it returns well, a killed process has
  // lost nothing.
  Status write() { return journal_->write(); }
  // Writes the ledger's state as a seal, and copies it to `copy`.
  void seal(WallTime at, ledger::EntrySink& copy);
  // The last word. Nothing is appended after it.
  Status close() { return journal_->close(); }

 private:
  Books() = default;

  ledger::Ledger ledger_;
  ledger::Treasurer treasurer_;
  std::unique_ptr<journal::Journal> journal_;
};

}  // namespace hanse::serve
