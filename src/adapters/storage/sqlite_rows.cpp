#include "adapters/storage/sqlite_rows.h"

#include <fmt/format.h>

namespace hanse::storage {
namespace {

constexpr std::int64_t kEstimated = 1;
constexpr std::int64_t kContradicted = 2;

// Binds values one after the other.
class Binder {
 public:
  explicit Binder(Statement& into) : into_(into) {}

  Binder& add(std::int64_t value) {
    into_.bind(++bound_, value);
    return *this;
  }
  Binder& add(std::string_view text) {
    into_.bind(++bound_, text);
    return *this;
  }
  Binder& add(ledger::AccountNumber account) {
    return add(static_cast<std::int64_t>(account.value()));
  }
  Binder& add(ledger::RequestNumber request) {
    return add(request.epoch.count()).add(request.sequence);
  }
  Binder& add(ledger::AttemptNumber attempt) { return add(static_cast<std::int64_t>(attempt)); }
  Binder& add(ledger::Outcome outcome) { return add(static_cast<std::int64_t>(outcome)); }
  Binder& add(const Usage& usage) {
    for (const Tokens tokens : usage.tokens.values) add(tokens.count());
    return add((usage.estimated ? kEstimated : 0) + (usage.contradicted ? kContradicted : 0));
  }
  template <typename Tag>
  Binder& add(Quantity<Tag> quantity) {
    return add(quantity.count());
  }
  Status run() { return into_.run(); }

 private:
  Statement& into_;
  int bound_ = 0;
};

class Taker {
 public:
  explicit Taker(const Statement& row) : row_(row) {}

  std::int64_t number() { return row_.number(++taken_); }
  std::string text() { return row_.text(++taken_); }
  ledger::AccountNumber account() {
    return ledger::AccountNumber(static_cast<std::size_t>(number()));
  }
  ledger::RequestNumber request() {
    const ledger::Epoch epoch(number());
    return {epoch, number()};
  }
  ledger::AttemptNumber attempt() {
    return ledger::AttemptNumber{static_cast<std::uint8_t>(number())};
  }
  ledger::Outcome outcome() {
    const auto value = static_cast<ledger::Outcome>(number());
    sound_ = sound_ && value >= ledger::Outcome::completed && value <= ledger::Outcome::lost;
    return value;
  }
  ledger::AccountKind kind() {
    const auto value = static_cast<ledger::AccountKind>(number());
    sound_ = sound_ && value >= ledger::AccountKind::receivable &&
             value <= ledger::AccountKind::suspense_payable;
    return value;
  }
  ledger::Currency currency() {
    const auto parsed = ledger::parse_currency(text());
    sound_ = sound_ && parsed.has_value();
    return parsed.value_or(ledger::Currency{});
  }
  Usage usage() {
    Usage usage;
    for (Tokens& tokens : usage.tokens.values) tokens = Tokens(number());
    const std::int64_t flags = number();
    usage.estimated = (flags & kEstimated) != 0;
    usage.contradicted = (flags & kContradicted) != 0;
    return usage;
  }

  template <typename Row>
  Result<Row> checked(Row row) const {
    if (sound_) return row;
    return fail({ErrorCode::broken, Fault::us, Retry::no,
                 "the books hold a value that is none of theirs; rebuild them from the journal"});
  }

 private:
  const Statement& row_;
  int taken_ = 0;  // column 0 is the journal
  bool sound_ = true;
};

}  // namespace

Status put(Statement& into, std::int64_t journal, const AccountRow& row) {
  return Binder(into)
      .add(journal)
      .add(row.number)
      .add(static_cast<std::int64_t>(row.kind))
      .add(row.currency.text())
      .add(row.path)
      .run();
}

Status put(Statement& into, std::int64_t journal, const BalanceRow& row) {
  const std::string debits = to_digits(row.debits);
  const std::string credits = to_digits(row.credits);
  return Binder(into).add(journal).add(row.account).add(debits).add(credits).run();
}

Status put(Statement& into, std::int64_t journal, const PostingRow& row) {
  return Binder(into)
      .add(journal)
      .add(row.position)
      .add(row.line)
      .add(row.at)
      .add(row.request)
      .add(row.attempt)
      .add(row.debit)
      .add(row.credit)
      .add(row.amount)
      .run();
}

Status put(Statement& into, std::int64_t journal, const AttemptRow& row) {
  return Binder(into)
      .add(journal)
      .add(row.request)
      .add(row.attempt)
      .add(row.payable)
      .add(row.outcome)
      .add(row.usage)
      .add(row.owed)
      .add(row.in_doubt)
      .add(row.opened_at)
      .add(row.closed_at)
      .run();
}

Status put(Statement& into, std::int64_t journal, const RequestRow& row) {
  return Binder(into)
      .add(journal)
      .add(row.request)
      .add(row.receivable)
      .add(row.outcome)
      .add(row.usage)
      .add(row.held)
      .add(row.charged)
      .add(row.written_off)
      .add(row.in_doubt)
      .add(row.last_attempt)
      .add(row.opened_at)
      .add(row.closed_at)
      .add(row.opened)
      .add(row.closed)
      .run();
}

Result<AccountRow> take_account(const Statement& row) {
  Taker taker(row);
  AccountRow account;
  account.number = taker.account();
  account.kind = taker.kind();
  account.currency = taker.currency();
  account.path = taker.text();
  return taker.checked(std::move(account));
}

PostingRow take_posting(const Statement& row) {
  Taker taker(row);
  PostingRow posting;
  posting.position = ledger::Position(taker.number());
  posting.line = taker.number();
  posting.at = WallTime(taker.number());
  posting.request = taker.request();
  posting.attempt = taker.attempt();
  posting.debit = taker.account();
  posting.credit = taker.account();
  posting.amount = Money(taker.number());
  return posting;
}

Result<AttemptRow> take_attempt(const Statement& row) {
  Taker taker(row);
  AttemptRow attempt;
  attempt.request = taker.request();
  attempt.attempt = taker.attempt();
  attempt.payable = taker.account();
  attempt.outcome = taker.outcome();
  attempt.usage = taker.usage();
  attempt.owed = Money(taker.number());
  attempt.in_doubt = Money(taker.number());
  attempt.opened_at = WallTime(taker.number());
  attempt.closed_at = WallTime(taker.number());
  return taker.checked(attempt);
}

Result<RequestRow> take_request(const Statement& row) {
  Taker taker(row);
  RequestRow request;
  request.request = taker.request();
  request.receivable = taker.account();
  request.outcome = taker.outcome();
  request.usage = taker.usage();
  request.held = Money(taker.number());
  request.charged = Money(taker.number());
  request.written_off = Money(taker.number());
  request.in_doubt = Money(taker.number());
  request.last_attempt = taker.attempt();
  request.opened_at = WallTime(taker.number());
  request.closed_at = WallTime(taker.number());
  request.opened = ledger::Position(taker.number());
  request.closed = ledger::Position(taker.number());
  return taker.checked(request);
}

}  // namespace hanse::storage
