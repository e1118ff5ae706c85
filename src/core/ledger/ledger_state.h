// src/core/ledger/ledger_state.h
// The state behind a Ledger and the rule for each kind of entry. Each rule
// checks everything first and changes the state only when nothing is left
// that could refuse. Inside the module; others use ledger.h.
#pragma once

#include <vector>

#include "core/ledger/account_registry.h"
#include "core/ledger/ledger.h"
#include "core/ledger/open_requests.h"

namespace hanse::ledger {

// Past this a count of tokens is nonsense, and no sum of costs can overflow.
inline constexpr Tokens kTokensMax{std::int64_t{1} << 40};

// A seal under way: either checked against the state, or the state's source.
struct SealUnderWay {
  enum class Mode : std::uint8_t { none, checking, restoring };

  Mode mode = Mode::none;
  SealBegun begun;
  std::uint32_t accounts = 0;
  std::uint32_t holds = 0;
  std::uint32_t attempts = 0;
  RequestNumber hold;  // the last one sealed
  // When checking: what must come.
  std::vector<RequestNumber> numbers;
  std::vector<AttemptNumber> attempts_left;  // of `hold`, last first
};

struct Ledger::State {
  explicit State(const LedgerLimits& limits)
      : registry(limits.accounts_max, limits.currencies_max),
        open(limits.open_requests_max, limits.open_attempts_max) {}

  Result<Postings> on(const EpochStarted& entry);
  Result<Postings> on(const AccountRegistered& entry);
  Result<Postings> on(const HoldOpened& entry);
  Result<Postings> on(const AttemptOpened& entry);
  Result<Postings> on(const Watermark& entry);
  Result<Postings> on(const AttemptClosed& entry);
  Result<Postings> on(const RequestClosed& entry);
  Result<Postings> on(const HoldReleased& entry);
  Result<Postings> on(const AttemptLost& entry);
  Result<Postings> on(const RequestLost& entry);
  Result<Postings> on(const SealBegun& entry);
  Result<Postings> on(const SealedAccount& entry);
  Result<Postings> on(const SealedHold& entry);
  Result<Postings> on(const SealedAttempt& entry);
  Result<Postings> on(const SealEnded& entry);
  Result<Postings> on(const RequestRefused& entry);

  // The seal's entries for the state as it stands.
  [[nodiscard]] SealBegun seal_begun() const;
  [[nodiscard]] SealedAccount sealed_account(AccountNumber number) const;
  [[nodiscard]] static SealedHold sealed_hold(const OpenRequest& request);
  [[nodiscard]] static SealedAttempt sealed_attempt(const OpenAttempt& attempt);

  // What a crash makes of an open attempt or request.
  [[nodiscard]] static AttemptLost lost(const OpenAttempt& attempt);
  [[nodiscard]] static RequestLost lost(const OpenRequest& request);

  // The open request, if this epoch may go on with it.
  Result<OpenRequest*> live(RequestNumber number);
  // The open request, if a crash of an earlier epoch left it.
  Result<OpenRequest*> left_behind(RequestNumber number);
  [[nodiscard]] Error not_open(RequestNumber number) const;
  // Whether a request of this number may come now: numbers rise.
  [[nodiscard]] Status may_come(RequestNumber number) const;
  Status has_house_accounts(AccountNumber number) const;
  void post(Postings& postings, AccountNumber debit, AccountNumber credit, Money amount);

  // Of the entry that is being applied.
  WallTime now;

  AccountRegistry registry;
  OpenRequests open;
  Position position;
  bool begun_in_the_middle = false;
  Epoch epoch;
  std::int64_t last_sequence = 0;
  WallTime last_at;
  SealUnderWay seal;
};

}  // namespace hanse::ledger
