#include "adapters/storage/sqlite_books.h"

#include <fmt/format.h>

#include "adapters/storage/follows.h"
#include "adapters/storage/sqlite_rows.h"
#include "adapters/storage/sqlite_schema.h"

namespace hanse::storage {
namespace {

using ledger::Position;

Result<std::int64_t> ask_number(Database& database, std::string_view sql) {
  auto statement = database.prepare(sql);
  if (!statement) return std::unexpected(std::move(statement.error()));
  const auto row = statement->step();
  if (!row) return std::unexpected(row.error());
  return *row ? statement->number(0) : 0;
}

// Names for those who read the file with other tools.
Status create(Database& database) {
  if (auto done = database.execute("BEGIN IMMEDIATE"); !done) return done;
  if (auto done = database.execute(kCreateSchema); !done) return done;
  std::string names;
  for (int kind = 1; kind <= static_cast<int>(ledger::AccountKind::suspense_payable); ++kind) {
    names += fmt::format("INSERT INTO kinds VALUES ({}, '{}');", kind,
                         to_string(static_cast<ledger::AccountKind>(kind)));
  }
  for (int outcome = 1; outcome <= static_cast<int>(ledger::Outcome::lost); ++outcome) {
    names += fmt::format("INSERT INTO outcomes VALUES ({}, '{}');", outcome,
                         to_string(static_cast<ledger::Outcome>(outcome)));
  }
  names += fmt::format("PRAGMA user_version = {}; COMMIT;", kSchemaVersion);
  return database.execute(names.c_str());
}

}  // namespace

Result<std::unique_ptr<SqliteBooks>> SqliteBooks::open(const std::string& path,
                                                       Database::Mode mode) {
  auto database = Database::open(path, mode);
  if (!database) return std::unexpected(std::move(database.error()));
  const bool writes = mode == Database::Mode::read_write;
  if (writes) {
    // The journal is what must not be lost; the file must only stay sound.
    constexpr const char* kPragmas =
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
        "PRAGMA wal_autocheckpoint = 8000; PRAGMA cache_size = -16000;";
    if (auto done = database->execute(kPragmas); !done) {
      return std::unexpected(std::move(done.error()));
    }
  }
  auto version = ask_number(*database, "PRAGMA user_version");
  if (!version) return std::unexpected(std::move(version.error()));
  if (*version == 0 && writes) {
    if (auto done = create(*database); !done) return std::unexpected(std::move(done.error()));
    *version = kSchemaVersion;
  }
  if (*version != kSchemaVersion) {
    return fail({ErrorCode::conflict, Fault::us, Retry::no,
                 fmt::format("{}: the books are of schema version {}, this program's is {}; "
                             "rebuild them from the journal",
                             path, *version, kSchemaVersion)});
  }
  std::unique_ptr<SqliteBooks> books(new SqliteBooks(std::move(*database)));
  if (writes) {
    if (auto done = books->prepare_writing(); !done) {
      return std::unexpected(std::move(done.error()));
    }
  }
  return books;
}

Status SqliteBooks::prepare_writing() {
  struct Wanted {
    Statement& statement;
    std::string_view sql;
  };
  const Wanted all[] = {
      {begin_, "BEGIN IMMEDIATE"},
      {commit_, "COMMIT"},
      {rollback_, "ROLLBACK"},
      {find_journal_, "SELECT journal, position FROM journals WHERE id = ?"},
      {put_journal_,
       "INSERT INTO journals (id, position, at_unix_ns) VALUES (?, ?, ?) "
       "ON CONFLICT (id) DO UPDATE SET position = excluded.position, "
       "at_unix_ns = excluded.at_unix_ns"},
      {put_account_, "INSERT INTO accounts VALUES (?, ?, ?, ?, ?)"},
      {put_balance_,
       "INSERT INTO balances VALUES (?, ?, ?, ?) ON CONFLICT (journal, account) DO UPDATE SET "
       "debits_nano = excluded.debits_nano, credits_nano = excluded.credits_nano"},
      {put_posting_, "INSERT INTO postings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
      {put_attempt_,
       "INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
      {put_request_,
       "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
       "?)"},
  };
  for (const Wanted& each : all) {
    auto statement = database_.prepare(each.sql);
    if (!statement) return std::unexpected(std::move(statement.error()));
    each.statement = std::move(*statement);
  }
  return {};
}

Result<std::optional<std::int64_t>> SqliteBooks::number_of(const ledger::JournalId& journal) {
  auto find = database_.prepare("SELECT journal FROM journals WHERE id = ?");
  if (!find) return std::unexpected(std::move(find.error()));
  const std::string id = to_string(journal);
  const auto row = find->bind(1, id).step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::nullopt;
  return find->number(0);
}

Result<Position> SqliteBooks::position(const ledger::JournalId& journal) {
  auto find = database_.prepare("SELECT position FROM journals WHERE id = ?");
  if (!find) return std::unexpected(std::move(find.error()));
  const std::string id = to_string(journal);
  const auto row = find->bind(1, id).step();
  if (!row) return std::unexpected(row.error());
  return Position(*row ? find->number(0) : 0);
}

Status SqliteBooks::write(const BookBatch& batch) {
  if (auto begun = begin_.run(); !begun) return begun;
  const auto undo = [this](Error error) -> Status {
    (void)rollback_.run();
    return std::unexpected(std::move(error));
  };
  // Asked within the transaction, so that two writers cannot both be right.
  const auto reached = position(batch.journal);
  if (!reached) return undo(reached.error());
  const auto wanted = follows(batch, *reached);
  if (!wanted) return undo(wanted.error());
  if (*wanted == Wanted::nothing) return rollback_.run();

  const std::string id = to_string(batch.journal);
  put_journal_.bind(1, id).bind(2, batch.last.count()).bind(3, batch.at.count());
  if (auto done = put_journal_.run(); !done) return undo(std::move(done.error()));
  const auto row = find_journal_.bind(1, id).step();
  if (!row) return undo(row.error());
  const std::int64_t journal = find_journal_.number(0);
  find_journal_.reset();
  if (auto done = write_rows(journal, batch); !done) return undo(std::move(done.error()));
  if (auto done = commit_.run(); !done) return undo(std::move(done.error()));
  return {};
}

Status SqliteBooks::write_rows(std::int64_t journal, const BookBatch& batch) {
  for (const AccountRow& row : batch.accounts) {
    if (auto done = put(put_account_, journal, row); !done) return done;
    const BalanceRow nothing{.account = row.number, .debits = 0, .credits = 0};
    if (auto done = put(put_balance_, journal, nothing); !done) return done;
  }
  for (const BalanceRow& row : batch.balances) {
    if (auto done = put(put_balance_, journal, row); !done) return done;
  }
  for (const PostingRow& row : batch.postings) {
    if (auto done = put(put_posting_, journal, row); !done) return done;
  }
  for (const AttemptRow& row : batch.attempts) {
    if (auto done = put(put_attempt_, journal, row); !done) return done;
  }
  for (const RequestRow& row : batch.requests) {
    if (auto done = put(put_request_, journal, row); !done) return done;
  }
  return {};
}

}  // namespace hanse::storage
