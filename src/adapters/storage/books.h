// src/adapters/storage/books.h
// The books: what the journal says, laid out for questions. A projection, fed
// in batches by sequence, that can be thrown away and rebuilt from the journal
// to the last digit. The port, and the rows that every store keeps.
//
// Several journals (shards) may share one store; accounts and positions belong
// to a journal, and the questions join accounts of the same path.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/result.h"
#include "core/ledger/entry.h"
#include "core/ledger/request_id.h"

namespace hanse::storage {

// --- Rows, as they are written. ---

struct AccountRow {
  ledger::AccountNumber number;
  ledger::AccountKind kind = ledger::AccountKind::receivable;
  ledger::Currency currency;
  std::string path;
};

struct BalanceRow {
  ledger::AccountNumber account;
  ledger::Sum debits = 0;  // all that was ever debited, not the batch's part
  ledger::Sum credits = 0;
};

struct PostingRow {
  ledger::Position position;  // of the entry that posted it
  std::int64_t line = 0;      // within the entry, from 0
  WallTime at;
  ledger::RequestNumber request;
  ledger::AttemptNumber attempt{};  // 0 for the request's own posting
  ledger::AccountNumber debit;
  ledger::AccountNumber credit;
  Money amount;
};

struct AttemptRow {
  ledger::RequestNumber request;
  ledger::AttemptNumber attempt{};
  ledger::AccountNumber payable;
  ledger::Outcome outcome = ledger::Outcome::completed;
  Usage usage;
  Money owed;
  Money in_doubt;
  WallTime opened_at;
  WallTime closed_at;
};

struct RequestRow {
  ledger::RequestNumber request;
  ledger::AccountNumber receivable;
  ledger::Outcome outcome = ledger::Outcome::completed;
  Usage usage;
  Money held;
  Money charged;
  Money written_off;
  Money in_doubt;
  ledger::AttemptNumber last_attempt{};
  WallTime opened_at;
  WallTime closed_at;
  ledger::Position opened;
  ledger::Position closed;
};

// What the entries after `after` up to `last` came to. Only what has ended has
// rows: a request, an attempt, a posting is written once and never changed.
struct BookBatch {
  ledger::JournalId journal;
  ledger::Position after;
  ledger::Position last;
  WallTime at;  // of the last entry
  std::vector<AccountRow> accounts;
  std::vector<BalanceRow> balances;  // of the accounts that changed
  std::vector<PostingRow> postings;
  std::vector<AttemptRow> attempts;
  std::vector<RequestRow> requests;

  [[nodiscard]] std::size_t rows() const {
    return accounts.size() + postings.size() + attempts.size() + requests.size();
  }
};

// --- Answers. ---

struct BookedBalance {
  std::string path;
  ledger::AccountKind kind = ledger::AccountKind::receivable;
  ledger::Currency currency;
  ledger::Sum debits = 0;
  ledger::Sum credits = 0;

  [[nodiscard]] ledger::Sum balance() const { return debits - credits; }
  bool operator==(const BookedBalance&) const = default;
};

// What one site earned with one key's requests.
struct BookedCost {
  std::string receivable;
  std::string payable;
  std::int64_t attempts = 0;
  ledger::Sum owed = 0;
  ledger::Sum in_doubt = 0;

  bool operator==(const BookedCost&) const = default;
};

struct BookedPosting {
  PostingRow row;
  std::string debit;
  std::string credit;
};

struct BookedAttempt {
  AttemptRow row;
  std::string payable;
};

struct BookedRequest {
  RequestRow row;
  std::string receivable;
  std::vector<BookedAttempt> attempts;
  std::vector<BookedPosting> postings;
};

// --- The port. One thread at a time. ---

class Books {
 public:
  virtual ~Books() = default;

  // Up to which entry a journal has been booked; zero for an unknown one.
  virtual Result<ledger::Position> position(const ledger::JournalId& journal) = 0;

  // Writes the batch as a whole or not at all. A batch that is there already
  // changes nothing, so whoever did not hear the answer writes it again.
  // Fails: conflict when it does not follow what is there; what the store
  // reports, with Retry::later when trying again may help.
  virtual Status write(const BookBatch& batch) = 0;

  // All accounts, by path; sums over all journals.
  virtual Result<std::vector<BookedBalance>> balances() = 0;
  // By receivable, then payable path.
  virtual Result<std::vector<BookedCost>> costs() = 0;
  // The first `limit` postings of entries after `after`.
  virtual Result<std::vector<BookedPosting>> postings(const ledger::JournalId& journal,
                                                      ledger::Position after,
                                                      std::size_t limit) = 0;
  // Nothing when it is unknown or has not ended.
  virtual Result<std::optional<BookedRequest>> request(const ledger::RequestId& id) = 0;

  // Every row as a line of text, in an order that is the same for all stores.
  virtual Status dump(const std::function<void(std::string_view line)>& to) = 0;
};

// Two stores with the same digest hold the same books.
Result<Sha256> digest_of(Books& books);

// The lines of `dump`.
std::string to_line(const ledger::JournalId& journal, ledger::Position position, WallTime at);
std::string to_line(const AccountRow& row, const BalanceRow& balance);
std::string to_line(const PostingRow& row);
std::string to_line(const AttemptRow& row);
std::string to_line(const RequestRow& row);

// A sum in nano-units as a decimal number, and back.
std::string to_digits(ledger::Sum sum);
// Nothing when `text` is no such number.
std::optional<ledger::Sum> sum_of_digits(std::string_view text);

}  // namespace hanse::storage
