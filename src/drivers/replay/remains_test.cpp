#include "drivers/replay/remains.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/dispatch/testing/small_grid.h"
#include "core/ledger/ledger.h"

namespace hanse::replay {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr ledger::RequestNumber kRequest{ledger::Epoch(1), 1};
constexpr ledger::AttemptNumber kAttempt{1};

Tokens tokens(std::int64_t count) { return Tokens(count); }

// A journal with a request under way: a watermark has confirmed 5 tokens and
// lets 20 leave.
class RemainsTest : public ::testing::Test {
 protected:
  RemainsTest() {
    using namespace ledger;
    const Currency euro = parse_currency("EUR").value();
    write(EpochStarted{.epoch = Epoch(1)});
    struct Sink final : EntrySink {
      explicit Sink(std::vector<Entry>& to) : entries(to) {}
      Position append(const Entry& entry) override {
        entries.push_back(entry);
        return {};
      }
      std::vector<Entry>& entries;
    } sink(remains_.journal);
    const auto receivable =
        books_.account_for(receivable_path("acme", "web", "laptop", euro).value(),
                           AccountKind::receivable, euro, {}, sink);
    const auto payable = books_.account_for(payable_path("rhone", "lyon", euro).value(),
                                            AccountKind::payable, euro, {}, sink);
    const TokenPrices prices = dispatch::testing::nanos_per_token(10);
    write(HoldOpened{
        .request = kRequest, .receivable = *receivable, .amount = Money(1'000), .prices = prices});
    write(AttemptOpened{.request = kRequest,
                        .attempt = kAttempt,
                        .payable = *payable,
                        .prices = prices,
                        .tokens_max = {}});
    may_leave(0, 5);
    may_leave(5, 20);
  }

  void write(const ledger::EntryBody& body) {
    remains_.journal.push_back({.at = {}, .body = body});
    ASSERT_TRUE(books_.apply(remains_.journal.back()));
  }
  void may_leave(std::int64_t confirmed, std::int64_t most) {
    ledger::Progress progress;
    progress.confirmed[TokenKind::output] = tokens(confirmed);
    progress.may_leave[TokenKind::output] = tokens(most);
    write(ledger::Watermark{
        .request = kRequest, .attempt = kAttempt, .tenant = progress, .supplier = progress});
  }
  void has_left(std::int64_t count, ledger::AttemptNumber attempt = kAttempt) {
    remains_.open = {
        {.request = kRequest, .attempt = attempt, .left = tokens(count), .most = tokens(50)}};
  }
  std::vector<std::string> complaints() { return recover(remains_, {}).complaints; }

  ledger::Ledger books_;
  Remains remains_;
};

TEST_F(RemainsTest, ARequestThatWasOpenIsEndedWithinItsWatermark) {
  has_left(13);
  const Recovered recovered = recover(remains_, {});
  EXPECT_THAT(recovered.complaints, IsEmpty());
  EXPECT_EQ(recovered.journal.size(), remains_.journal.size() + 3);
  const auto* lost = std::get_if<ledger::RequestLost>(&recovered.journal.back().body);
  ASSERT_NE(lost, nullptr);
  EXPECT_EQ(lost->charged, Money(50));
}

TEST_F(RemainsTest, TokensThatLeftPastTheWatermarkAreToldOf) {
  has_left(21);
  EXPECT_THAT(complaints(), ElementsAre(HasSubstr("more tokens leave than the watermark")));
}

TEST_F(RemainsTest, TokensThatWereConfirmedAndNeverLeftAreToldOf) {
  has_left(4);
  EXPECT_THAT(complaints(), ElementsAre(HasSubstr("confirmed that have not left"),
                                        HasSubstr("charged for more than has left")));
}

TEST_F(RemainsTest, WhatWasToldBeforeItWasWrittenIsToldOf) {
  has_left(13);
  remains_.told = {kRequest};
  EXPECT_THAT(complaints(), ElementsAre(HasSubstr("its end told before it was written")));
}

TEST_F(RemainsTest, AnAttemptThatTheJournalDoesNotKnowIsToldOf) {
  has_left(13, ledger::AttemptNumber{2});
  EXPECT_THAT(complaints(), ElementsAre(HasSubstr("the journal does not know")));
}

}  // namespace
}  // namespace hanse::replay
