// src/adapters/storage/sqlite_rows.h
// Rows of the books as rows of SQLite's tables, in the order of the schema.
#pragma once

#include "adapters/storage/books.h"
#include "adapters/storage/sqlite.h"

namespace hanse::storage {

Status put(Statement& into, std::int64_t journal, const AccountRow& row);
Status put(Statement& into, std::int64_t journal, const BalanceRow& row);
Status put(Statement& into, std::int64_t journal, const PostingRow& row);
Status put(Statement& into, std::int64_t journal, const AttemptRow& row);
Status put(Statement& into, std::int64_t journal, const RequestRow& row);

// From the current row, whose columns begin with all of the table's.
// Fail: broken when a value is none that `put` writes.
Result<AccountRow> take_account(const Statement& row);
PostingRow take_posting(const Statement& row);
Result<AttemptRow> take_attempt(const Statement& row);
Result<RequestRow> take_request(const Statement& row);

inline constexpr int kAccountColumns = 5;
inline constexpr int kPostingColumns = 10;
inline constexpr int kAttemptColumns = 16;
inline constexpr int kRequestColumns = 20;

}  // namespace hanse::storage
