#include "adapters/storage/sqlite.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/check.h"

namespace hanse::storage {
namespace {

// How long a writer waits for a reader's checkpoint or the other way round.
constexpr int kBusyMilliseconds = 2'000;

std::unexpected<Error> failed(sqlite3* database, int code, std::string_view doing) {
  ErrorCode kind = ErrorCode::unavailable;
  Retry retry = Retry::later;
  switch (code & 0xFF) {
    case SQLITE_FULL: kind = ErrorCode::at_capacity; break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      kind = ErrorCode::broken;
      retry = Retry::no;
      break;
    case SQLITE_CONSTRAINT:
      kind = ErrorCode::conflict;
      retry = Retry::no;
      break;
    case SQLITE_CANTOPEN: kind = ErrorCode::not_found; break;
    default: break;
  }
  const char* const path = sqlite3_db_filename(database, "main");
  return fail({kind, Fault::us, retry,
               fmt::format("{}: cannot {}: {}", path == nullptr ? "" : path, doing,
                           sqlite3_errmsg(database))});
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Statement& Statement::bind(int parameter, std::int64_t value) {
  HANSE_CHECK(sqlite3_bind_int64(statement_.get(), parameter, value) == SQLITE_OK);
  return *this;
}

Statement& Statement::bind(int parameter, std::string_view text) {
  HANSE_CHECK(sqlite3_bind_text(statement_.get(), parameter, text.data(),
                                static_cast<int>(text.size()), SQLITE_STATIC) == SQLITE_OK);
  return *this;
}

Status Statement::run() {
  const auto more = step();
  if (!more) return std::unexpected(more.error());
  reset();
  return {};
}

Result<bool> Statement::step() {
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    reset();
    return false;
  }
  auto failure = failed(sqlite3_db_handle(statement_.get()), code, "run a statement");
  reset();
  return failure;
}

void Statement::reset() { sqlite3_reset(statement_.get()); }

std::int64_t Statement::number(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string Statement::text(int column) const {
  const auto* const bytes = sqlite3_column_text(statement_.get(), column);
  if (bytes == nullptr) return {};
  return {reinterpret_cast<const char*>(bytes),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

void Database::Close::operator()(sqlite3* database) const { sqlite3_close_v2(database); }

Result<Database> Database::open(const std::string& path, Mode mode) {
  // One thread at a time, so SQLite's own locks are not needed.
  const int flags =
      SQLITE_OPEN_NOMUTEX |
      (mode == Mode::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
  // Who owes what is for its owner alone; files beside it take its mode.
  if (mode != Mode::read_only) {
    const int made = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (made >= 0) ::close(made);
  }
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags, nullptr);
  Database database;
  database.database_.reset(raw);
  if (code != SQLITE_OK) return failed(raw, code, "open " + path);
  sqlite3_busy_timeout(raw, kBusyMilliseconds);
  return database;
}

Status Database::execute(const char* sql) {
  const int code = sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failed(database_.get(), code, "run a statement");
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  const int code = sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, nullptr);
  if (code != SQLITE_OK) return failed(database_.get(), code, "prepare a statement");
  Statement statement;
  statement.statement_.reset(raw);
  return statement;
}

}  // namespace hanse::storage
