#include "adapters/storage/balance_report.h"

#include <gtest/gtest.h>

namespace hanse::storage {
namespace {

using ledger::AccountKind;

const ledger::Currency kEuro = ledger::parse_currency("EUR").value();
const ledger::Currency kFranc = ledger::parse_currency("CHF").value();

BookedBalance account(std::string path, AccountKind kind, std::int64_t debits, std::int64_t credits,
                      ledger::Currency currency = kEuro) {
  return {.path = std::move(path),
          .kind = kind,
          .currency = currency,
          .debits = debits,
          .credits = credits};
}

std::vector<BookedBalance> sample() {
  return {account("receivable/acme/web/laptop/EUR", AccountKind::receivable, 700, 0),
          account("receivable/acme/web/phone/EUR", AccountKind::receivable, 200, 0),
          account("receivable/acme/lab/bench/EUR", AccountKind::receivable, 50, 0),
          account("receivable/shop/chat/till/EUR", AccountKind::receivable, 50, 0),
          account("revenue/EUR", AccountKind::revenue, 0, 1'030),
          account("write-off/EUR", AccountKind::write_off, 30, 0),
          account("payable/elbe/hamburg/EUR", AccountKind::payable, 0, 400),
          account("cost/EUR", AccountKind::cost, 430, 0),
          account("suspense/payable/EUR", AccountKind::suspense_payable, 0, 30),
          account("payable/alpen/zurich/CHF", AccountKind::payable, 0, 60, kFranc),
          account("cost/CHF", AccountKind::cost, 60, 0, kFranc)};
}

std::vector<BookedCost> sample_costs() {
  return {{.receivable = "receivable/acme/web/laptop/EUR",
           .payable = "payable/elbe/hamburg/EUR",
           .attempts = 3,
           .owed = 400,
           .in_doubt = 30},
          {.receivable = "receivable/acme/lab/bench/EUR",
           .payable = "payable/alpen/zurich/CHF",
           .attempts = 1,
           .owed = 60,
           .in_doubt = 0}};
}

TEST(BalanceReport, SumsByTenantProjectAndKey) {
  const BalanceReport report = report_of(sample(), sample_costs());
  EXPECT_EQ(report.tenants, (std::vector<OwedLine>{{{"acme"}, kEuro, 950}, {{"shop"}, kEuro, 50}}));
  EXPECT_EQ(report.projects, (std::vector<OwedLine>{{{"acme", "lab"}, kEuro, 50},
                                                    {{"acme", "web"}, kEuro, 900},
                                                    {{"shop", "chat"}, kEuro, 50}}));
  EXPECT_EQ(report.keys.size(), 4U);
  EXPECT_EQ(report.sites, (std::vector<OwedLine>{{{"alpen", "zurich"}, kFranc, 60},
                                                 {{"elbe", "hamburg"}, kEuro, 400}}));
  EXPECT_TRUE(report.adds_up());
}

TEST(BalanceReport, TheMarginIsWhatIsLeftAfterCostDoubtAndWriteOff) {
  const BalanceReport report = report_of(sample(), sample_costs());
  ASSERT_EQ(report.totals.size(), 2U);
  EXPECT_EQ(report.totals[1].currency, kEuro);
  EXPECT_EQ(report.totals[1].margin(), 1'030 - 430 - 30);
  EXPECT_EQ(report.totals[0].margin(), -60);
  EXPECT_EQ(report.tenant_margins,
            (std::vector<MarginLine>{
                {{"acme"}, kFranc, 0, 60}, {{"acme"}, kEuro, 950, 430}, {{"shop"}, kEuro, 50, 0}}));
}

TEST(BalanceReport, BooksThatDoNotSumToZeroAreNoticed) {
  auto balances = sample();
  balances[0].debits += 1;
  EXPECT_FALSE(report_of(balances, {}).adds_up());
}

TEST(BalanceReport, AmountsArePrintedExactly) {
  EXPECT_EQ(to_decimal(ledger::Sum{0}), "0.00");
  EXPECT_EQ(to_decimal(ledger::Sum{129'360}), "0.00012936");
  EXPECT_EQ(to_decimal(ledger::Sum{-1'500'000'000}), "-1.50");
  EXPECT_EQ(to_decimal(static_cast<ledger::Sum>(INT64_MAX) * 10), "92233720368.54775807");
}

}  // namespace
}  // namespace hanse::storage
