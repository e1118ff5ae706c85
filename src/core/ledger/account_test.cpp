#include "core/ledger/account.h"

#include <gtest/gtest.h>

namespace hanse::ledger {
namespace {

const Currency kEuro = parse_currency("EUR").value();

TEST(AccountPath, SaysKindOwnersAndCurrency) {
  EXPECT_EQ(receivable_path("acme", "web", "laptop", kEuro).value().text(),
            "receivable/acme/web/laptop/EUR");
  EXPECT_EQ(payable_path("elbe", "hamburg", kEuro).value().text(), "payable/elbe/hamburg/EUR");
  EXPECT_EQ(house_path(AccountKind::suspense_unearned, kEuro).text(), "suspense/unearned/EUR");
}

TEST(AccountPath, RefusesNamesThatWouldForgeAnotherPath) {
  EXPECT_FALSE(receivable_path("acme/web", "x", "y", kEuro));
  EXPECT_FALSE(receivable_path("", "x", "y", kEuro));
  EXPECT_FALSE(payable_path("a b", "x", kEuro));
  EXPECT_FALSE(payable_path("a\nb", "x", kEuro));
  EXPECT_FALSE(payable_path(std::string(300, 'a'), "x", kEuro));
}

TEST(Currency, IsThreeCapitalLetters) {
  EXPECT_EQ(kEuro.text(), "EUR");
  for (const char* const wrong : {"", "EU", "EURO", "eur", "E1R"}) {
    EXPECT_FALSE(parse_currency(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace hanse::ledger
