#include "core/ledger/account.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/check.h"

namespace hanse::ledger {
namespace {

bool printable(char c) { return c > ' ' && c <= '~'; }

Result<AccountPath> owned_path(AccountKind kind, std::initializer_list<std::string_view> owners,
                               Currency currency) {
  std::string path(to_string(kind));
  for (const std::string_view owner : owners) {
    if (owner.empty() || owner.contains('/')) {
      return invalid_input(fmt::format(
          "\"{}\" cannot be a part of an account's path: it is empty or holds '/'", owner));
    }
    path += '/';
    path += owner;
  }
  path += '/';
  path += currency.text();
  return AccountPath::parse(path);
}

}  // namespace

std::string_view to_string(AccountKind kind) {
  switch (kind) {
    case AccountKind::receivable: return "receivable";
    case AccountKind::payable: return "payable";
    case AccountKind::revenue: return "revenue";
    case AccountKind::cost: return "cost";
    case AccountKind::write_off: return "write-off";
    case AccountKind::suspense_receivable: return "suspense/receivable";
    case AccountKind::suspense_unearned: return "suspense/unearned";
    case AccountKind::suspense_payable: return "suspense/payable";
  }
  return "unknown";
}

Result<Currency> parse_currency(std::string_view text) {
  Currency currency;
  const auto capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (text.size() != currency.letters.size() || !std::all_of(text.begin(), text.end(), capital)) {
    return invalid_input(
        fmt::format("\"{}\" is not a currency: three capital letters such as EUR", text));
  }
  std::copy(text.begin(), text.end(), currency.letters.begin());
  return currency;
}

Result<AccountPath> AccountPath::parse(std::string_view text) {
  if (text.empty() || text.size() > kCharsMax) {
    return invalid_input(fmt::format("an account's path has 1 to {} characters, this one {}",
                                     kCharsMax, text.size()));
  }
  if (!std::all_of(text.begin(), text.end(), printable)) {
    return invalid_input("an account's path holds printable ASCII without spaces only");
  }
  AccountPath path;
  std::copy(text.begin(), text.end(), path.chars_.begin());
  path.size_ = static_cast<std::uint8_t>(text.size());
  return path;
}

Result<AccountPath> receivable_path(std::string_view tenant, std::string_view project,
                                    std::string_view key, Currency currency) {
  return owned_path(AccountKind::receivable, {tenant, project, key}, currency);
}

Result<AccountPath> payable_path(std::string_view supplier, std::string_view site,
                                 Currency currency) {
  return owned_path(AccountKind::payable, {supplier, site}, currency);
}

AccountPath house_path(AccountKind kind, Currency currency) {
  HANSE_CHECK(kind != AccountKind::receivable && kind != AccountKind::payable);
  return owned_path(kind, {}, currency).value();
}

}  // namespace hanse::ledger
