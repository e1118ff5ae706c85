// src/adapters/storage/balance_report.h
// Balances as an operator asks for them: what each tenant, project and key
// owes, what each supplier and site is owed, what is left, per currency, and
// totals that anybody can add up.
//
// Pure: out of rows that any store gives.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "adapters/storage/books.h"

namespace hanse::storage {

// A tenant, a project of it, a key of that; or a supplier, a site of it.
struct OwedLine {
  std::vector<std::string> names;
  ledger::Currency currency;
  ledger::Sum owed = 0;

  bool operator==(const OwedLine&) const = default;
};

// What came in through a tenant, project or key and what it cost. A cost in
// another currency than the charge stands in a line of its own.
struct MarginLine {
  std::vector<std::string> names;
  ledger::Currency currency;
  ledger::Sum charged = 0;
  ledger::Sum cost = 0;

  [[nodiscard]] ledger::Sum margin() const { return charged - cost; }
  bool operator==(const MarginLine&) const = default;
};

struct CurrencyReport {
  ledger::Currency currency;
  // Each as a person would say it: positive when it is what the name says.
  ledger::Sum receivable = 0;
  ledger::Sum payable = 0;
  ledger::Sum revenue = 0;
  ledger::Sum cost = 0;
  ledger::Sum written_off = 0;
  ledger::Sum suspense_receivable = 0;
  ledger::Sum suspense_unearned = 0;
  ledger::Sum suspense_payable = 0;
  // Over all accounts; equal, or the books are wrong.
  ledger::Sum debits = 0;
  ledger::Sum credits = 0;

  [[nodiscard]] ledger::Sum margin() const { return revenue - cost - written_off; }
};

struct BalanceReport {
  std::vector<OwedLine> tenants;
  std::vector<OwedLine> projects;
  std::vector<OwedLine> keys;
  std::vector<OwedLine> suppliers;
  std::vector<OwedLine> sites;
  std::vector<MarginLine> tenant_margins;
  std::vector<MarginLine> project_margins;
  std::vector<MarginLine> key_margins;
  std::vector<CurrencyReport> totals;  // by currency

  // All debits equal all credits, and each list adds up to its total.
  [[nodiscard]] bool adds_up() const;
};

BalanceReport report_of(const std::vector<BookedBalance>& balances,
                        const std::vector<BookedCost>& costs);
Result<BalanceReport> report_of(Books& books);

// "12.345678901", at least two decimals, of a sum in nano-units.
std::string to_decimal(ledger::Sum sum);

}  // namespace hanse::storage
