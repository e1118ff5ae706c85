#include "adapters/storage/books.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace hanse::storage {
namespace {

std::string words_of(const Usage& usage) {
  std::string text;
  for (const Tokens tokens : usage.tokens.values) text += fmt::format(" {}", tokens.count());
  if (usage.estimated) text += " estimated";
  if (usage.contradicted) text += " contradicted";
  return text;
}

}  // namespace

Result<Sha256> digest_of(Books& books) {
  // A chain over the lines: no more than one of them is in memory.
  Sha256 digest;
  const auto done = books.dump([&digest](std::string_view line) {
    const std::string_view before(reinterpret_cast<const char*>(digest.bytes.data()),
                                  digest.bytes.size());
    digest = sha256({before, line});
  });
  if (!done) return std::unexpected(done.error());
  return digest;
}

std::string to_line(const ledger::JournalId& journal, ledger::Position position, WallTime at) {
  return fmt::format("journal {} up to {} at {}", to_string(journal), position.count(), at.count());
}

std::string to_line(const AccountRow& row, const BalanceRow& balance) {
  return fmt::format("account {} {} {} {} debits {} credits {}", row.number.value(),
                     to_string(row.kind), row.currency.text(), row.path, to_digits(balance.debits),
                     to_digits(balance.credits));
}

std::string to_line(const PostingRow& row) {
  return fmt::format("posting {}.{} at {} request {}.{} attempt {} debit {} credit {} amount {}",
                     row.position.count(), row.line, row.at.count(), row.request.epoch.count(),
                     row.request.sequence, static_cast<int>(row.attempt), row.debit.value(),
                     row.credit.value(), row.amount.count());
}

std::string to_line(const AttemptRow& row) {
  return fmt::format("attempt {}.{}.{} payable {} {} tokens{} owed {} in doubt {} from {} to {}",
                     row.request.epoch.count(), row.request.sequence, static_cast<int>(row.attempt),
                     row.payable.value(), to_string(row.outcome), words_of(row.usage),
                     row.owed.count(), row.in_doubt.count(), row.opened_at.count(),
                     row.closed_at.count());
}

std::string to_line(const RequestRow& row) {
  return fmt::format(
      "request {}.{} receivable {} {} tokens{} held {} charged {} written off {} in doubt {} "
      "attempts {} from {} to {} entries {} to {}",
      row.request.epoch.count(), row.request.sequence, row.receivable.value(),
      to_string(row.outcome), words_of(row.usage), row.held.count(), row.charged.count(),
      row.written_off.count(), row.in_doubt.count(), static_cast<int>(row.last_attempt),
      row.opened_at.count(), row.closed_at.count(), row.opened.count(), row.closed.count());
}

std::string to_digits(ledger::Sum sum) { return fmt::format("{}", sum); }

std::optional<ledger::Sum> sum_of_digits(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  // 38 digits always fit into 127 bits.
  if (text.empty() || text.size() > 38) return std::nullopt;
  ledger::Sum sum = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    sum = sum * 10 + (c - '0');
  }
  return negative ? -sum : sum;
}

}  // namespace hanse::storage
