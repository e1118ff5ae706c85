#include "core/ledger/audit.h"

#include "base/check.h"

namespace hanse::ledger {
namespace {

struct Count {
  void operator()(const EpochStarted&) const { ++report.epochs; }
  void operator()(const AttemptClosed&) const { ++report.attempts_paid; }
  void operator()(const RequestClosed&) const { ++report.requests_charged; }
  void operator()(const HoldReleased&) const { ++report.requests_released; }
  void operator()(const RequestRefused&) const { ++report.requests_refused; }
  void operator()(const AttemptLost&) const { ++report.attempts_lost; }
  void operator()(const RequestLost&) const { ++report.requests_lost; }
  void operator()(const SealEnded&) const { ++report.seals; }
  void operator()(const auto&) const {}

  AuditReport& report;
};

// Summed account by account, on its own, rather than asked of the ledger.
void total(const Ledger& ledger, AuditReport& report) {
  for (const Currency currency : ledger.currencies()) {
    CurrencyTotal total{.currency = currency};
    for (std::size_t i = 0; i < ledger.accounts(); ++i) {
      const Account& account = ledger.account(AccountNumber(i));
      if (account.currency != currency) continue;
      total.debits += account.debits;
      total.credits += account.credits;
    }
    if (total.debits != total.credits && !report.fault) {
      report.fault = {
          .position = report.last,
          .what = "debits and credits in " + std::string(currency.text()) + " do not sum to zero"};
    }
    report.totals.push_back(total);
  }
}

}  // namespace

AuditReport audit(EntrySource& source, Ledger& ledger) {
  HANSE_CHECK(ledger.position() == Position(0));
  AuditReport report;
  report.begins_at = source.begins_at();
  report.last = report.begins_at;
  ledger.begin_at(report.begins_at);
  PlacedEntry placed;
  for (;;) {
    const auto more = source.next(placed);
    if (!more) {
      report.fault = {.position = report.last + Position(1), .what = more.error().message};
      break;
    }
    if (!*more) break;
    const Position expected = report.last + Position(1);
    const auto posted = ledger.apply(placed.entry);
    if (!posted || placed.position != expected) {
      report.fault = {.position = expected,
                      .what = posted ? "entries are missing" : posted.error().message};
      break;
    }
    report.last = placed.position;
    report.postings += static_cast<std::int64_t>(posted->size());
    std::visit(Count{report}, placed.entry.body);
  }
  if (!report.fault && ledger.restoring()) {
    report.fault = {.position = report.last, .what = "the seal it began with is cut short"};
  }
  report.requests_open = static_cast<std::int64_t>(ledger.open_requests());
  report.attempts_open = static_cast<std::int64_t>(ledger.open_attempts());
  total(ledger, report);
  return report;
}

}  // namespace hanse::ledger
