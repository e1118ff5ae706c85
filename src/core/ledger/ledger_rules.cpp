// The rules for the entries of a request's life.
#include <algorithm>
#include <limits>
#include <string>

#include <fmt/format.h>

#include "base/check.h"
#include "core/ledger/ledger_state.h"
#include "core/ledger/refuse.h"

namespace hanse::ledger {
namespace {

// Above this an amount was cut off at the end of 64 bits.
constexpr Money kMoneyMax{std::numeric_limits<std::int64_t>::max()};

std::string name(RequestNumber number) {
  return fmt::format("request {}.{}", number.epoch.count(), number.sequence);
}

std::string name(RequestNumber number, AttemptNumber attempt) {
  return fmt::format("attempt {} of {}", static_cast<int>(attempt), name(number));
}

bool valid(const TokenCounts& tokens) {
  return std::all_of(tokens.values.begin(), tokens.values.end(),
                     [](Tokens t) { return t >= Tokens(0) && t <= kTokensMax; });
}

bool valid(const TokenPrices& prices) {
  return std::all_of(prices.values.begin(), prices.values.end(),
                     [](TokenPrice p) { return p >= TokenPrice(0); });
}

bool valid(Outcome outcome) {
  return outcome >= Outcome::completed && outcome <= Outcome::timed_out;
}

bool at_least(const TokenCounts& a, const TokenCounts& b) {
  return std::ranges::all_of(kAllTokenKinds, [&](TokenKind kind) { return a[kind] >= b[kind]; });
}

Tokens generated(const TokenCounts& tokens) {
  return tokens[TokenKind::output] + tokens[TokenKind::reasoning];
}

bool follows(const Progress& next, const Progress& last) {
  return valid(next.may_leave) && at_least(next.may_leave, next.confirmed) &&
         at_least(next.confirmed, last.confirmed) && at_least(next.may_leave, last.may_leave);
}

}  // namespace

Error Ledger::State::not_open(RequestNumber number) const {
  const bool known = number.epoch < epoch
                         ? number.epoch >= Epoch(1)
                         : number.epoch == epoch && number.sequence <= last_sequence;
  if (known && number.sequence >= 1) {
    return {ErrorCode::conflict, Fault::us, Retry::no, name(number) + " has already ended"};
  }
  return {ErrorCode::not_found, Fault::us, Retry::no, name(number) + " was never opened"};
}

Result<OpenRequest*> Ledger::State::live(RequestNumber number) {
  OpenRequest* const request = open.find(number);
  if (request == nullptr) return std::unexpected(not_open(number));
  if (number.epoch != epoch) {
    return refuse(ErrorCode::conflict,
                  name(number) + " was left behind by a crash; it can only be lost");
  }
  return request;
}

Result<OpenRequest*> Ledger::State::left_behind(RequestNumber number) {
  OpenRequest* const request = open.find(number);
  if (request == nullptr) return std::unexpected(not_open(number));
  if (number.epoch >= epoch) {
    return refuse(ErrorCode::conflict, name(number) + " is under way and not lost");
  }
  return request;
}

Status Ledger::State::may_come(RequestNumber number) const {
  if (number.epoch != epoch || number.sequence < 1 || number.sequence > kSequenceMax) {
    return refuse(ErrorCode::invalid_input,
                  fmt::format("{} is not one of epoch {}", name(number), epoch.count()));
  }
  if (number.sequence <= last_sequence) {
    return refuse(ErrorCode::conflict,
                  fmt::format("{} comes after request {}.{}: numbers must rise, none comes twice",
                              name(number), epoch.count(), last_sequence));
  }
  return {};
}

Status Ledger::State::has_house_accounts(AccountNumber number) const {
  for (auto kind = static_cast<int>(AccountKind::revenue);
       kind <= static_cast<int>(AccountKind::suspense_payable); ++kind) {
    if (!registry.house(static_cast<AccountKind>(kind), number).valid()) {
      return refuse(
          ErrorCode::not_found,
          fmt::format("account {} has no {} account in its currency",
                      registry.account(number)->path, to_string(static_cast<AccountKind>(kind))));
    }
  }
  return {};
}

void Ledger::State::post(Postings& postings, AccountNumber debit, AccountNumber credit,
                         Money amount) {
  if (amount != Money(0) || postings.empty()) {
    postings.push({.debit = debit, .credit = credit, .amount = amount});
  }
}

Result<Postings> Ledger::State::on(const EpochStarted& entry) {
  if (entry.epoch != epoch + Epoch(1) || entry.epoch > kEpochMax) {
    return refuse(ErrorCode::conflict, fmt::format("epoch {} does not follow epoch {}",
                                                   entry.epoch.count(), epoch.count()));
  }
  epoch = entry.epoch;
  last_sequence = 0;
  seal = {};
  return Postings{};
}

Result<Postings> Ledger::State::on(const AccountRegistered& entry) {
  if (auto added = registry.add(entry); !added) return std::unexpected(std::move(added.error()));
  return Postings{};
}

Result<Postings> Ledger::State::on(const HoldOpened& entry) {
  const RequestNumber number = entry.request;
  if (auto may = may_come(number); !may) return std::unexpected(std::move(may.error()));
  const Account* const account = registry.account(entry.receivable);
  if (account == nullptr || account->kind != AccountKind::receivable) {
    return refuse(ErrorCode::not_found, name(number) + " names no receivable account");
  }
  if (auto chart = has_house_accounts(entry.receivable); !chart) {
    return std::unexpected(std::move(chart.error()));
  }
  if (entry.amount < Money(0) || entry.amount == kMoneyMax || !valid(entry.prices)) {
    return refuse(ErrorCode::invalid_input, name(number) + " has a hold or a price out of range");
  }
  if (open.requests_full()) {
    return refuse(ErrorCode::at_capacity,
                  fmt::format("{} requests are open, which is the most", open.requests()));
  }
  OpenRequest& request = open.insert(entry);
  request.opened_at = now;
  request.opened = position + Position(1);
  last_sequence = number.sequence;
  return Postings{};
}

Result<Postings> Ledger::State::on(const AttemptOpened& entry) {
  const auto request = live(entry.request);
  if (!request) return std::unexpected(request.error());
  if (entry.attempt <= (*request)->last_attempt) {
    return refuse(ErrorCode::conflict,
                  name(entry.request, entry.attempt) + " comes twice or after a later one");
  }
  const Account* const account = registry.account(entry.payable);
  if (account == nullptr || account->kind != AccountKind::payable) {
    return refuse(ErrorCode::not_found,
                  name(entry.request, entry.attempt) + " names no payable account");
  }
  if (auto chart = has_house_accounts(entry.payable); !chart) {
    return std::unexpected(std::move(chart.error()));
  }
  if (!valid(entry.prices) || !valid(entry.tokens_max)) {
    return refuse(ErrorCode::invalid_input,
                  name(entry.request, entry.attempt) + " has a price or a bound out of range");
  }
  if (open.attempts_full()) {
    return refuse(ErrorCode::at_capacity,
                  fmt::format("{} attempts are open, which is the most", open.attempts()));
  }
  open.insert(**request, entry).opened_at = now;
  (*request)->last_attempt = entry.attempt;
  return Postings{};
}

Result<Postings> Ledger::State::on(const Watermark& entry) {
  const auto request = live(entry.request);
  if (!request) return std::unexpected(request.error());
  OpenAttempt* const attempt = open.find(**request, entry.attempt);
  if (attempt == nullptr) {
    return refuse(ErrorCode::conflict, name(entry.request, entry.attempt) + " is not open");
  }
  const Progress supplier_last = attempt->watermarked ? attempt->progress : Progress{};
  if (!follows(entry.tenant, (*request)->progress) || !follows(entry.supplier, supplier_last)) {
    return refuse(ErrorCode::invalid_input, "a watermark of " + name(entry.request, entry.attempt) +
                                                " falls, or confirms more than may leave");
  }
  if (generated(entry.tenant.confirmed) > generated((*request)->progress.may_leave)) {
    return refuse(ErrorCode::invalid_input, "a watermark of " + name(entry.request, entry.attempt) +
                                                " confirms output that was never let go");
  }
  attempt->watermarked = true;
  attempt->progress = entry.supplier;
  (*request)->progress = entry.tenant;
  return Postings{};
}

Result<Postings> Ledger::State::on(const AttemptClosed& entry) {
  const auto request = live(entry.request);
  if (!request) return std::unexpected(request.error());
  const OpenAttempt* const attempt = open.find(**request, entry.attempt);
  if (attempt == nullptr) {
    const bool ended = entry.attempt <= (*request)->last_attempt;
    return refuse(
        ended ? ErrorCode::conflict : ErrorCode::not_found,
        name(entry.request, entry.attempt) + (ended ? " has already ended" : " was never opened"));
  }
  if (!valid(entry.outcome) || !valid(entry.usage.tokens)) {
    return refuse(ErrorCode::invalid_input,
                  name(entry.request, entry.attempt) + " has an outcome or usage out of range");
  }
  const Money due = cost(entry.usage.tokens, attempt->opened.prices);
  if (entry.owed != due || due == kMoneyMax) {
    return refuse(ErrorCode::invalid_input, fmt::format("{} owes {} for usage that costs {}",
                                                        name(entry.request, entry.attempt),
                                                        to_decimal(entry.owed), to_decimal(due)));
  }
  Postings postings;
  const AccountNumber payable = attempt->opened.payable;
  post(postings, registry.house(AccountKind::cost, payable), payable, entry.owed);
  open.erase(**request, entry.attempt);
  return postings;
}

Result<Postings> Ledger::State::on(const RequestClosed& entry) {
  const auto request = live(entry.request);
  if (!request) return std::unexpected(request.error());
  if ((*request)->attempts_open != 0) {
    return refuse(ErrorCode::conflict, name(entry.request) + " has an open attempt");
  }
  if (!valid(entry.outcome) || !valid(entry.usage.tokens)) {
    return refuse(ErrorCode::invalid_input,
                  name(entry.request) + " has an outcome or usage out of range");
  }
  const HoldOpened& hold = (*request)->hold;
  const Money due = cost(entry.usage.tokens, hold.prices);
  const Money charged = std::min(due, hold.amount);
  if (entry.charged != charged || entry.written_off != due - charged || due == kMoneyMax) {
    return refuse(
        ErrorCode::invalid_input,
        fmt::format("{} charges {} and writes off {} where usage costs {} and {} is held",
                    name(entry.request), to_decimal(entry.charged), to_decimal(entry.written_off),
                    to_decimal(due), to_decimal(hold.amount)));
  }
  Postings postings;
  const AccountNumber revenue = registry.house(AccountKind::revenue, hold.receivable);
  post(postings, hold.receivable, revenue, entry.charged);
  post(postings, registry.house(AccountKind::write_off, hold.receivable), revenue,
       entry.written_off);
  open.erase(**request);
  return postings;
}

Result<Postings> Ledger::State::on(const HoldReleased& entry) {
  const auto request = live(entry.request);
  if (!request) return std::unexpected(request.error());
  if ((*request)->attempts_open != 0) {
    return refuse(ErrorCode::conflict, name(entry.request) + " has an open attempt");
  }
  if (!valid(entry.outcome)) {
    return refuse(ErrorCode::invalid_input, name(entry.request) + " has an outcome out of range");
  }
  open.erase(**request);
  return Postings{};
}

Result<Postings> Ledger::State::on(const RequestRefused& entry) {
  if (auto may = may_come(entry.request); !may) return std::unexpected(std::move(may.error()));
  if (entry.why < Refusal::by_law || entry.why > Refusal::no_site) {
    return refuse(ErrorCode::invalid_input,
                  name(entry.request) + " is refused for no reason that is known");
  }
  last_sequence = entry.request.sequence;
  return Postings{};
}

AttemptLost Ledger::State::lost(const OpenAttempt& attempt) {
  const Money owed = cost(attempt.progress.confirmed, attempt.opened.prices);
  const Money at_most = cost(attempt.progress.may_leave, attempt.opened.prices);
  return {.request = attempt.opened.request,
          .attempt = attempt.opened.attempt,
          .progress = attempt.progress,
          .owed = owed,
          .in_doubt = at_most - owed};
}

RequestLost Ledger::State::lost(const OpenRequest& request) {
  const HoldOpened& hold = request.hold;
  const Money due = cost(request.progress.confirmed, hold.prices);
  const Money charged = std::min(due, hold.amount);
  const Money at_most = std::min(cost(request.progress.may_leave, hold.prices), hold.amount);
  return {.request = hold.request,
          .progress = request.progress,
          .charged = charged,
          .written_off = due - charged,
          .in_doubt = at_most - charged};
}

Result<Postings> Ledger::State::on(const AttemptLost& entry) {
  const auto request = left_behind(entry.request);
  if (!request) return std::unexpected(request.error());
  const OpenAttempt* const attempt = open.find(**request, entry.attempt);
  if (attempt == nullptr) {
    return refuse(ErrorCode::conflict, name(entry.request, entry.attempt) + " is not open");
  }
  if (entry != lost(*attempt)) {
    return refuse(ErrorCode::invalid_input, name(entry.request, entry.attempt) +
                                                " is lost at other amounts than it stood at");
  }
  Postings postings;
  const AccountNumber payable = attempt->opened.payable;
  const AccountNumber expense = registry.house(AccountKind::cost, payable);
  post(postings, expense, payable, entry.owed);
  post(postings, expense, registry.house(AccountKind::suspense_payable, payable), entry.in_doubt);
  open.erase(**request, entry.attempt);
  return postings;
}

Result<Postings> Ledger::State::on(const RequestLost& entry) {
  const auto request = left_behind(entry.request);
  if (!request) return std::unexpected(request.error());
  if ((*request)->attempts_open != 0) {
    return refuse(ErrorCode::conflict, name(entry.request) + " has an open attempt");
  }
  if (entry != lost(**request)) {
    return refuse(ErrorCode::invalid_input,
                  name(entry.request) + " is lost at other amounts than it stood at");
  }
  Postings postings;
  const AccountNumber receivable = (*request)->hold.receivable;
  const AccountNumber revenue = registry.house(AccountKind::revenue, receivable);
  post(postings, receivable, revenue, entry.charged);
  post(postings, registry.house(AccountKind::write_off, receivable), revenue, entry.written_off);
  post(postings, registry.house(AccountKind::suspense_receivable, receivable),
       registry.house(AccountKind::suspense_unearned, receivable), entry.in_doubt);
  open.erase(**request);
  return postings;
}

}  // namespace hanse::ledger
