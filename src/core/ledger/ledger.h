// src/core/ledger/ledger.h
// Who owes what: the state machine over the entries of one journal.
//
// Live dispatch, recovery after a crash, the books' rebuild and an outsider's
// check all run this code over the same entries. It refuses whatever would
// break the books: a second posting of a request or an attempt, a settlement
// of something unknown, an amount that is not tokens x price, a posting across
// currencies. A refused entry changes nothing.
//
// Exactly-once needs no memory of the past. Numbers of requests rise, so a
// number at or below the highest one is either open (and in the table) or has
// ended for good. Memory is bounded by what is open, plus the accounts.
//
// Plain state: no I/O, no clock, no threads; allocates only while its tables
// grow to their largest use. One ledger belongs to one journal.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bounded.h"
#include "base/result.h"
#include "core/ledger/entry.h"
#include "core/ledger/entry_stream.h"

namespace hanse::ledger {

// Raises the balance of `debit`'s debits and `credit`'s credits.
struct Posting {
  AccountNumber debit;
  AccountNumber credit;
  Money amount;

  bool operator==(const Posting&) const = default;
};
// What one entry posts. The first line of a closing entry is always there,
// if only of zero; the others only when they are not zero.
using Postings = InlineVector<Posting, 3>;

struct Account {
  std::string path;
  AccountKind kind = AccountKind::receivable;
  Currency currency;
  Sum debits = 0;
  Sum credits = 0;

  // Positive when more was debited than credited.
  [[nodiscard]] Sum balance() const { return debits - credits; }
};

struct LedgerLimits {
  std::size_t open_requests_max = 65'536;
  std::size_t open_attempts_max = 131'072;
  std::size_t accounts_max = 1'000'000;
  std::size_t currencies_max = 16;
};

class Ledger {
 public:
  explicit Ledger(LedgerLimits limits = {});
  ~Ledger();
  Ledger(Ledger&&) noexcept;
  Ledger& operator=(Ledger&&) noexcept;

  // Checks `entry` against the state and books it; returns what was posted.
  // Fails, and changes nothing: conflict for what has already happened or
  // ended, not_found for what never was, at_capacity past a limit,
  // invalid_input for everything else that does not hold.
  Result<Postings> apply(const Entry& entry);

  // --- Accounts. Resolve once per configuration snapshot. ---

  [[nodiscard]] std::optional<AccountNumber> find(std::string_view path) const;
  [[nodiscard]] std::size_t accounts() const;
  [[nodiscard]] const Account& account(AccountNumber number) const;
  // The number of `path`, after registering it (and the house's own accounts
  // in its currency) if it is new. New entries are applied and given to `sink`.
  // Fails: conflict if the path stands for another kind or currency;
  // at_capacity.
  Result<AccountNumber> account_for(const AccountPath& path, AccountKind kind, Currency currency,
                                    WallTime at, EntrySink& sink);
  // The sum of the balances of all accounts whose path begins with `prefix`,
  // such as "receivable/acme/": what a tenant owes.
  [[nodiscard]] Sum balance_below(std::string_view prefix, Currency currency) const;

  // --- Where it stands. ---

  [[nodiscard]] Position position() const;  // entries applied, seals included
  [[nodiscard]] Epoch epoch() const;        // 0 before the first
  [[nodiscard]] WallTime last_at() const;
  [[nodiscard]] std::size_t open_requests() const;
  [[nodiscard]] std::size_t open_attempts() const;
  [[nodiscard]] bool is_open(RequestNumber request) const;
  // What is open, as a seal would say it.
  [[nodiscard]] std::optional<SealedHold> find_request(RequestNumber request) const;
  [[nodiscard]] std::optional<SealedAttempt> find_attempt(RequestNumber request,
                                                          AttemptNumber attempt) const;
  // Debits minus credits over all accounts of `currency`: zero, always.
  [[nodiscard]] Sum imbalance(Currency currency) const;
  [[nodiscard]] std::vector<Currency> currencies() const;

  // --- After a crash, and between segments. ---

  // Ends every request of earlier epochs. The tenant pays for what was last
  // confirmed; what may have left beyond it stands in suspense; the supplier's
  // side likewise (docs/ledger.md, "Crash"). Entries are applied and given to
  // `sink`, in the order of the requests' numbers.
  // Requires: the new epoch has started. Running it twice does nothing more.
  void close_open_requests_after_crash(WallTime at, EntrySink& sink);

  // Writes a seal: the state as entries, applied here and given to `sink`.
  void seal(WallTime at, EntrySink& sink);
  // True from SealBegun to SealEnded when this ledger began with a seal: the
  // state is not whole yet.
  [[nodiscard]] bool restoring() const;
  // A ledger that begins in mid-journal must be told where.
  // Requires: nothing has been applied.
  void begin_at(Position position);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hanse::ledger
