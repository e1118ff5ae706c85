// src/adapters/storage/sqlite_books.h
// The books in one SQLite file: write-ahead log, one writer, a transaction per
// batch. A loss of power may cost the last batches but not the file; the
// journal has them and they are booked again.
//
// The file may be read by others at the same time (sqlite3, `hanse books`).
// The schema is in sqlite_schema.h and described in docs/ledger.md.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "adapters/storage/books.h"
#include "adapters/storage/sqlite.h"

namespace hanse::storage {

class SqliteBooks final : public Books {
 public:
  // Opens the file; `read_write` makes it when it is missing.
  // Fails: not_found; broken when it is no database; conflict when it is of
  // another schema version (then rebuild it from the journal).
  static Result<std::unique_ptr<SqliteBooks>> open(const std::string& path, Database::Mode mode);

  Result<ledger::Position> position(const ledger::JournalId& journal) override;
  Status write(const BookBatch& batch) override;
  Result<std::vector<BookedBalance>> balances() override;
  Result<std::vector<BookedCost>> costs() override;
  Result<std::vector<BookedPosting>> postings(const ledger::JournalId& journal,
                                              ledger::Position after, std::size_t limit) override;
  Result<std::optional<BookedRequest>> request(const ledger::RequestId& id) override;
  Status dump(const std::function<void(std::string_view line)>& to) override;

 private:
  explicit SqliteBooks(Database database) : database_(std::move(database)) {}

  Status prepare_writing();
  Status write_rows(std::int64_t journal, const BookBatch& batch);
  // The number of a journal in this file; nothing when it is not there.
  Result<std::optional<std::int64_t>> number_of(const ledger::JournalId& journal);

  Database database_;
  Statement begin_;
  Statement commit_;
  Statement rollback_;
  Statement find_journal_;
  Statement put_journal_;
  Statement put_account_;
  Statement put_balance_;
  Statement put_posting_;
  Statement put_attempt_;
  Statement put_request_;
};

}  // namespace hanse::storage
