#include "core/ledger/account_registry.h"

#include <fmt/format.h>

#include "base/check.h"
#include "core/ledger/refuse.h"

namespace hanse::ledger {
namespace {

bool known(AccountKind kind) {
  return kind >= AccountKind::receivable && kind <= AccountKind::suspense_payable;
}

bool is_house(AccountKind kind) {
  return kind != AccountKind::receivable && kind != AccountKind::payable;
}

// A path says its kind first and its currency last.
bool agrees(const AccountRegistered& registered) {
  const std::string_view path = registered.path.text();
  if (is_house(registered.kind)) {
    return registered.path == house_path(registered.kind, registered.currency);
  }
  return path.starts_with(fmt::format("{}/", to_string(registered.kind))) &&
         path.ends_with(fmt::format("/{}", registered.currency.text()));
}

}  // namespace

AccountRegistry::AccountRegistry(std::size_t accounts_max, std::size_t currencies_max)
    : accounts_max_(accounts_max), currencies_max_(currencies_max) {
  HANSE_CHECK(currencies_max <= 255);
}

Status AccountRegistry::add(const AccountRegistered& registered) {
  const std::string_view path = registered.path.text();
  if (registered.number != AccountNumber(accounts_.size())) {
    return refuse(ErrorCode::conflict,
                  fmt::format("account {} is not the next free number", registered.number.value()));
  }
  if (!known(registered.kind) || !parse_currency(registered.currency.text()) ||
      !agrees(registered)) {
    return refuse(ErrorCode::invalid_input,
                  fmt::format("account path {} does not say its kind and currency", path));
  }
  if (by_path_.contains(path)) {
    return refuse(ErrorCode::conflict, fmt::format("account {} is registered already", path));
  }
  if (accounts_.size() == accounts_max_) {
    return refuse(ErrorCode::at_capacity, fmt::format("{} accounts is the most", accounts_max_));
  }
  std::optional<std::size_t> chart = chart_of(registered.currency);
  if (!chart) {
    if (charts_.size() == currencies_max_) {
      return refuse(ErrorCode::at_capacity,
                    fmt::format("{} currencies is the most", currencies_max_));
    }
    chart = charts_.size();
    charts_.push_back({.currency = registered.currency, .house = {}});
  }
  accounts_.push_back({.path = std::string(path),
                       .kind = registered.kind,
                       .currency = registered.currency,
                       .debits = 0,
                       .credits = 0});
  chart_numbers_.push_back(static_cast<std::uint8_t>(*chart));
  by_path_.emplace(path, registered.number);
  if (is_house(registered.kind)) {
    charts_[*chart].house[static_cast<std::size_t>(registered.kind)] = registered.number;
  }
  return {};
}

std::optional<AccountNumber> AccountRegistry::find(std::string_view path) const {
  const auto it = by_path_.find(path);
  if (it == by_path_.end()) return std::nullopt;
  return it->second;
}

const Account* AccountRegistry::account(AccountNumber number) const {
  return number.value() < accounts_.size() ? &accounts_[number.value()] : nullptr;
}

void AccountRegistry::set_balance(AccountNumber number, Sum debits, Sum credits) {
  HANSE_CHECK(number.value() < accounts_.size());
  accounts_[number.value()].debits = debits;
  accounts_[number.value()].credits = credits;
}

AccountRegistered AccountRegistry::registered(AccountNumber number) const {
  HANSE_CHECK(number.value() < accounts_.size());
  const Account& account = accounts_[number.value()];
  return {.number = number,
          .kind = account.kind,
          .currency = account.currency,
          .path = AccountPath::parse(account.path).value()};
}

AccountNumber AccountRegistry::house(AccountKind kind, AccountNumber number) const {
  HANSE_CHECK(number.value() < accounts_.size());
  return charts_[chart_numbers_[number.value()]].house[static_cast<std::size_t>(kind)];
}

void AccountRegistry::post(const Posting& posting) {
  HANSE_CHECK(posting.debit.value() < accounts_.size());
  HANSE_CHECK(posting.credit.value() < accounts_.size());
  HANSE_CHECK(chart_numbers_[posting.debit.value()] == chart_numbers_[posting.credit.value()]);
  accounts_[posting.debit.value()].debits += posting.amount.count();
  accounts_[posting.credit.value()].credits += posting.amount.count();
}

Sum AccountRegistry::balance_below(std::string_view prefix, Currency currency) const {
  Sum sum = 0;
  for (auto it = by_path_.lower_bound(prefix);
       it != by_path_.end() && it->first.starts_with(prefix); ++it) {
    const Account& account = accounts_[it->second.value()];
    if (account.currency == currency) sum += account.balance();
  }
  return sum;
}

Sum AccountRegistry::imbalance(Currency currency) const {
  Sum sum = 0;
  for (const Account& account : accounts_) {
    if (account.currency == currency) sum += account.balance();
  }
  return sum;
}

std::vector<Currency> AccountRegistry::currencies() const {
  std::vector<Currency> all;
  for (const Chart& chart : charts_) all.push_back(chart.currency);
  return all;
}

std::optional<std::size_t> AccountRegistry::chart_of(Currency currency) const {
  for (std::size_t i = 0; i < charts_.size(); ++i) {
    if (charts_[i].currency == currency) return i;
  }
  return std::nullopt;
}

}  // namespace hanse::ledger
