// src/adapters/storage/sqlite_schema.h
// The schema of the books in SQLite. Amounts are whole nano-units of the
// account's currency, times are nanoseconds since 1970 UTC. Sums of an account
// are decimal text, for they may pass 64 bits.
#pragma once

namespace hanse::storage {

// PRAGMA user_version. Another version is rebuilt from the journal rather than
// migrated.
inline constexpr int kSchemaVersion = 1;

inline constexpr const char* kCreateSchema = R"sql(
CREATE TABLE journals (
  journal INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  position INTEGER NOT NULL,
  at_unix_ns INTEGER NOT NULL
);
CREATE TABLE accounts (
  journal INTEGER NOT NULL,
  account INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  currency TEXT NOT NULL,
  path TEXT NOT NULL,
  PRIMARY KEY (journal, account)
) WITHOUT ROWID;
CREATE TABLE balances (
  journal INTEGER NOT NULL,
  account INTEGER NOT NULL,
  debits_nano TEXT NOT NULL,
  credits_nano TEXT NOT NULL,
  PRIMARY KEY (journal, account)
) WITHOUT ROWID;
CREATE TABLE postings (
  journal INTEGER NOT NULL,
  position INTEGER NOT NULL,
  line INTEGER NOT NULL,
  at_unix_ns INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  debit INTEGER NOT NULL,
  credit INTEGER NOT NULL,
  amount_nano INTEGER NOT NULL,
  PRIMARY KEY (journal, position, line)
) WITHOUT ROWID;
CREATE TABLE attempts (
  journal INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  payable INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  prompt_tokens INTEGER NOT NULL,
  cached_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  flags INTEGER NOT NULL,
  owed_nano INTEGER NOT NULL,
  in_doubt_nano INTEGER NOT NULL,
  opened_unix_ns INTEGER NOT NULL,
  closed_unix_ns INTEGER NOT NULL,
  PRIMARY KEY (journal, epoch, sequence, attempt)
) WITHOUT ROWID;
CREATE TABLE requests (
  journal INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  receivable INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  prompt_tokens INTEGER NOT NULL,
  cached_read_tokens INTEGER NOT NULL,
  cache_write_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  flags INTEGER NOT NULL,
  held_nano INTEGER NOT NULL,
  charged_nano INTEGER NOT NULL,
  written_off_nano INTEGER NOT NULL,
  in_doubt_nano INTEGER NOT NULL,
  last_attempt INTEGER NOT NULL,
  opened_unix_ns INTEGER NOT NULL,
  closed_unix_ns INTEGER NOT NULL,
  opened_position INTEGER NOT NULL,
  closed_position INTEGER NOT NULL,
  PRIMARY KEY (journal, epoch, sequence)
) WITHOUT ROWID;
CREATE TABLE kinds (kind INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE outcomes (outcome INTEGER PRIMARY KEY, name TEXT NOT NULL);
)sql";

}  // namespace hanse::storage
