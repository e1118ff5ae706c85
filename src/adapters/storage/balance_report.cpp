#include "adapters/storage/balance_report.h"

#include <map>
#include <string_view>
#include <tuple>
#include <utility>

namespace hanse::storage {
namespace {

using ledger::AccountKind;
using ledger::Currency;
using ledger::Sum;

using Names = std::vector<std::string>;
using Owed = std::map<std::pair<Names, Currency>, Sum>;

// The owners in a path: what stands between its kind and its currency.
Names owners_in(std::string_view path) {
  Names names;
  path.remove_prefix(std::min(path.find('/') + 1, path.size()));
  for (std::size_t slash = path.find('/'); slash != std::string_view::npos;
       slash = path.find('/')) {
    names.emplace_back(path.substr(0, slash));
    path.remove_prefix(slash + 1);
  }
  return names;
}

Names first(Names names, std::size_t count) {
  if (names.size() > count) names.resize(count);
  return names;
}

std::vector<OwedLine> lines_of(const Owed& owed) {
  std::vector<OwedLine> lines;
  for (const auto& [key, sum] : owed) {
    lines.push_back({.names = key.first, .currency = key.second, .owed = sum});
  }
  return lines;
}

std::vector<MarginLine> margins_of(const Owed& charged, const Owed& cost, std::size_t level) {
  std::map<std::pair<Names, Currency>, MarginLine> lines;
  const auto line = [&](const Names& names, Currency currency) -> MarginLine& {
    const Names owner = first(names, level);
    MarginLine& found = lines[{owner, currency}];
    found.names = owner;
    found.currency = currency;
    return found;
  };
  for (const auto& [key, sum] : charged) line(key.first, key.second).charged += sum;
  for (const auto& [key, sum] : cost) line(key.first, key.second).cost += sum;
  std::vector<MarginLine> all;
  for (auto& [key, found] : lines) all.push_back(std::move(found));
  return all;
}

void add(CurrencyReport& total, const BookedBalance& account) {
  total.debits += account.debits;
  total.credits += account.credits;
  const Sum balance = account.balance();
  switch (account.kind) {
    case AccountKind::receivable: total.receivable += balance; break;
    case AccountKind::payable: total.payable -= balance; break;
    case AccountKind::revenue: total.revenue -= balance; break;
    case AccountKind::cost: total.cost += balance; break;
    case AccountKind::write_off: total.written_off += balance; break;
    case AccountKind::suspense_receivable: total.suspense_receivable += balance; break;
    case AccountKind::suspense_unearned: total.suspense_unearned -= balance; break;
    case AccountKind::suspense_payable: total.suspense_payable -= balance; break;
  }
}

Currency currency_in(std::string_view path) {
  return ledger::parse_currency(path.substr(path.rfind('/') + 1)).value_or(Currency{});
}

}  // namespace

BalanceReport report_of(const std::vector<BookedBalance>& balances,
                        const std::vector<BookedCost>& costs) {
  Owed tenants;
  Owed projects;
  Owed keys;
  Owed suppliers;
  Owed sites;
  std::map<Currency, CurrencyReport> totals;
  for (const BookedBalance& account : balances) {
    CurrencyReport& total = totals[account.currency];
    total.currency = account.currency;
    add(total, account);
    const Names owners = owners_in(account.path);
    if (account.kind == AccountKind::receivable) {
      tenants[{first(owners, 1), account.currency}] += account.balance();
      projects[{first(owners, 2), account.currency}] += account.balance();
      keys[{owners, account.currency}] += account.balance();
    } else if (account.kind == AccountKind::payable) {
      suppliers[{first(owners, 1), account.currency}] -= account.balance();
      sites[{owners, account.currency}] -= account.balance();
    }
  }
  // What is in doubt is a cost until it is cleared, as in the cost account.
  Owed cost;
  for (const BookedCost& each : costs) {
    cost[{owners_in(each.receivable), currency_in(each.payable)}] += each.owed + each.in_doubt;
  }

  BalanceReport report{.tenants = lines_of(tenants),
                       .projects = lines_of(projects),
                       .keys = lines_of(keys),
                       .suppliers = lines_of(suppliers),
                       .sites = lines_of(sites),
                       .tenant_margins = margins_of(keys, cost, 1),
                       .project_margins = margins_of(keys, cost, 2),
                       .key_margins = margins_of(keys, cost, 3),
                       .totals = {}};
  for (auto& [currency, total] : totals) report.totals.push_back(std::move(total));
  return report;
}

Result<BalanceReport> report_of(Books& books) {
  const auto balances = books.balances();
  if (!balances) return std::unexpected(balances.error());
  const auto costs = books.costs();
  if (!costs) return std::unexpected(costs.error());
  return report_of(*balances, *costs);
}

bool BalanceReport::adds_up() const {
  const auto sum = [](const std::vector<OwedLine>& lines, Currency currency) {
    Sum total = 0;
    for (const OwedLine& line : lines) {
      if (line.currency == currency) total += line.owed;
    }
    return total;
  };
  for (const CurrencyReport& total : totals) {
    if (total.debits != total.credits) return false;
    for (const auto* const lines : {&tenants, &projects, &keys}) {
      if (sum(*lines, total.currency) != total.receivable) return false;
    }
    for (const auto* const lines : {&suppliers, &sites}) {
      if (sum(*lines, total.currency) != total.payable) return false;
    }
  }
  return true;
}

std::string to_decimal(Sum sum) {
  const bool negative = sum < 0;
  std::string digits = to_digits(negative ? -sum : sum);
  constexpr std::size_t kDecimals = 9;
  if (digits.size() <= kDecimals) digits.insert(0, kDecimals + 1 - digits.size(), '0');
  std::string text =
      digits.substr(0, digits.size() - kDecimals) + "." + digits.substr(digits.size() - kDecimals);
  while (text.ends_with('0') && text[text.size() - 3] != '.') text.pop_back();
  return negative ? "-" + text : text;
}

}  // namespace hanse::storage
