// src/core/ledger/account_registry.h
// The accounts of one journal with their balances, and per currency the chart
// of the house's own accounts. Numbers are dense and never reused; nothing is
// ever removed.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/ledger/entry.h"
#include "core/ledger/ledger.h"

namespace hanse::ledger {

class AccountRegistry {
 public:
  AccountRegistry(std::size_t accounts_max, std::size_t currencies_max);

  // Fails: conflict when the number is not the next one or the path is taken;
  // invalid_input when path, kind and currency do not agree; at_capacity.
  Status add(const AccountRegistered& registered);

  [[nodiscard]] std::optional<AccountNumber> find(std::string_view path) const;
  [[nodiscard]] std::size_t size() const { return accounts_.size(); }
  // Null when there is no such account.
  [[nodiscard]] const Account* account(AccountNumber number) const;
  // Requires: the account exists.
  void set_balance(AccountNumber number, Sum debits, Sum credits);
  // As it was registered, for seals.
  [[nodiscard]] AccountRegistered registered(AccountNumber number) const;

  // The house's account of `kind` in the currency of `number`; invalid when
  // it has not been registered. Requires: the account exists.
  [[nodiscard]] AccountNumber house(AccountKind kind, AccountNumber number) const;

  // Requires: both accounts exist and share a currency.
  void post(const Posting& posting);

  [[nodiscard]] Sum balance_below(std::string_view prefix, Currency currency) const;
  [[nodiscard]] Sum imbalance(Currency currency) const;
  [[nodiscard]] std::vector<Currency> currencies() const;

 private:
  struct Chart {
    Currency currency;
    std::array<AccountNumber, 9> house;  // by AccountKind
  };

  [[nodiscard]] std::optional<std::size_t> chart_of(Currency currency) const;

  std::size_t accounts_max_;
  std::size_t currencies_max_;
  std::vector<Account> accounts_;
  std::vector<std::uint8_t> chart_numbers_;  // by account
  std::vector<Chart> charts_;
  std::map<std::string, AccountNumber, std::less<>> by_path_;
};

}  // namespace hanse::ledger
