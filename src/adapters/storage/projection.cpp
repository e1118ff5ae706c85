#include "adapters/storage/projection.h"

#include <algorithm>

#include <fmt/format.h>

namespace hanse::storage {
namespace {

using namespace ledger;

// What was open before the entry that ends it.
struct Ended {
  void operator()(const AttemptClosed& body) const { find(body.request, body.attempt); }
  void operator()(const AttemptLost& body) const { find(body.request, body.attempt); }
  void operator()(const RequestClosed& body) const { find(body.request); }
  void operator()(const HoldReleased& body) const { find(body.request); }
  void operator()(const RequestLost& body) const { find(body.request); }
  void operator()(const auto&) const {}

  void find(RequestNumber number) const {
    if (const auto found = ledger.find_request(number)) hold = *found;
  }
  void find(RequestNumber number, AttemptNumber wanted) const {
    if (const auto found = ledger.find_attempt(number, wanted)) attempt = *found;
  }

  const Ledger& ledger;
  SealedHold& hold;
  SealedAttempt& attempt;
};

AttemptRow row_of(const SealedAttempt& opened, WallTime closed_at) {
  AttemptRow row;
  row.request = opened.attempt.request;
  row.attempt = opened.attempt.attempt;
  row.payable = opened.attempt.payable;
  row.opened_at = opened.opened_at;
  row.closed_at = closed_at;
  return row;
}

RequestRow row_of(const SealedHold& opened, const PlacedEntry& closed) {
  RequestRow row;
  row.request = opened.hold.request;
  row.receivable = opened.hold.receivable;
  row.held = opened.hold.amount;
  row.last_attempt = opened.last_attempt;
  row.opened_at = opened.opened_at;
  row.closed_at = closed.entry.at;
  row.opened = opened.opened;
  row.closed = closed.position;
  return row;
}

Usage counted_by_us(const TokenCounts& tokens) {
  return {.tokens = tokens, .estimated = true, .contradicted = false};
}

}  // namespace

Projection::Projection(const EntrySource& source, Position booked)
    : booked_(booked), taken_(source.begins_at()) {
  ledger_.begin_at(source.begins_at());
  batch_.journal = source.journal();
  batch_.after = booked;
  batch_.last = booked;
}

Status Projection::take(const PlacedEntry& placed) {
  const auto refused = [&](std::string_view why) {
    return fail({ErrorCode::broken, Fault::us, Retry::no,
                 fmt::format("entry {}: {}", placed.position.count(), why)});
  };
  if (placed.position != taken_ + Position(1)) {
    return refused(fmt::format("does not follow entry {}", taken_.count()));
  }
  std::visit(Ended{.ledger = ledger_, .hold = hold_, .attempt = attempt_}, placed.entry.body);
  const auto postings = ledger_.apply(placed.entry);
  if (!postings) return refused(postings.error().message);
  taken_ = placed.position;
  if (placed.position <= booked_) return {};
  add_rows(placed, *postings);
  batch_.last = placed.position;
  batch_.at = placed.entry.at;
  return {};
}

void Projection::add_rows(const PlacedEntry& placed, const Postings& postings) {
  const auto& body = placed.entry.body;
  const auto end_attempt = [&](AttemptRow row) {
    add_postings(placed, postings, row.request, row.attempt);
    batch_.attempts.push_back(row);
  };
  const auto end_request = [&](RequestRow row) {
    add_postings(placed, postings, row.request, AttemptNumber{0});
    batch_.requests.push_back(row);
  };
  if (const auto* account = std::get_if<AccountRegistered>(&body)) {
    batch_.accounts.push_back({.number = account->number,
                               .kind = account->kind,
                               .currency = account->currency,
                               .path = std::string(account->path.text())});
  } else if (const auto* closed = std::get_if<AttemptClosed>(&body)) {
    AttemptRow row = row_of(attempt_, placed.entry.at);
    row.outcome = closed->outcome;
    row.usage = closed->usage;
    row.owed = closed->owed;
    end_attempt(row);
  } else if (const auto* lost = std::get_if<AttemptLost>(&body)) {
    AttemptRow row = row_of(attempt_, placed.entry.at);
    row.outcome = Outcome::lost;
    row.usage = counted_by_us(lost->progress.confirmed);
    row.owed = lost->owed;
    row.in_doubt = lost->in_doubt;
    end_attempt(row);
  } else if (const auto* charged = std::get_if<RequestClosed>(&body)) {
    RequestRow row = row_of(hold_, placed);
    row.outcome = charged->outcome;
    row.usage = charged->usage;
    row.charged = charged->charged;
    row.written_off = charged->written_off;
    end_request(row);
  } else if (const auto* released = std::get_if<HoldReleased>(&body)) {
    RequestRow row = row_of(hold_, placed);
    row.outcome = released->outcome;
    end_request(row);
  } else if (const auto* gone = std::get_if<RequestLost>(&body)) {
    RequestRow row = row_of(hold_, placed);
    row.outcome = Outcome::lost;
    row.usage = counted_by_us(gone->progress.confirmed);
    row.charged = gone->charged;
    row.written_off = gone->written_off;
    row.in_doubt = gone->in_doubt;
    end_request(row);
  }
}

void Projection::add_postings(const PlacedEntry& placed, const Postings& postings,
                              RequestNumber request, AttemptNumber attempt) {
  touched_.resize(ledger_.accounts());
  std::int64_t line = 0;
  for (const Posting& posting : postings) {
    batch_.postings.push_back({.position = placed.position,
                               .line = line++,
                               .at = placed.entry.at,
                               .request = request,
                               .attempt = attempt,
                               .debit = posting.debit,
                               .credit = posting.credit,
                               .amount = posting.amount});
    for (const AccountNumber account : {posting.debit, posting.credit}) {
      if (touched_[account.value()]) continue;
      touched_[account.value()] = true;
      touched_accounts_.push_back(account);
    }
  }
}

const BookBatch& Projection::batch() {
  batch_.balances.clear();
  std::ranges::sort(touched_accounts_);
  for (const AccountNumber number : touched_accounts_) {
    const Account& account = ledger_.account(number);
    batch_.balances.push_back(
        {.account = number, .debits = account.debits, .credits = account.credits});
  }
  return batch_;
}

void Projection::next_batch() {
  batch_.after = batch_.last;
  booked_ = std::max(booked_, batch_.last);
  batch_.accounts.clear();
  batch_.balances.clear();
  batch_.postings.clear();
  batch_.attempts.clear();
  batch_.requests.clear();
  for (const AccountNumber number : touched_accounts_) touched_[number.value()] = false;
  touched_accounts_.clear();
}

}  // namespace hanse::storage
