// src/adapters/storage/sqlite.h
// SQLite's C interface with owners and errors that say what happened.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace hanse::storage {

class Statement {
 public:
  Statement() = default;

  // Parameters count from 1. A text must live until the next `run`.
  Statement& bind(int parameter, std::int64_t value);
  Statement& bind(int parameter, std::string_view text);

  // Runs a statement that returns no rows, and makes it ready for the next.
  Status run();
  // Moves to the next row; false after the last, and ready for the next run.
  Result<bool> step();
  // Makes ready before the last row.
  void reset();

  // Of the current row, columns from 0.
  [[nodiscard]] std::int64_t number(int column) const;
  [[nodiscard]] std::string text(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Database {
 public:
  enum class Mode : std::uint8_t { read_only, read_write };

  // Fails: not_found; broken when the file is no database.
  static Result<Database> open(const std::string& path, Mode mode);

  Status execute(const char* sql);
  Result<Statement> prepare(std::string_view sql);

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  std::unique_ptr<sqlite3, Close> database_;
};

}  // namespace hanse::storage
