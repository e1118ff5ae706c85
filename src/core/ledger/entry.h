// src/core/ledger/entry.h
// Entries: what a shard writes down, in order, before it acts on it.
//
// The life of a request in entries:
//
//   hold_opened                      the most it can cost is set aside
//     attempt_opened                 before a site is sent anything
//       watermark ...                before the tokens it speaks of may leave
//     attempt_closed                 what the supplier is owed, for ever
//     (more attempts)
//   request_closed | hold_released   what the tenant owes, for ever
//
// A request that is refused before anything is set aside has one entry,
//
//   request_refused                  and posts nothing.
//
// All that decides an amount travels in the entries (prices at admission,
// tokens by kind), so an outsider can recompute every amount from them alone.
// Entries are plain values without heap; amounts are nano-units of the
// currency of the account they are booked to.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <variant>

#include "base/money.h"
#include "base/time.h"
#include "base/usage.h"
#include "core/ledger/account.h"
#include "core/ledger/request_id.h"

namespace hanse::ledger {

// A sum that cannot overflow: 2^63 postings of 2^63 nano-units fit.
using Sum = __int128;

// The first attempt of a request is 1; numbers rise and are never reused.
enum class AttemptNumber : std::uint8_t {};

// How an attempt or a request ended. The numbers stand in files.
enum class Outcome : std::uint8_t {
  completed = 1,
  failed = 2,     // an error before anything was delivered
  cut = 3,        // broken off after something was delivered
  cancelled = 4,  // the client left, or another attempt won
  timed_out = 5,
  lost = 6,  // we crashed; written by recovery only
};
std::string_view to_string(Outcome outcome);

// Why nothing was set aside for a request. The numbers stand in files.
enum class Refusal : std::uint8_t {
  by_law = 1,       // the gate permits no site
  over_rate = 2,    // of its tenant, project or key
  over_budget = 3,  // likewise
  at_capacity = 4,  // every permitted site is full, or a bound of ours is reached
  no_site = 5,      // no permitted site works just now
};
std::string_view to_string(Refusal refusal);

// How far an answer is known to be, and how far it may be.
struct Progress {
  TokenCounts confirmed;  // known to have been delivered
  TokenCounts may_leave;  // at most this much can have been

  bool operator==(const Progress&) const = default;
};

// A journal was opened; requests of earlier epochs can no longer go on.
struct EpochStarted {
  Epoch epoch;
  // The machine's boot id: tells a killed process from lost power.
  std::array<std::uint8_t, 16> machine_boot{};

  bool operator==(const EpochStarted&) const = default;
};

struct AccountRegistered {
  AccountNumber number;  // the next free one
  AccountKind kind = AccountKind::receivable;
  Currency currency;
  AccountPath path;

  bool operator==(const AccountRegistered&) const = default;
};

// The request is admitted: `amount` of the tenant's money is set aside.
struct HoldOpened {
  RequestNumber request;
  AccountNumber receivable;  // of the key that asks
  Money amount;              // the most the tenant can be charged
  TokenPrices prices;        // the tenant's, at admission

  bool operator==(const HoldOpened&) const = default;
};

struct AttemptOpened {
  RequestNumber request;
  AttemptNumber attempt{};
  AccountNumber payable;   // of the site
  TokenPrices prices;      // the supplier's, at admission
  TokenCounts tokens_max;  // the most the supplier can bill for

  bool operator==(const AttemptOpened&) const = default;
};

// More may leave from now on. Both sides count from the beginning: `tenant`
// over the whole request, `supplier` over this attempt; they are the same in
// a request that has one attempt. No count ever falls, confirmed stays within
// may_leave, and no more output is confirmed than the watermark before let go.
struct Watermark {
  RequestNumber request;
  AttemptNumber attempt{};
  Progress tenant;
  Progress supplier;

  bool operator==(const Watermark&) const = default;
};

struct AttemptClosed {
  RequestNumber request;
  AttemptNumber attempt{};
  Outcome outcome = Outcome::completed;
  Usage usage;  // what the supplier is paid for
  Money owed;   // usage at the supplier's prices, rounded once

  bool operator==(const AttemptClosed&) const = default;
};

// charged + written_off is the usage at the tenant's prices, rounded once;
// written_off is what lies above the hold, ours to bear.
struct RequestClosed {
  RequestNumber request;
  Outcome outcome = Outcome::completed;
  Usage usage;  // what the tenant pays for
  Money charged;
  Money written_off;

  bool operator==(const RequestClosed&) const = default;
};

// The request ended and the tenant owes nothing.
struct HoldReleased {
  RequestNumber request;
  Outcome outcome = Outcome::failed;

  bool operator==(const HoldReleased&) const = default;
};

// What a crash left open, ended by the epoch after it. `in_doubt` is the gap
// between what was confirmed and what may have been, and stands in suspense.
struct AttemptLost {
  RequestNumber request;
  AttemptNumber attempt{};
  Progress progress;
  Money owed;
  Money in_doubt;

  bool operator==(const AttemptLost&) const = default;
};

struct RequestLost {
  RequestNumber request;
  Progress progress;
  Money charged;
  Money written_off;
  Money in_doubt;

  bool operator==(const RequestLost&) const = default;
};

// A seal: all balances, holds and attempts as they stand, in order, so that a
// reader may begin here. Over a ledger that read everything before, a seal is
// a check: it must say what the ledger already knows.
struct SealBegun {
  Epoch epoch;
  std::int64_t last_sequence = 0;  // the highest request of the epoch
  std::uint32_t accounts = 0;
  std::uint32_t holds = 0;

  bool operator==(const SealBegun&) const = default;
};
struct SealedAccount {
  AccountRegistered account;
  Sum debits = 0;
  Sum credits = 0;

  bool operator==(const SealedAccount&) const = default;
};
struct SealedHold {
  HoldOpened hold;
  WallTime opened_at;
  Position opened;
  AttemptNumber last_attempt{};
  Progress progress;

  bool operator==(const SealedHold&) const = default;
};
struct SealedAttempt {
  AttemptOpened attempt;
  WallTime opened_at;
  bool watermarked = false;  // without one, anything up to tokens_max may have been
  Progress progress;

  bool operator==(const SealedAttempt&) const = default;
};
struct SealEnded {
  std::uint32_t accounts = 0;
  std::uint32_t holds = 0;
  std::uint32_t attempts = 0;

  bool operator==(const SealEnded&) const = default;
};

// The request was refused before anything was set aside: its first entry and
// its last. Its number is used up like that of any other.
struct RequestRefused {
  RequestNumber request;
  Refusal why = Refusal::by_law;

  bool operator==(const RequestRefused&) const = default;
};

using EntryBody =
    std::variant<EpochStarted, AccountRegistered, HoldOpened, AttemptOpened, Watermark,
                 AttemptClosed, RequestClosed, HoldReleased, AttemptLost, RequestLost, SealBegun,
                 SealedAccount, SealedHold, SealedAttempt, SealEnded, RequestRefused>;

struct Entry {
  WallTime at;  // never backwards within a journal
  EntryBody body;

  bool operator==(const Entry&) const = default;
};

// "hold_opened" and so on.
std::string_view kind_name(const EntryBody& body);

}  // namespace hanse::ledger
