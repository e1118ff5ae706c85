#include "core/ledger/ledger.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/ledger/testing/simulated_shard.h"

namespace hanse::ledger {
namespace {

using testing::KeepingSink;

TokenPrices prices(std::int64_t prompt, std::int64_t cached, std::int64_t output) {
  TokenPrices all;
  all[TokenKind::prompt] = TokenPrice(prompt);
  all[TokenKind::cached_read] = TokenPrice(cached);
  all[TokenKind::output] = TokenPrice(output);
  return all;
}

TokenCounts tokens(std::int64_t prompt, std::int64_t cached, std::int64_t output) {
  TokenCounts all;
  all[TokenKind::prompt] = Tokens(prompt);
  all[TokenKind::cached_read] = Tokens(cached);
  all[TokenKind::output] = Tokens(output);
  return all;
}

// Two keys of acme, two sites, one epoch. Prices as in config/four-sites.toml:
// the tenant pays 0.120 / 0.030 / 0.360 EUR per million tokens, hamburg gets
// 0.070 / 0.018 / 0.210.
class LedgerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(apply(EpochStarted{.epoch = Epoch(1)}));
    laptop =
        account(receivable_path("acme", "web", "laptop", euro).value(), AccountKind::receivable);
    hamburg = account(payable_path("elbe", "hamburg", euro).value(), AccountKind::payable);
    lyon = account(payable_path("rhone", "lyon", euro).value(), AccountKind::payable);
  }

  Result<Postings> apply(const EntryBody& body) {
    return ledger.apply({.at = WallTime(now), .body = body});
  }
  AccountNumber account(const AccountPath& path, AccountKind kind) {
    return ledger.account_for(path, kind, euro, WallTime(now), sink).value();
  }
  std::int64_t balance(std::string_view path) {
    return static_cast<std::int64_t>(ledger.account(*ledger.find(path)).balance());
  }

