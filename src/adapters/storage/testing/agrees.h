// src/adapters/storage/testing/agrees.h
// What every way of making books must come to: the ledger's own balances.
#pragma once

#include <fmt/format.h>

#include <map>
#include <string_view>

#include "adapters/storage/books.h"
#include "base/result.h"
#include "core/ledger/ledger.h"

namespace hanse::storage {

// Whether the books show the balances that `ledger` has.
// Fails: conflict, naming the first account that differs. For a store that
// keeps one journal only.
inline Status agrees(Books& books, const ledger::Ledger& ledger) {
  const auto balances = books.balances();
  if (!balances) return std::unexpected(balances.error());
  std::map<std::string_view, const BookedBalance*> by_path;
  for (const BookedBalance& balance : *balances) by_path[balance.path] = &balance;
  for (std::size_t i = 0; i < ledger.accounts(); ++i) {
    const ledger::Account& account = ledger.account(ledger::AccountNumber(i));
    const auto found = by_path.find(account.path);
    if (found == by_path.end() || found->second->debits != account.debits ||
        found->second->credits != account.credits) {
      return fail({ErrorCode::conflict, Fault::us, Retry::no,
                   fmt::format("the books differ from the journal in account {}", account.path)});
    }
  }
  if (balances->size() != ledger.accounts()) {
    return fail({ErrorCode::conflict, Fault::us, Retry::no,
                 "the books have accounts that the journal does not know"});
  }
  return {};
}

}  // namespace hanse::storage
