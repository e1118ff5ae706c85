// The rules for seals: read at the beginning they restore the state, read
// later they check it.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "core/ledger/ledger_state.h"
#include "core/ledger/refuse.h"

namespace hanse::ledger {
namespace {

using Mode = SealUnderWay::Mode;

std::unexpected<Error> disagrees(std::string_view what) {
  return refuse(ErrorCode::broken, fmt::format("the seal disagrees with the entries: {}", what));
}

}  // namespace

SealBegun Ledger::State::seal_begun() const {
  return {.epoch = epoch,
          .last_sequence = last_sequence,
          .accounts = static_cast<std::uint32_t>(registry.size()),
          .holds = static_cast<std::uint32_t>(open.requests())};
}

SealedAccount Ledger::State::sealed_account(AccountNumber number) const {
  const Account* const account = registry.account(number);
  HANSE_CHECK(account != nullptr);
  return {.account = registry.registered(number),
          .debits = account->debits,
          .credits = account->credits};
}

SealedHold Ledger::State::sealed_hold(const OpenRequest& request) {
  return {.hold = request.hold,
          .opened_at = request.opened_at,
          .opened = request.opened,
          .last_attempt = request.last_attempt,
          .progress = request.progress};
}

SealedAttempt Ledger::State::sealed_attempt(const OpenAttempt& attempt) {
  return {.attempt = attempt.opened,
          .opened_at = attempt.opened_at,
          .watermarked = attempt.watermarked,
          .progress = attempt.progress};
}

Result<Postings> Ledger::State::on(const SealBegun& entry) {
  if (position == Position(0)) {
    return refuse(ErrorCode::broken, "a journal cannot begin with balances from nowhere");
  }
  const bool first = begun_in_the_middle && registry.size() == 0 && epoch == Epoch(0);
  if (!first && entry != seal_begun()) return disagrees("counts or epoch");
  seal = {};
  seal.begun = entry;
  if (first) {
    seal.mode = Mode::restoring;
    epoch = entry.epoch;
    last_sequence = entry.last_sequence;
  } else {
    seal.mode = Mode::checking;
    seal.numbers = open.numbers();
  }
  return Postings{};
}

Result<Postings> Ledger::State::on(const SealedAccount& entry) {
  const AccountNumber number(seal.accounts);
  if (seal.accounts == seal.begun.accounts || seal.holds != 0) return disagrees("accounts");
  if (seal.mode == Mode::checking) {
    if (entry != sealed_account(number)) {
      return disagrees(fmt::format("account {}", registry.account(number)->path));
    }
  } else {
    if (entry.debits < 0 || entry.credits < 0) return disagrees("a negative sum");
    if (auto added = registry.add(entry.account); !added) {
      return std::unexpected(std::move(added.error()));
    }
    registry.set_balance(number, entry.debits, entry.credits);
  }
  ++seal.accounts;
  return Postings{};
}

Result<Postings> Ledger::State::on(const SealedHold& entry) {
  if (seal.accounts != seal.begun.accounts || seal.holds == seal.begun.holds ||
      !seal.attempts_left.empty()) {
    return disagrees("holds");
  }
  const RequestNumber number = entry.hold.request;
  if (seal.mode == Mode::checking) {
    OpenRequest& request = *open.find(seal.numbers[seal.holds]);
    if (entry != sealed_hold(request)) return disagrees("a hold");
    seal.attempts_left = open.attempts_of(request);
    std::ranges::reverse(seal.attempts_left);
  } else {
    const Account* const account = registry.account(entry.hold.receivable);
    const bool in_order = seal.holds == 0 || seal.hold < number;
    const bool known =
        number.epoch < epoch || (number.epoch == epoch && number.sequence <= last_sequence);
    if (!in_order || !known || account == nullptr || account->kind != AccountKind::receivable ||
        !has_house_accounts(entry.hold.receivable)) {
      return disagrees("a hold");
    }
    if (open.requests_full()) {
      return refuse(ErrorCode::at_capacity,
                    fmt::format("{} requests are open, which is the most", open.requests()));
    }
    OpenRequest& request = open.insert(entry.hold);
    request.opened_at = entry.opened_at;
    request.opened = entry.opened;
    request.last_attempt = entry.last_attempt;
    request.progress = entry.progress;
  }
  seal.hold = number;
  ++seal.holds;
  return Postings{};
}

Result<Postings> Ledger::State::on(const SealedAttempt& entry) {
  if (seal.holds == 0 || entry.attempt.request != seal.hold) return disagrees("attempts");
  OpenRequest& request = *open.find(seal.hold);
  if (seal.mode == Mode::checking) {
    if (seal.attempts_left.empty() ||
        entry != sealed_attempt(*open.find(request, seal.attempts_left.back()))) {
      return disagrees("an attempt");
    }
    seal.attempts_left.pop_back();
  } else {
    const AttemptNumber attempt = entry.attempt.attempt;
    const Account* const account = registry.account(entry.attempt.payable);
    if (attempt < AttemptNumber{1} || attempt > request.last_attempt ||
        open.find(request, attempt) != nullptr || account == nullptr ||
        account->kind != AccountKind::payable || !has_house_accounts(entry.attempt.payable)) {
      return disagrees("an attempt");
    }
    if (open.attempts_full()) {
      return refuse(ErrorCode::at_capacity,
                    fmt::format("{} attempts are open, which is the most", open.attempts()));
    }
    OpenAttempt& restored = open.insert(request, entry.attempt);
    restored.opened_at = entry.opened_at;
    restored.watermarked = entry.watermarked;
    restored.progress = entry.progress;
  }
  ++seal.attempts;
  return Postings{};
}

Result<Postings> Ledger::State::on(const SealEnded& entry) {
  if (entry.accounts != seal.accounts || entry.holds != seal.holds ||
      entry.attempts != seal.attempts || seal.accounts != seal.begun.accounts ||
      seal.holds != seal.begun.holds || !seal.attempts_left.empty()) {
    return disagrees("its end");
  }
  for (const Currency currency : registry.currencies()) {
    if (registry.imbalance(currency) != 0) return disagrees("the balances do not sum to zero");
  }
  seal = {};
  return Postings{};
}

}  // namespace hanse::ledger