  HoldOpened hold(std::int64_t sequence, Money amount = Money(1'000'000)) const {
    return {.request = {Epoch(1), sequence},
            .receivable = laptop,
            .amount = amount,
            .prices = prices(120'000, 30'000, 360'000)};
  }
  AttemptOpened attempt(std::int64_t sequence, std::uint8_t number) const {
    return {.request = {Epoch(1), sequence},
            .attempt = AttemptNumber{number},
            .payable = hamburg,
            .prices = prices(70'000, 18'000, 210'000),
            .tokens_max = tokens(1'000, 0, 256)};
  }
  AttemptClosed attempt_closed(std::int64_t sequence, std::uint8_t number) const {
    const Usage usage{.tokens = tokens(700, 300, 101)};
    return {.request = {Epoch(1), sequence},
            .attempt = AttemptNumber{number},
            .usage = usage,
            .owed = Money(75'610)};
  }
  RequestClosed closed(std::int64_t sequence) const {
    return {.request = {Epoch(1), sequence},
            .usage = {.tokens = tokens(700, 300, 101)},
            .charged = Money(129'360),
            .written_off = Money(0)};
  }

  Currency euro = parse_currency("EUR").value();
  std::int64_t now = 1'000;
  Ledger ledger;
  KeepingSink sink;
  AccountNumber laptop;
  AccountNumber hamburg;
  AccountNumber lyon;
};

// docs/ledger.md works this example through.
TEST_F(LedgerTest, ARequestEndsWithTheTenantChargedAndTheSupplierOwed) {
  ASSERT_TRUE(apply(hold(1)));
  ASSERT_TRUE(apply(attempt(1, 1)));
  ASSERT_TRUE(apply(attempt_closed(1, 1)));
  ASSERT_TRUE(apply(closed(1)));
  EXPECT_EQ(balance("receivable/acme/web/laptop/EUR"), 129'360);
  EXPECT_EQ(balance("revenue/EUR"), -129'360);
  EXPECT_EQ(balance("payable/elbe/hamburg/EUR"), -75'610);
  EXPECT_EQ(balance("cost/EUR"), 75'610);
  EXPECT_EQ(ledger.imbalance(euro), 0);
  EXPECT_EQ(ledger.open_requests(), 0U);
  EXPECT_EQ(ledger.balance_below("receivable/acme/", euro), 129'360);
}

TEST_F(LedgerTest, EveryAttemptIsOwedAndTheTenantPaysOnce) {
  ASSERT_TRUE(apply(hold(1)));
  ASSERT_TRUE(apply(attempt(1, 1)));
  ASSERT_TRUE(apply(attempt(1, 2)));  // a hedge
  ASSERT_TRUE(apply(attempt_closed(1, 1)));
  ASSERT_TRUE(apply(attempt_closed(1, 2)));
  ASSERT_TRUE(apply(closed(1)));
  EXPECT_EQ(balance("payable/elbe/hamburg/EUR"), -2 * 75'610);
  EXPECT_EQ(balance("receivable/acme/web/laptop/EUR"), 129'360);
}

TEST_F(LedgerTest, CostAboveTheHoldIsWrittenOffNotCharged) {
  ASSERT_TRUE(apply(hold(1, Money(100'000))));
  RequestClosed over = closed(1);
  EXPECT_FALSE(apply(over)) << "the whole cost must not go to the tenant";
  over.charged = Money(100'000);
  over.written_off = Money(29'360);
  const auto posted = apply(over);
  ASSERT_TRUE(posted);
  EXPECT_EQ(posted->size(), 2U);
  EXPECT_EQ(balance("receivable/acme/web/laptop/EUR"), 100'000);
  EXPECT_EQ(balance("write-off/EUR"), 29'360);
  EXPECT_EQ(balance("revenue/EUR"), -129'360);
}

TEST_F(LedgerTest, AReleasedHoldOwesNothing) {
  ASSERT_TRUE(apply(hold(1)));
  const auto released = apply(HoldReleased{.request = {Epoch(1), 1}});
  ASSERT_TRUE(released);
  EXPECT_TRUE(released->empty());
  EXPECT_EQ(ledger.open_requests(), 0U);
  EXPECT_FALSE(apply(closed(1)));
}

TEST_F(LedgerTest, NothingIsPostedTwice) {
  ASSERT_TRUE(apply(hold(1)));
  EXPECT_EQ(apply(hold(1)).error().code, ErrorCode::conflict);
  ASSERT_TRUE(apply(attempt(1, 1)));
  EXPECT_EQ(apply(attempt(1, 1)).error().code, ErrorCode::conflict);
  ASSERT_TRUE(apply(attempt_closed(1, 1)));
  EXPECT_EQ(apply(attempt_closed(1, 1)).error().code, ErrorCode::conflict);
  ASSERT_TRUE(apply(closed(1)));
  EXPECT_EQ(apply(closed(1)).error().code, ErrorCode::conflict);
  EXPECT_EQ(apply(hold(1)).error().code, ErrorCode::conflict);
  EXPECT_EQ(apply(HoldReleased{.request = {Epoch(1), 1}}).error().code, ErrorCode::conflict);
}

TEST_F(LedgerTest, WhatNeverWasCannotBeSettled) {
  EXPECT_EQ(apply(closed(9)).error().code, ErrorCode::not_found);
  EXPECT_EQ(apply(attempt(9, 1)).error().code, ErrorCode::not_found);
  RequestClosed future = closed(1);
  future.request.epoch = Epoch(2);
  EXPECT_EQ(apply(future).error().code, ErrorCode::not_found);
  ASSERT_TRUE(apply(hold(1)));
  EXPECT_EQ(apply(attempt_closed(1, 1)).error().code, ErrorCode::not_found);
}

TEST_F(LedgerTest, NumbersMayHaveGapsButNeverFall) {
  ASSERT_TRUE(apply(hold(5)));
  EXPECT_EQ(apply(hold(4)).error().code, ErrorCode::conflict);
  EXPECT_TRUE(apply(hold(9)));
}

TEST_F(LedgerTest, AmountsMustBeTokensTimesPrice) {
  ASSERT_TRUE(apply(hold(1)));
  ASSERT_TRUE(apply(attempt(1, 1)));
  AttemptClosed wrong = attempt_closed(1, 1);
  wrong.owed += Money(1);
  EXPECT_EQ(apply(wrong).error().code, ErrorCode::invalid_input);
  ASSERT_TRUE(apply(attempt_closed(1, 1)));
  RequestClosed wrong_charge = closed(1);
  wrong_charge.charged -= Money(1);
  wrong_charge.written_off += Money(1);
  EXPECT_EQ(apply(wrong_charge).error().code, ErrorCode::invalid_input);
}

TEST_F(LedgerTest, ARequestCannotEndWhileAnAttemptIsOpen) {
  ASSERT_TRUE(apply(hold(1)));
  ASSERT_TRUE(apply(attempt(1, 1)));
  EXPECT_EQ(apply(closed(1)).error().code, ErrorCode::conflict);
  EXPECT_EQ(apply(HoldReleased{.request = {Epoch(1), 1}}).error().code, ErrorCode::conflict);
}

TEST_F(LedgerTest, AccountsHaveOneKindAndOneCurrency) {
  HoldOpened wrong = hold(1);
  wrong.receivable = hamburg;
  EXPECT_EQ(apply(wrong).error().code, ErrorCode::not_found);
  wrong.receivable = AccountNumber(999);
  EXPECT_EQ(apply(wrong).error().code, ErrorCode::not_found);
  const auto path = AccountPath::parse("payable/elbe/hamburg/EUR").value();
  EXPECT_EQ(
      ledger.account_for(path, AccountKind::receivable, euro, WallTime(now), sink).error().code,
      ErrorCode::conflict);
  const Currency franc = parse_currency("CHF").value();
  EXPECT_FALSE(ledger.account_for(path, AccountKind::payable, franc, WallTime(now), sink));
}

// A site may be paid in francs while the tenant pays in euros: two postings,
// each within its own currency, each summing to zero.
TEST_F(LedgerTest, TwoCurrenciesNeverMixInOnePosting) {
  const Currency franc = parse_currency("CHF").value();
  const AccountNumber zurich = ledger
                                   .account_for(payable_path("alpen", "zurich", franc).value(),
                                                AccountKind::payable, franc, WallTime(now), sink)
                                   .value();
  ASSERT_TRUE(apply(hold(1)));
  AttemptOpened abroad = attempt(1, 1);
  abroad.payable = zurich;
  ASSERT_TRUE(apply(abroad));
  ASSERT_TRUE(apply(attempt_closed(1, 1)));
  ASSERT_TRUE(apply(closed(1)));
  EXPECT_EQ(balance("cost/CHF"), 75'610);
  EXPECT_EQ(balance("revenue/EUR"), -129'360);
  EXPECT_EQ(ledger.imbalance(euro), 0);
  EXPECT_EQ(ledger.imbalance(franc), 0);
}

TEST_F(LedgerTest, TheClockNeverGoesBackwards) {
  now = 999;
  EXPECT_EQ(apply(hold(1)).error().code, ErrorCode::invalid_input);
}

TEST_F(LedgerTest, OpenRequestsAreBounded) {
  Ledger small({.open_requests_max = 1, .open_attempts_max = 1});
  KeepingSink kept;
  ASSERT_TRUE(small.apply({.at = WallTime(1), .body = EpochStarted{.epoch = Epoch(1)}}));
  for (const Entry& entry : sink.entries) {
    ASSERT_TRUE(small.apply(entry));
  }
  ASSERT_TRUE(small.apply({.at = WallTime(now), .body = hold(1)}));
  EXPECT_EQ(small.apply({.at = WallTime(now), .body = hold(2)}).error().code,
            ErrorCode::at_capacity);
  ASSERT_TRUE(small.apply({.at = WallTime(now), .body = attempt(1, 1)}));
  EXPECT_EQ(small.apply({.at = WallTime(now), .body = attempt(1, 2)}).error().code,
            ErrorCode::at_capacity);
}

class WatermarkTest : public LedgerTest {
 protected:
  void SetUp() override {
    LedgerTest::SetUp();
    ASSERT_TRUE(apply(hold(1)));
    ASSERT_TRUE(apply(attempt(1, 1)));
  }
  Result<Postings> raise(TokenCounts confirmed, TokenCounts may_leave) {
    const Progress progress{.confirmed = confirmed, .may_leave = may_leave};
    return apply(Watermark{.request = {Epoch(1), 1},
                           .attempt = AttemptNumber{1},
                           .tenant = progress,
                           .supplier = progress});
  }
};

TEST_F(WatermarkTest, NeverFallsAndConfirmsOnlyWhatWasLetGo) {
  EXPECT_FALSE(raise(tokens(0, 0, 1), tokens(0, 0, 64))) << "nothing may have left yet";
  ASSERT_TRUE(raise(tokens(0, 0, 0), tokens(40, 0, 64)));
  EXPECT_FALSE(raise(tokens(40, 0, 65), tokens(40, 0, 128)));
  ASSERT_TRUE(raise(tokens(40, 0, 60), tokens(40, 0, 128)));
  EXPECT_FALSE(raise(tokens(40, 0, 59), tokens(40, 0, 128)));
  EXPECT_FALSE(raise(tokens(40, 0, 60), tokens(40, 0, 127)));
  EXPECT_FALSE(raise(tokens(41, 0, 60), tokens(40, 0, 128)));
}

// docs/ledger.md, "Crash".
TEST_F(WatermarkTest, AfterACrashTheTenantPaysWhatWasConfirmedAndTheGapStandsInSuspense) {
  ASSERT_TRUE(raise(tokens(0, 0, 0), tokens(1'000, 0, 64)));
  ASSERT_TRUE(raise(tokens(1'000, 0, 50), tokens(1'000, 0, 128)));
  ASSERT_TRUE(apply(EpochStarted{.epoch = Epoch(2)}));
  sink.entries.clear();
  ledger.close_open_requests_after_crash(WallTime(now), sink);
  EXPECT_EQ(sink.entries.size(), 2U);
  EXPECT_EQ(balance("receivable/acme/web/laptop/EUR"), 120'000 + 18'000);
  EXPECT_EQ(balance("suspense/receivable/EUR"), 78 * 360);
  EXPECT_EQ(balance("suspense/unearned/EUR"), -78 * 360);
  EXPECT_EQ(balance("payable/elbe/hamburg/EUR"), -(70'000 + 10'500));
  EXPECT_EQ(balance("suspense/payable/EUR"), -78 * 210);
  EXPECT_EQ(balance("cost/EUR"), 80'500 + 78 * 210);
  EXPECT_EQ(ledger.imbalance(euro), 0);
  EXPECT_EQ(ledger.open_requests(), 0U);

  sink.entries.clear();
  ledger.close_open_requests_after_crash(WallTime(now), sink);
  EXPECT_TRUE(sink.entries.empty());
}

// A whole answer leaves only after its entries: nothing can have reached the
// client, but the supplier may have worked up to the bound.
TEST_F(WatermarkTest, WithoutAWatermarkTheTenantOwesNothingAndTheSuppliersBoundStandsInSuspense) {
  ASSERT_TRUE(apply(EpochStarted{.epoch = Epoch(2)}));
  ledger.close_open_requests_after_crash(WallTime(now), sink);
  EXPECT_EQ(balance("receivable/acme/web/laptop/EUR"), 0);
  EXPECT_EQ(balance("payable/elbe/hamburg/EUR"), 0);
  EXPECT_EQ(balance("suspense/payable/EUR"), -(1'000 * 70 + 256 * 210));
}

TEST_F(WatermarkTest, ACrashNeverChargesAboveTheHold) {
  ASSERT_TRUE(apply(hold(2, Money(10'000))));
  AttemptOpened second = attempt(2, 1);
  ASSERT_TRUE(apply(second));
  const auto raise_second = [&](TokenCounts confirmed, TokenCounts may_leave) {
    const Progress progress{.confirmed = confirmed, .may_leave = may_leave};
    return apply(Watermark{.request = {Epoch(1), 2},
                           .attempt = AttemptNumber{1},
                           .tenant = progress,
                           .supplier = progress});
  };
  ASSERT_TRUE(raise_second(tokens(0, 0, 0), tokens(0, 0, 64)));
  ASSERT_TRUE(raise_second(tokens(0, 0, 20), tokens(0, 0, 64)));
  ASSERT_TRUE(apply(EpochStarted{.epoch = Epoch(2)}));
  ledger.close_open_requests_after_crash(WallTime(now), sink);
  EXPECT_EQ(balance("receivable/acme/web/laptop/EUR"), 7'200);
  EXPECT_EQ(balance("suspense/receivable/EUR"), 2'800) << "up to the hold and no further";
}

TEST_F(WatermarkTest, TheEpochAfterACrashCanOnlyLoseWhatWasOpen) {
  RequestLost lost;
  lost.request = {Epoch(1), 1};
  EXPECT_FALSE(apply(lost)) << "still under way";
  ASSERT_TRUE(apply(EpochStarted{.epoch = Epoch(2)}));
  EXPECT_EQ(apply(attempt_closed(1, 1)).error().code, ErrorCode::conflict);
  EXPECT_EQ(apply(hold(2)).error().code, ErrorCode::invalid_input);
  AttemptLost wrong;
  wrong.request = {Epoch(1), 1};
  wrong.attempt = AttemptNumber{1};
  EXPECT_EQ(apply(wrong).error().code, ErrorCode::invalid_input);
}

// --- Refused requests ------------------------------------------------------

TEST_F(LedgerTest, ARefusedRequestPostsNothingAndUsesItsNumberUp) {
  const RequestRefused refused{.request = {Epoch(1), 1}, .why = Refusal::by_law};
  const auto posted = apply(refused);
  ASSERT_TRUE(posted);
  EXPECT_TRUE(posted->empty());
  EXPECT_EQ(ledger.open_requests(), 0U);
  EXPECT_EQ(apply(refused).error().code, ErrorCode::conflict) << "no number comes twice";
  EXPECT_EQ(apply(hold(1)).error().code, ErrorCode::conflict);
  EXPECT_EQ(apply(HoldReleased{.request = {Epoch(1), 1}}).error().code, ErrorCode::conflict);
  EXPECT_TRUE(apply(hold(2)));
}

TEST_F(LedgerTest, WhatWasAdmittedIsNotRefusedAfterwards) {
  ASSERT_TRUE(apply(hold(3)));
  const auto refuse = [&](std::int64_t sequence, Epoch epoch = Epoch(1)) {
    return apply(RequestRefused{.request = {epoch, sequence}, .why = Refusal::over_rate});
  };
  EXPECT_EQ(refuse(3).error().code, ErrorCode::conflict) << "it is open";
  EXPECT_EQ(refuse(2).error().code, ErrorCode::conflict) << "numbers rise, whatever they are for";
  ASSERT_TRUE(apply(HoldReleased{.request = {Epoch(1), 3}}));
  EXPECT_EQ(refuse(3).error().code, ErrorCode::conflict) << "it has ended";
  EXPECT_EQ(refuse(4, Epoch(2)).error().code, ErrorCode::invalid_input);
  EXPECT_EQ(refuse(0).error().code, ErrorCode::invalid_input);
  EXPECT_TRUE(refuse(4));
}

TEST_F(LedgerTest, ARefusalHasAReason) {
  const RequestRefused without{.request = {Epoch(1), 1}, .why = Refusal{6}};
  EXPECT_EQ(apply(without).error().code, ErrorCode::invalid_input);
  const RequestRefused none{.request = {Epoch(1), 1}, .why = Refusal{0}};
  EXPECT_EQ(apply(none).error().code, ErrorCode::invalid_input);
}

TEST_F(LedgerTest, EpochsFollowEachOther) {
  EXPECT_FALSE(apply(EpochStarted{.epoch = Epoch(1)}));
  EXPECT_FALSE(apply(EpochStarted{.epoch = Epoch(3)}));
  EXPECT_TRUE(apply(EpochStarted{.epoch = Epoch(2)}));
}

TEST(Seal, AJournalCannotBeginWithBalancesFromNowhere) {
  Ledger ledger;
  EXPECT_EQ(ledger.apply({.at = WallTime(1), .body = SealBegun{}}).error().code, ErrorCode::broken);
}

TEST(Seal, InMidJournalASealComesFirst) {
  Ledger ledger;
  ledger.begin_at(Position(10));
  EXPECT_EQ(ledger.apply({.at = WallTime(1), .body = EpochStarted{.epoch = Epoch(1)}}).error().code,
            ErrorCode::broken);
}

}  // namespace
}  // namespace hanse::ledger
