#include "core/dispatch/seal_codec.h"

#include <string_view>
#include <type_traits>

#include "base/check.h"
#include "base/wire_words.h"

namespace hanse::dispatch {
namespace {

// Numbers of kinds in files: of their own, so that a new kind of entry moves
// none of them.
enum class SealKind : std::uint8_t { begun, account, hold, attempt, ended };

void write(ledger::Sum sum, WireWriter& out) {
  out.varint(static_cast<std::uint64_t>(sum));
  out.zigzag(static_cast<std::int64_t>(sum >> 64));
}
void read(ledger::Sum& sum, WireReader& in) {
  const std::uint64_t low = in.varint();
  const auto high = static_cast<unsigned __int128>(in.zigzag());
  sum = static_cast<ledger::Sum>(high << 64U | low);
}

void write(ledger::RequestNumber number, WireWriter& out) {
  write(number.epoch, out);
  out.zigzag(number.sequence);
}
void read(ledger::RequestNumber& number, WireReader& in) {
  read(number.epoch, in);
  number.sequence = in.zigzag();
}

template <typename Value>
void write(const PerTokenKind<Value>& kinds, WireWriter& out) {
  for (const Value value : kinds.values) write(value, out);
}
template <typename Value>
void read(PerTokenKind<Value>& kinds, WireReader& in) {
  for (Value& value : kinds.values) read(value, in);
}

void write(const ledger::Progress& progress, WireWriter& out) {
  const auto& [confirmed, may_leave] = progress;
  write(confirmed, out);
  write(may_leave, out);
}
void read(ledger::Progress& progress, WireReader& in) {
  read(progress.confirmed, in);
  read(progress.may_leave, in);
}

void write(ledger::AttemptNumber attempt, WireWriter& out) {
  out.byte(static_cast<std::uint8_t>(attempt));
}
void read(ledger::AttemptNumber& attempt, WireReader& in) {
  attempt = static_cast<ledger::AttemptNumber>(in.byte());
}

struct SealWriter {
  WireWriter& out;

  void operator()(const ledger::SealBegun& entry) const {
    const auto& [epoch, last_sequence, accounts, holds] = entry;
    write_enum(SealKind::begun, out);
    write(epoch, out);
    out.zigzag(last_sequence);
    write(accounts, out);
    write(holds, out);
  }
  void operator()(const ledger::SealedAccount& entry) const {
    const auto& [account, debits, credits] = entry;
    const auto& [number, kind, currency, path] = account;
    write_enum(SealKind::account, out);
    write(number, out);
    write_enum(kind, out);
    out.raw(currency.text());
    out.text(path.text());
    write(debits, out);
    write(credits, out);
  }
  void operator()(const ledger::SealedHold& entry) const {
    const auto& [hold, opened_at, opened, last_attempt, progress] = entry;
    const auto& [request, receivable, amount, prices] = hold;
    write_enum(SealKind::hold, out);
    write(request, out);
    write(receivable, out);
    write(amount, out);
    write(prices, out);
    write(opened_at, out);
    write(opened, out);
    write(last_attempt, out);
    write(progress, out);
  }
  void operator()(const ledger::SealedAttempt& entry) const {
    const auto& [opened, opened_at, watermarked, progress] = entry;
    const auto& [request, attempt, payable, prices, tokens_max] = opened;
    write_enum(SealKind::attempt, out);
    write(request, out);
    write(attempt, out);
    write(payable, out);
    write(prices, out);
    write(tokens_max, out);
    write(opened_at, out);
    write(watermarked, out);
    write(progress, out);
  }
  void operator()(const ledger::SealEnded& entry) const {
    const auto& [accounts, holds, attempts] = entry;
    write_enum(SealKind::ended, out);
    write(accounts, out);
    write(holds, out);
    write(attempts, out);
  }
  template <typename Other>
  void operator()(const Other&) const {
    HANSE_CHECK(false);
  }
};

ledger::SealBegun read_begun(WireReader& in) {
  ledger::SealBegun entry;
  read(entry.epoch, in);
  entry.last_sequence = in.zigzag();
  read(entry.accounts, in);
  read(entry.holds, in);
  return entry;
}

ledger::SealedAccount read_account(WireReader& in) {
  ledger::SealedAccount entry;
  auto& [number, kind, currency, path] = entry.account;
  read(number, in);
  read_enum(kind, ledger::AccountKind::suspense_payable, in);
  const auto parsed_currency = ledger::parse_currency(in.raw(currency.letters.size()));
  const auto parsed_path = ledger::AccountPath::parse(in.text(ledger::AccountPath::kCharsMax));
  if (!parsed_currency || !parsed_path) {
    in.fail("not the path or currency of an account");
  } else {
    currency = *parsed_currency;
    path = *parsed_path;
  }
  read(entry.debits, in);
  read(entry.credits, in);
  return entry;
}

ledger::SealedHold read_hold(WireReader& in) {
  ledger::SealedHold entry;
  read(entry.hold.request, in);
  read(entry.hold.receivable, in);
  read(entry.hold.amount, in);
  read(entry.hold.prices, in);
  read(entry.opened_at, in);
  read(entry.opened, in);
  read(entry.last_attempt, in);
  read(entry.progress, in);
  return entry;
}

ledger::SealedAttempt read_attempt(WireReader& in) {
  ledger::SealedAttempt entry;
  read(entry.attempt.request, in);
  read(entry.attempt.attempt, in);
  read(entry.attempt.payable, in);
  read(entry.attempt.prices, in);
  read(entry.attempt.tokens_max, in);
  read(entry.opened_at, in);
  read(entry.watermarked, in);
  read(entry.progress, in);
  return entry;
}

ledger::SealEnded read_ended(WireReader& in) {
  ledger::SealEnded entry;
  read(entry.accounts, in);
  read(entry.holds, in);
  read(entry.attempts, in);
  return entry;
}

ledger::EntryBody read_body(SealKind kind, WireReader& in) {
  switch (kind) {
    case SealKind::begun: return read_begun(in);
    case SealKind::account: return read_account(in);
    case SealKind::hold: return read_hold(in);
    case SealKind::attempt: return read_attempt(in);
    case SealKind::ended: return read_ended(in);
  }
  return ledger::SealEnded();
}

}  // namespace

bool is_of_seal(const ledger::EntryBody& body) {
  return std::visit(
      []<typename Body>(const Body&) {
        return std::is_same_v<Body, ledger::SealBegun> ||
               std::is_same_v<Body, ledger::SealedAccount> ||
               std::is_same_v<Body, ledger::SealedHold> ||
               std::is_same_v<Body, ledger::SealedAttempt> ||
               std::is_same_v<Body, ledger::SealEnded>;
      },
      body);
}

void write_seal_entry(const ledger::Entry& entry, WireWriter& out) {
  write(entry.at, out);
  std::visit(SealWriter{out}, entry.body);
}

ledger::Entry read_seal_entry(WireReader& in) {
  ledger::Entry entry;
  read(entry.at, in);
  SealKind kind = SealKind::ended;
  read_enum(kind, SealKind::ended, in);
  entry.body = read_body(kind, in);
  return entry;
}

}  // namespace hanse::dispatch
