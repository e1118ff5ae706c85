// Hedges: a second attempt beside one that is late.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "core/dispatch/hedge_book.h"
#include "core/dispatch/testing/desk.h"
#include "core/dispatch/testing/small_grid.h"

namespace hanse::dispatch {
namespace {

using answer::Failure;
using testing::Desk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::small_grid;
using testing::Story;

// Later than any attempt at a site that nobody has measured may be.
constexpr Duration kLate = seconds(4);

Snapshot hedging_grid(std::int32_t budget_ppm = 1'000'000) {
  Snapshot snapshot = small_grid();
  snapshot.catalog.classes[ClassId(0)].hedge_budget_ppm = budget_ppm;
  return snapshot;
}

// Without probes and wake-ups.
Story about_requests(Story story) {
  std::erase_if(story, [](std::string_view line) {
    return line.starts_with("probe") || line.starts_with("wake_at");
  });
  return story;
}

Arrived asks(Desk& desk, std::string_view labels = "none") {
  Arrived request = desk.request("acme", labels);
  request.streamed = true;
  desk.tell(request);
  return request;
}

Story wakes(Desk& desk, Duration after = kLate) {
  desk.pass(after);
  return about_requests(desk.tell(Woke{}));
}

// A request whose first attempt, at ashburn, is late, and its hedge at frankfurt.
Arrived is_hedged(Desk& desk) {
  const Arrived request = asks(desk);
  EXPECT_THAT(wakes(desk), ElementsAre("attempt_opened", "open_attempt frankfurt/small/q4"));
  return request;
}

TEST(Hedges, ALateAttemptGetsAnotherBesideIt) {
  Desk desk(hedging_grid());
  const Arrived request = is_hedged(desk);
  EXPECT_FALSE(desk.record(request).attempts[0].hedge);
  EXPECT_TRUE(desk.record(request).attempts[1].hedge);
  EXPECT_EQ(desk.dispatch().attempts_at(desk.site("ashburn")), 1);
  EXPECT_EQ(desk.dispatch().attempts_at(desk.site("frankfurt")), 1);
}

TEST(Hedges, NobodyWhoDoesNotAskForThemGetsOne) {
  Desk desk;
  asks(desk);
  EXPECT_THAT(wakes(desk), IsEmpty());
}

TEST(Hedges, AnAttemptThatIsNotLateGetsNone) {
  Desk desk(hedging_grid());
  const Arrived request = asks(desk);
  EXPECT_THAT(wakes(desk, milliseconds(200)), IsEmpty());
  desk.first_token(request.request);
  EXPECT_THAT(wakes(desk), IsEmpty());
}

TEST(Hedges, AHedgeThatAnswersFirstIsTheAnswer) {
  Desk desk(hedging_grid());
  const Arrived request = is_hedged(desk);
  EXPECT_THAT(desk.first_token(request.request, 1),
              ElementsAre("cancel_attempt", "attempt_closed cancelled 0", "watermark 0 of 50",
                          "release all"));
  // 100 prompt tokens and 5 of output, at frankfurt's price and at the tenant's.
  EXPECT_THAT(
      desk.ends(request.request, 1, Failure::none, Desk::used(100, 5)),
      ElementsAre("attempt_closed completed 210", "request_closed completed 1050", "finish"));
  EXPECT_EQ(desk.owes("acme"), 1'050);
  EXPECT_EQ(desk.owed_at("ashburn"), 0);
  EXPECT_EQ(desk.owed_at("frankfurt"), 210);
  EXPECT_TRUE(desk.record(request).attempts[0].outrun);
  EXPECT_EQ(hedging_of(desk.record(request)), Hedging::won);
  EXPECT_EQ(desk.dispatch().attempts_at(desk.site("ashburn")), 0);
}

TEST(Hedges, AFirstAttemptThatAnswersAfterAllIsTheAnswer) {
  Desk desk(hedging_grid());
  const Arrived request = is_hedged(desk);
  EXPECT_THAT(desk.first_token(request.request, 0),
              ElementsAre("cancel_attempt", "attempt_closed cancelled 0", "watermark 0 of 50",
                          "release all"));
  desk.ends(request.request, 0, Failure::none, Desk::used(100, 5));
  EXPECT_TRUE(desk.record(request).attempts[1].outrun);
  EXPECT_EQ(hedging_of(desk.record(request)), Hedging::lost);
  EXPECT_EQ(&telling_attempt(desk.record(request)), &desk.record(request).attempts[0]);
  EXPECT_EQ(*first_token_of(desk.record(request)), kLate);
  EXPECT_EQ(desk.owed_at("frankfurt"), 0);
}

TEST(Hedges, NewsOfTheLoserIsLateNews) {
  Desk desk(hedging_grid());
  const Arrived request = is_hedged(desk);
  desk.first_token(request.request, 1);
  EXPECT_THAT(desk.first_token(request.request, 0), IsEmpty());
  EXPECT_THAT(desk.progressed(request.request, 5), IsEmpty());
  EXPECT_THAT(desk.ends(request.request, 0, Failure::none, Desk::used(100, 5)), IsEmpty());
  EXPECT_EQ(desk.record(request).end, End::open);
}

TEST(Hedges, WhenOneFailsTheOtherGoesOnAlone) {
  Desk desk(hedging_grid());
  const Arrived request = is_hedged(desk);
  EXPECT_THAT(desk.ends(request.request, 0, Failure::reset),
              ElementsAre("attempt_closed failed 0"));
  EXPECT_EQ(desk.dispatch().health_of(desk.site("ashburn")).failures_in_row, 1);
  EXPECT_THAT(desk.first_token(request.request, 1),
              ElementsAre("watermark 0 of 50", "release all"));
  EXPECT_EQ(hedging_of(desk.record(request)), Hedging::won);
}

TEST(Hedges, WhenBothFailTheNextSiteIsAsked) {
  Desk desk(hedging_grid());
  const Arrived request = is_hedged(desk);
  desk.ends(request.request, 1, Failure::reset);
  EXPECT_THAT(
      about_requests(desk.ends(request.request, 0, Failure::silent)),
      ElementsAre("attempt_closed timed_out 0", "attempt_opened", "open_attempt hamburg/small/q4"));
  EXPECT_EQ(hedging_of(desk.record(request)), Hedging::lost);
  // It had its hedge.
  EXPECT_THAT(wakes(desk), IsEmpty());
}

// Whoever else is asked could only say the same.
TEST(Hedges, TheRequestsOwnFaultEndsBoth) {
  Desk desk(hedging_grid());
  const Arrived request = is_hedged(desk);
  EXPECT_THAT(desk.ends(request.request, 0, Failure::client_request),
              ElementsAre("attempt_closed failed 0", "cancel_attempt", "attempt_closed cancelled 0",
                          "hold_released failed", "refuse client_error client_request"));
  EXPECT_EQ(hedging_of(desk.record(request)), Hedging::dropped);
}

TEST(Hedges, AClientThatLeavesEndsBoth) {
  Desk desk(hedging_grid());
  const Arrived request = is_hedged(desk);
  EXPECT_THAT(desk.leaves(request.request),
              ElementsAre("cancel_attempt", "attempt_closed cancelled 0", "cancel_attempt",
                          "attempt_closed cancelled 0", "hold_released cancelled", "forget"));
  EXPECT_EQ(desk.ledger().open_attempts(), 0U);
}

TEST(Hedges, AHedgeKeepsToTheLaw) {
  Snapshot snapshot = hedging_grid();
  // Of the two that may have such data, both are elbe's now.
  snapshot.fleet.sites[SiteId(3)].supplier = snapshot.fleet.sites[SiteId(2)].supplier;
  Desk desk(std::move(snapshot));
  const Arrived request = asks(desk, "personal; subjects=EU");
  EXPECT_EQ(desk.record(request).attempts[0].site, desk.site("hamburg"));
  EXPECT_THAT(wakes(desk), IsEmpty());
  EXPECT_EQ(desk.record(request).attempts.size(), 1U);
}

TEST(Hedges, AHedgeGoesToAnotherSupplier) {
  Snapshot snapshot = hedging_grid();
  snapshot.fleet.sites[SiteId(1)].supplier = snapshot.fleet.sites[SiteId(0)].supplier;
  Desk desk(std::move(snapshot));
  const Arrived request = asks(desk);
  EXPECT_THAT(wakes(desk), ElementsAre("attempt_opened", "open_attempt hamburg/small/q4"));
  const auto& excluded = desk.record(request).attempts[1].excluded;
  EXPECT_TRUE(std::ranges::any_of(excluded, [](const Exclusion& exclusion) {
    return exclusion == Exclusion{SiteId(1), Exclusion::Why::same_domain};
  }));
}

TEST(Hedges, AHedgeIsNotSentWhereItWouldHaveToWait) {
  Snapshot snapshot = hedging_grid();
  for (std::size_t i = 1; i < 4; ++i) snapshot.fleet.sites[SiteId(i)].slots = 1;
  Desk desk(std::move(snapshot));
  asks(desk);
  // Three late ones take the three slots that are free elsewhere.
  for (int i = 0; i < 3; ++i) asks(desk);
  const Story story = wakes(desk);
  EXPECT_EQ(std::ranges::count(story, "attempt_opened"), 3);
}

TEST(Hedges, TheBudgetBoundsThem) {
  Desk desk(hedging_grid(500'000));
  asks(desk);
  EXPECT_THAT(wakes(desk), IsEmpty());
  asks(desk);
  EXPECT_THAT(wakes(desk), ElementsAre("attempt_opened", "open_attempt frankfurt/small/q4"));
  asks(desk);
  EXPECT_THAT(wakes(desk), IsEmpty());
}

TEST(Hedges, TheyCountAsAttempts) {
  DispatchOptions options;
  options.attempts_max = 2;
  Desk desk(hedging_grid(), options);
  const Arrived request = is_hedged(desk);
  desk.ends(request.request, 1, Failure::reset);
  EXPECT_THAT(desk.ends(request.request, 0, Failure::reset),
              ElementsAre("attempt_closed failed 0", "hold_released failed",
                          "refuse attempts_failed reset"));
}

// Both are counted in the world that is read in meanwhile, until they end.
TEST(Hedges, AReloadInBetweenForgetsNeither) {
  Desk desk(hedging_grid());
  const Arrived request = is_hedged(desk);
  desk.changes_to(hedging_grid());
  const auto sequences = [&](std::size_t offer) {
    return desk.world().placement.loads().of(OfferId(offer)).sequences;
  };
  EXPECT_EQ(sequences(0) + sequences(1), 2);
  desk.first_token(request.request, 1);
  EXPECT_EQ(sequences(0), 0);
  EXPECT_EQ(sequences(1), 1);
  desk.ends(request.request, 1, Failure::none, Desk::used(100, 5));
  EXPECT_EQ(sequences(1), 0);
}

// A site that is always outrun would never be learned to be slow.
TEST(Hedges, ALateAttemptThatIsOutrunTeachesThatItWasLate) {
  Desk desk(hedging_grid());
  const Arrived request = is_hedged(desk);
  const auto spread = [&](std::size_t offer) {
    return desk.world().placement.loads().of(OfferId(offer)).first_token_spread;
  };
  desk.pass(milliseconds(5));
  desk.first_token(request.request, 1);
  EXPECT_GT(spread(0), placement::kSpreadUnknown);
}

// The loser owes nothing for what nobody knows of, and of both of an open pair
// anything up to the most may have been made.
TEST(Hedges, ACrashLosesBothAttemptsAndTheRequestOnce) {
  Desk desk(hedging_grid());
  is_hedged(desk);
  struct Kinds final : ledger::EntrySink {
    ledger::Position append(const ledger::Entry& entry) override {
      seen.emplace_back(ledger::kind_name(entry.body));
      return {};
    }
    Story seen;
  } kinds;
  ledger::Ledger& ledger = desk.ledger();
  const WallTime at = desk.now().wall;
  ASSERT_TRUE(
      ledger
          .apply({.at = at,
                  .body = ledger::EpochStarted{.epoch = ledger::Epoch(2), .machine_boot = {}}})
          .has_value());
  ledger.close_open_requests_after_crash(at, kinds);
  EXPECT_THAT(kinds.seen, ElementsAre("attempt_lost", "attempt_lost", "request_lost"));
  EXPECT_EQ(ledger.imbalance({{'E', 'U', 'R'}}), 0);
  EXPECT_EQ(desk.owes("acme"), 0);
}

TEST(HedgeBook, KeepsSomeOfWhatIsEarned) {
  HedgeBook book;
  const HedgeLine line = book.line("interactive");
  EXPECT_FALSE(book.has_one(line));
  for (int i = 0; i < 1'000; ++i) book.earned(line, 100'000);
  for (std::int64_t i = 0; i < HedgeBook::kKept; ++i) book.take(line);
  EXPECT_FALSE(book.has_one(line));
}

TEST(HedgeBook, AClassKeepsItsLine) {
  HedgeBook book;
  const HedgeLine line = book.line("interactive");
  EXPECT_NE(book.line("batch"), line);
  EXPECT_EQ(book.line("interactive"), line);
}

}  // namespace
}  // namespace hanse::dispatch
