// How requests end: who pays for what, and what is held against a site.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/dispatch/testing/desk.h"
#include "core/dispatch/testing/small_grid.h"

namespace hanse::dispatch {
namespace {

using answer::Failure;
using testing::Desk;
using ::testing::ElementsAre;
using testing::small_grid;

TEST(Endings, AClientThatLeavesBeforeTheAnswerOwesNothing) {
  Desk desk;
  const Arrived request = desk.request();
  desk.tell(request);
  EXPECT_THAT(desk.leaves(request.request),
              ElementsAre("cancel_attempt", "attempt_closed cancelled 0", "hold_released cancelled",
                          "forget"));
}

TEST(Endings, AClientThatLeavesInMidStreamOwesWhatWasMade) {
  Desk desk;
  Arrived request = desk.request();
  request.streamed = true;
  desk.tell(request);
  desk.first_token(request.request);
  EXPECT_THAT(desk.leaves(request.request, Desk::used(30, 3)),
              ElementsAre("cancel_attempt", "attempt_closed cancelled 33",
                          "request_closed cancelled 330", "forget"));
}

// Of a whole answer nothing has gone out; the site is owed for it all the same.
TEST(Endings, AWholeAnswerThatNobodyTookIsTheHousesAffair) {
  Desk desk;
  const Arrived request = desk.request();
  desk.tell(request);
  desk.first_token(request.request);
  EXPECT_THAT(desk.leaves(request.request, Desk::used(30, 3)),
              ElementsAre("cancel_attempt", "attempt_closed cancelled 33",
                          "hold_released cancelled", "forget"));
  EXPECT_EQ(desk.owes("acme"), 0);
  EXPECT_GT(desk.owed_at("ashburn"), 0);
}

// What a site reports times a dear price has no room in the books.
TEST(Endings, AReportThatCostsMoreThanThereIsMoneyBreaksNothing) {
  Snapshot snapshot = small_grid();
  constexpr TokenPrice kDear{15'600'000'000'000};  // 15.6 million for a million tokens
  for (std::size_t i = 0; i < snapshot.fleet.offers.size(); ++i) {
    snapshot.fleet.offers[OfferId(i)].prices[TokenKind::output] = kDear;
  }
  Desk desk(snapshot);
  const Arrived request = desk.request();
  desk.tell(request);
  desk.first_token(request.request);
  EXPECT_EQ(
      desk.ends(request.request, 0, Failure::none, Desk::used(1, std::int64_t{1} << 30)).back(),
      "finish");
  EXPECT_TRUE(desk.record(request).usage.contradicted);
}

// Else a site that many slow clients are sent to would be taken for a slow site.
TEST(Endings, TimeThatASlowClientCostTeachesNothingOfTheSite) {
  const auto learned_after = [](Duration took, Duration paused, bool client_leaves) {
    Desk desk;
    Arrived request = desk.request();
    request.streamed = true;
    desk.tell(request);
    desk.first_token(request.request);
    desk.pass(took);
    const Usage usage = Desk::used(30, 41);
    if (client_leaves) {
      desk.tell(ClientGone{.request = request.request, .usage = usage, .paused = paused});
    } else {
      desk.tell(AttemptEnded{.request = request.request,
                             .attempt = 0,
                             .failure = Failure::none,
                             .usage = usage,
                             .paused = paused,
                             .retry_after = {}});
    }
    const OfferId offer = desk.record(request).attempts[0].decision.chosen;
    return desk.world().placement.loads().of(offer).per_token_correction;
  };
  for (const bool leaves : {false, true}) {
    const std::int64_t read_all_along = learned_after(seconds(4), Duration(0), leaves);
    EXPECT_GT(read_all_along, placement::kOne);
    EXPECT_EQ(learned_after(seconds(6), seconds(2), leaves), read_all_along);
    EXPECT_EQ(learned_after(seconds(40), seconds(38), leaves), placement::kOne);
    // A driver that says too much.
    EXPECT_EQ(learned_after(seconds(4), seconds(50), leaves), placement::kOne);
  }
}

// Keeps nothing: what is looked at is the ledger.
class NoJournal final : public ledger::EntrySink {
 public:
  ledger::Position append(const ledger::Entry&) override { return ledger::Position(++entries_); }

 private:
  std::int64_t entries_ = 0;
};

// The prompt was foretold as 25 tokens, and can be no more than 100; the engine
// would have said at the end. 200 tokens of output are known to have left, and
// up to 456 may have.
TEST(Endings, AfterACrashATenantOwesWhatIsKnownAndTheForetoldPromptIsInDoubt) {
  Desk desk;
  Arrived request = desk.request();
  request.streamed = true;
  request.output_limit = Tokens(600);
  desk.tell(request);
  desk.first_token(request.request);
  EXPECT_THAT(desk.progressed(request.request, 200),
              ElementsAre("watermark 200 of 456", "release 456"));

  ledger::Ledger& ledger = desk.ledger();
  ASSERT_TRUE(
      ledger
          .apply({.at = desk.now().wall,
                  .body = ledger::EpochStarted{.epoch = ledger::Epoch(2), .machine_boot = {}}})
          .has_value());
  NoJournal journal;
  ledger.close_open_requests_after_crash(desk.now().wall, journal);
  EXPECT_EQ(desk.owes("acme"), 200 * 10);
  EXPECT_EQ(desk.owed_at("ashburn"), 200);
  const auto in_suspense = [&](const char* account) {
    return static_cast<std::int64_t>(ledger.balance_below(account, {{'E', 'U', 'R'}}));
  };
  EXPECT_EQ(in_suspense("suspense/receivable/"), (256 + 100) * 10);
  EXPECT_EQ(in_suspense("suspense/payable/"), -(256 + 100));
}

// Else one odd request, sent three times, would close every site to everybody.
TEST(Endings, OnlyTheFirstServerErrorOfARequestIsHeldAgainstASite) {
  Desk desk;
  for (int i = 0; i < 5; ++i) {
    const Arrived request = desk.request();
    desk.tell(request);
    std::uint8_t attempt = 0;
    while (desk.record(request).end == End::open) {
      desk.ends(request.request, attempt++, Failure::server_error);
      // A request that waits for a site goes on by itself.
      desk.pass(seconds(1));
      desk.tell(Woke());
    }
    ASSERT_GT(attempt, 1);
  }
  int sick = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    if (desk.dispatch().health_of(SiteId(i)).circuit != fleet::Circuit::closed) ++sick;
  }
  EXPECT_EQ(sick, 1);
}

}  // namespace
}  // namespace hanse::dispatch
