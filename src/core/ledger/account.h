// src/core/ledger/account.h
// Accounts: who they belong to, what they stand for, in which currency.
//
// An account is named by a stable path, `<kind>/<owner...>/<currency>`:
//
//   receivable/<tenant>/<project>/<key>/EUR   what a tenant owes
//   payable/<supplier>/<site>/EUR             what a supplier is owed
//   revenue/EUR  cost/EUR  write-off/EUR      ours
//   suspense/receivable/EUR                   what a crash left open: the
//   suspense/unearned/EUR                     tenant's side, its contra, and
//   suspense/payable/EUR                      the supplier's side
//
// Within one journal it also has a dense number, given when the journal
// records its registration and never reused. Entries carry the number.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/id.h"
#include "base/result.h"

namespace hanse::ledger {

using AccountNumber = Index<struct AccountTag>;

enum class AccountKind : std::uint8_t {
  receivable = 1,
  payable = 2,
  revenue = 3,
  cost = 4,
  write_off = 5,
  suspense_receivable = 6,
  suspense_unearned = 7,
  suspense_payable = 8,
};

std::string_view to_string(AccountKind kind);  // the path's first words

// Three capital letters, as in ISO 4217.
struct Currency {
  std::array<char, 3> letters{};

  [[nodiscard]] std::string_view text() const { return {letters.data(), letters.size()}; }
  auto operator<=>(const Currency&) const = default;
};

// Fails: invalid_input for anything but three letters A-Z.
Result<Currency> parse_currency(std::string_view text);

// A path in place, so that the entry that registers it owns no heap.
class AccountPath {
 public:
  static constexpr std::size_t kCharsMax = 240;

  AccountPath() = default;

  // Fails: invalid_input when empty, too long, or with a character other than
  // printable ASCII.
  static Result<AccountPath> parse(std::string_view text);

  [[nodiscard]] std::string_view text() const { return {chars_.data(), size_}; }
  bool operator==(const AccountPath& other) const { return text() == other.text(); }

 private:
  std::array<char, kCharsMax> chars_;
  std::uint8_t size_ = 0;
};

// The paths above. Fail: invalid_input when a name is empty, holds '/' or a
// character other than printable ASCII, or when the path grows too long.
Result<AccountPath> receivable_path(std::string_view tenant, std::string_view project,
                                    std::string_view key, Currency currency);
Result<AccountPath> payable_path(std::string_view supplier, std::string_view site,
                                 Currency currency);
// Requires: `kind` is one of ours, neither receivable nor payable.
AccountPath house_path(AccountKind kind, Currency currency);

}  // namespace hanse::ledger
