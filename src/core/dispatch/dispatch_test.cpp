#include "core/dispatch/dispatch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>

#include "core/dispatch/testing/desk.h"

namespace hanse::dispatch {
namespace {

using answer::Failure;
using testing::day;
using testing::Desk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::small_grid;

// --- One attempt -----------------------------------------------------------

// Held: 150 tokens at 10 nano-units, and one for rounding. Used: 30 prompt and
// 20 output tokens, for which the tenant pays 10 each and ashburn gets 1 each.
TEST(Dispatch, AnOrdinaryRequestIsHeldSentAndSettledAtTheCheapestSite) {
  Desk desk;
  const Arrived request = desk.request();
  EXPECT_THAT(desk.tell(request),
              ElementsAre("hold_opened 1501", "attempt_opened", "open_attempt ashburn/small/q4"));
  EXPECT_THAT(desk.first_token(request.request), IsEmpty());
  EXPECT_THAT(desk.ends(request.request, 0, Failure::none, Desk::used(30, 20)),
              ElementsAre("attempt_closed completed 50", "request_closed completed 500", "finish"));
  EXPECT_EQ(desk.owes("acme"), 500);
  EXPECT_EQ(desk.owed_at("ashburn"), 50);
  EXPECT_EQ(desk.record(request).end, End::answered);
  EXPECT_EQ(desk.dispatch().open_requests(), 0U);
}

TEST(Dispatch, AStreamIsLetGoByWatermarksAheadOfIt) {
  Desk desk;
  Arrived request = desk.request();
  request.streamed = true;
  request.output_limit = Tokens(600);
  desk.tell(request);
  EXPECT_THAT(desk.first_token(request.request), ElementsAre("watermark 0 of 256", "release 256"));
  EXPECT_THAT(desk.progressed(request.request, 100), IsEmpty());
  EXPECT_THAT(desk.progressed(request.request, 200),
              ElementsAre("watermark 200 of 456", "release 456"));
  // A burst past the mark: what is beyond it has been held back.
  EXPECT_THAT(desk.progressed(request.request, 500),
              ElementsAre("watermark 456 of 600", "release all"));
  EXPECT_THAT(
      desk.ends(request.request, 0, Failure::none, Desk::used(30, 600)),
      ElementsAre("attempt_closed completed 630", "request_closed completed 6300", "finish"));
}

// A driver holds a burst back as a whole until all of it may leave; killed just
// then, the tenant must not pay for what stood between the two marks.
TEST(Dispatch, OnlyWhatHasLeftIsConfirmed) {
  Desk desk;
  Arrived request = desk.request();
  request.streamed = true;
  request.output_limit = Tokens(900);
  desk.tell(request);
  desk.first_token(request.request);
  EXPECT_THAT(desk.progressed(request.request, 500, 40),
              ElementsAre("watermark 40 of 756", "release 756"));
  EXPECT_THAT(desk.progressed(request.request, 760, 30),
              ElementsAre("watermark 40 of 900", "release all"));
}

// An engine may split its tokens into more deltas than it bills for: once
// nothing is held back any more there is nothing to let go.
TEST(Dispatch, WhatIsLetGoWhollyIsLetGoOnce) {
  Desk desk;
  Arrived request = desk.request();
  request.streamed = true;
  desk.tell(request);
  EXPECT_THAT(desk.first_token(request.request), ElementsAre("watermark 0 of 50", "release all"));
  EXPECT_THAT(desk.progressed(request.request, 10), IsEmpty());
  EXPECT_THAT(desk.progressed(request.request, 80), IsEmpty());
}

// A client may ask for no output at all, to fill a cache; whatever comes must
// not be held back for ever.
TEST(Dispatch, AStreamThatMayHaveNoOutputIsLetGoToo) {
  Desk desk;
  Arrived request = desk.request();
  request.streamed = true;
  request.output_limit = Tokens(0);
  desk.tell(request);
  EXPECT_THAT(desk.first_token(request.request), ElementsAre("watermark 0 of 0", "release all"));
}

TEST(Dispatch, CostAboveTheHoldIsOurs) {
  Desk desk;
  const Arrived request = desk.request();
  desk.tell(request);
  desk.ends(request.request, 0, Failure::none, Desk::used(1'000, 50));
  EXPECT_EQ(desk.record(request).charged, Money(1'501));
  EXPECT_EQ(desk.record(request).written_off, Money(10'500 - 1'501));
  EXPECT_EQ(desk.owes("acme"), 1'501);
  EXPECT_EQ(desk.owed_at("ashburn"), 1'050);
}

// --- No attempt at all -----------------------------------------------------

TEST(Dispatch, WhatNoSiteMayServeIsRefusedAndNobodyIsAsked) {
  Desk desk;
  const Arrived request = desk.request("acme", "personal; subjects=EU; categories=health");
  EXPECT_THAT(desk.tell(request), ElementsAre("request_refused by_law", "refuse refused_by_law"));
  EXPECT_EQ(desk.record(request).sites_refused, 4U);
  EXPECT_EQ(desk.dispatch().explain(request.request).size(), 4U);
}

TEST(Dispatch, ATenantAtTheEndOfItsBudgetIsRefusedAndNobodyIsAsked) {
  Desk desk;
  const Arrived request = desk.request("poor");
  EXPECT_THAT(desk.tell(request),
              ElementsAre("request_refused over_budget", "refuse over_budget of the tenant"));
}

// A nano was held for rounding, which a budget of nothing does not have.
TEST(Dispatch, WhatIsFreeNeedsNoBudget) {
  Snapshot snapshot = small_grid();
  snapshot.tenants.tenants[*snapshot.tenants.tenants.find("poor")].budget = Money(0);
  catalog::PriceBook free = *snapshot.catalog.price_books.begin();
  free.name = "free";
  for (auto& prices : free.prices) prices = TokenPrices{};
  const PriceBookId book = snapshot.catalog.price_books.add(std::move(free));
  snapshot.tenants.tenants[*snapshot.tenants.tenants.find("poor")].price_book = book;
  Desk desk(snapshot);
  const Arrived request = desk.request("poor");
  desk.tell(request);
  EXPECT_EQ(desk.record(request).held, Money(0));
  desk.first_token(request.request);
  EXPECT_EQ(desk.ends(request.request, 0, Failure::none, Desk::used(30, 7)).back(), "finish");
  EXPECT_EQ(desk.record(request).charged, Money(0));
}

// Its record lies beside that entry, so it must be final by then.
TEST(Dispatch, EveryRefusalIsWrittenDownAsTheRequestsLastEntry) {
  Desk desk;
  for (const auto& [tenant, labels, end] :
       {std::tuple{"acme", "personal; subjects=EU; categories=health", End::refused_by_law},
        std::tuple{"poor", "none", End::over_budget}}) {
    const Arrived request = desk.request(tenant, labels);
    Actions actions;
    ASSERT_EQ(desk.dispatch().on(request, desk.now(), actions), Dispatch::Progress::done);
    ASSERT_GE(actions.size(), 2U);
    const auto& append = std::get<Append>(actions[actions.size() - 2]);
    EXPECT_EQ(append.closes, request.request);
    EXPECT_EQ(std::get<ledger::RequestRefused>(append.entry.body).request,
              desk.record(request).number);
    EXPECT_EQ(desk.record(request).end, end);
    EXPECT_EQ(desk.ledger().open_requests(), 0U);
  }
}

TEST(Dispatch, WhoseBudgetIsAtItsEndIsToldAsItIs) {
  Snapshot snapshot = small_grid();
  snapshot.tenants.projects[*snapshot.tenants.projects.find("acme/web")].budget = Money(2'000);
  snapshot.tenants.keys[*snapshot.tenants.keys.find("thrifty/web/laptop")].budget = Money(1'000);
  Desk desk(snapshot);
  desk.tell(desk.request("acme"));
  EXPECT_THAT(desk.tell(desk.request("acme")),
              ElementsAre("request_refused over_budget", "refuse over_budget of the project"));
  EXPECT_THAT(desk.tell(desk.request("thrifty")),
              ElementsAre("request_refused over_budget", "refuse over_budget of the key"));
}

// A request of 150 tokens at most: a limit of 149 never lets it in, one of 200
// does, once what came before has drained.
TEST(Dispatch, ARateThatRefusesIsNamedAndSaysWhetherWaitingHelps) {
  Snapshot snapshot = small_grid();
  snapshot.tenants.keys[*snapshot.tenants.keys.find("acme/web/laptop")].rates.tokens_per_minute =
      Tokens(149);
  snapshot.tenants.tenants[*snapshot.tenants.tenants.find("thrifty")].rates.tokens_per_minute =
      Tokens(200);
  Desk desk(snapshot);
  EXPECT_THAT(
      desk.tell(desk.request("acme")),
      ElementsAre("request_refused over_rate", "refuse over_rate of the key, 149 tokens a minute"));
  desk.tell(desk.request("thrifty"));
  EXPECT_THAT(desk.tell(desk.request("thrifty")),
              ElementsAre("request_refused over_rate",
                          "refuse over_rate of the tenant, 200 tokens a minute again in 30 s"));
}

// No waiting helps: that a dearer site would have been available in a second
// must not tell the client to come again.
TEST(Dispatch, OverBudgetNeverSaysToComeAgain) {
  Desk desk;
  desk.tell(SiteReported{.site = desk.site("ashburn"), .finding = fleet::Finding::fails});
  EXPECT_THAT(desk.tell(desk.request("poor")),
              ElementsAre("request_refused over_budget", "refuse over_budget of the tenant"));
}

TEST(Dispatch, AHoldThatEndsMakesRoomForTheNext) {
  Snapshot snapshot = small_grid();
  snapshot.tenants.tenants[*snapshot.tenants.tenants.find("poor")].budget = Money(1'501);
  Desk desk(snapshot);
  const Arrived first = desk.request("poor");
  EXPECT_EQ(desk.tell(first).back(), "open_attempt ashburn/small/q4");
  EXPECT_THAT(desk.tell(desk.request("poor")),
              ElementsAre("request_refused over_budget", "refuse over_budget of the tenant"));
  EXPECT_EQ(desk.ends(first.request, 0, Failure::content_filter).back(),
            "refuse client_error content_filter");
  EXPECT_EQ(desk.tell(desk.request("poor")).back(), "open_attempt ashburn/small/q4");
}

TEST(Dispatch, SitesThatDoNotWorkAreNotAskedAndTheClientIsToldWhenToComeAgain) {
  Desk desk;
  for (const char* site : {"ashburn", "frankfurt", "hamburg", "lyon"}) {
    desk.tell(SiteReported{.site = desk.site(site), .finding = fleet::Finding::fails});
  }
  EXPECT_THAT(desk.tell(desk.request()),
              ElementsAre("request_refused no_site", "refuse sites_unavailable again in 1 s"));
  desk.tell(SiteReported{.site = desk.site("lyon"), .finding = fleet::Finding::works});
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt lyon/small/q4");
}

TEST(Dispatch, FullSitesAreAtCapacity) {
  DispatchOptions options;
  options.queued_max = 0;
  Snapshot snapshot = small_grid();
  for (std::size_t i = 0; i < 4; ++i) snapshot.fleet.sites[SiteId(i)].slots = 1;
  Desk desk(snapshot, options);
  for (const char* site : {"ashburn", "frankfurt", "hamburg", "lyon"}) {
    EXPECT_EQ(desk.tell(desk.request()).back(), fmt::format("open_attempt {}/small/q4", site));
  }
  EXPECT_THAT(desk.tell(desk.request()),
              ElementsAre("request_refused at_capacity", "refuse at_capacity again in 1 s"));
}

// More sites are sick than a record has room for, and one is full.
TEST(Dispatch, AFullSiteIsToldAmongManySickOnes) {
  DispatchOptions options;
  options.queued_max = 0;
  Snapshot snapshot = small_grid();
  for (int i = 0; i < 10; ++i) {
    const SiteId lyon = *snapshot.fleet.sites.find("lyon");
    fleet::Site site = snapshot.fleet.sites[lyon];
    site.name = fmt::format("lyon-{}", i);
    site.slots = 1;
    fleet::Offer offer = snapshot.fleet.offers[*snapshot.fleet.offers.find("lyon/small/q4")];
    offer.name = site.name + "/small/q4";
    offer.site = snapshot.fleet.sites.add(site);
    snapshot.fleet.offers.add(offer);
    snapshot.fleet.links.push_back(snapshot.fleet.links[lyon.value()]);
  }
  Desk desk(snapshot, options);
  for (std::size_t i = 0; i + 1 < 14; ++i) {
    desk.tell(SiteReported{.site = SiteId(i), .finding = fleet::Finding::fails});
  }
  // Else its supplier would be suspected.
  desk.tell(SiteReported{.site = SiteId(13), .finding = fleet::Finding::answers});
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt lyon-9/small/q4");
  EXPECT_EQ(desk.tell(desk.request()).back(), "refuse at_capacity again in 1 s");
}

// --- Several attempts ------------------------------------------------------

TEST(Dispatch, AFailureBeforeTheFirstByteGoesOnAtTheNextPermittedSite) {
  Desk desk;
  const Arrived request = desk.request("acme", "personal; subjects=EU");
  EXPECT_EQ(desk.tell(request).back(), "open_attempt hamburg/small/q4");
  EXPECT_THAT(
      desk.ends(request.request, 0, Failure::server_error),
      ElementsAre("attempt_closed failed 0", "attempt_opened", "open_attempt lyon/small/q4"));
  desk.ends(request.request, 1, Failure::none, Desk::used(30, 20));
  EXPECT_EQ(desk.owes("acme"), 500);
  EXPECT_EQ(desk.owed_at("hamburg"), 0);
  EXPECT_EQ(desk.owed_at("lyon"), 200);
}

// Residency holds on every retry: both lawful sites fail, and that is the end.
TEST(Dispatch, WhenAllPermittedSitesHaveFailedTheHoldIsReleased) {
  Desk desk;
  const Arrived request = desk.request("acme", "personal; subjects=EU");
  desk.tell(request);
  desk.ends(request.request, 0, Failure::unreachable);
  EXPECT_THAT(desk.ends(request.request, 1, Failure::bad_answer),
              ElementsAre("attempt_closed failed 0", "hold_released failed",
                          "refuse attempts_failed bad_answer again in 1 s"));
  EXPECT_EQ(desk.owes("acme"), 0);
}

TEST(Dispatch, AttemptsAreBounded) {
  DispatchOptions options;
  options.attempts_max = 2;
  Desk desk(small_grid(), options);
  const Arrived request = desk.request();
  desk.tell(request);
  desk.ends(request.request, 0, Failure::server_error);
  EXPECT_EQ(desk.ends(request.request, 1, Failure::server_error).back(),
            "refuse attempts_failed server_error");
}

TEST(Dispatch, AWholeAnswerHasDeliveredNothingAndIsRepeatedElsewhere) {
  Desk desk;
  const Arrived request = desk.request();
  desk.tell(request);
  desk.first_token(request.request);
  EXPECT_EQ(desk.ends(request.request, 0, Failure::reset).back(),
            "open_attempt frankfurt/small/q4");
}

TEST(Dispatch, ALossInMidStreamIsToldAndTheTenantPaysForWhatItGot) {
  Desk desk;
  Arrived request = desk.request();
  request.streamed = true;
  desk.tell(request);
  desk.first_token(request.request);
  EXPECT_THAT(desk.ends(request.request, 0, Failure::reset, Desk::used(30, 7)),
              ElementsAre("attempt_closed cut 37", "request_closed cut 370", "refuse cut reset"));
}

TEST(Dispatch, TheClientsErrorIsToldAndNotTriedElsewhere) {
  Desk desk;
  const Arrived request = desk.request();
  desk.tell(request);
  EXPECT_THAT(desk.ends(request.request, 0, Failure::context_exceeded),
              ElementsAre("attempt_closed failed 0", "hold_released failed",
                          "refuse client_error context_exceeded"));
}

TEST(Dispatch, NothingIsTriedAfterTheTimeLimit) {
  Desk desk;
  const Arrived request = desk.request();
  desk.tell(request);
  desk.pass(seconds(60));
  EXPECT_EQ(desk.ends(request.request, 0, Failure::silent).back(), "refuse out_of_time silent");
}

// It was called the site's stall, though no site was too slow.
TEST(Dispatch, AStreamThatMeetsTheTimeLimitIsOutOfTimeAndPaidFor) {
  Desk desk;
  Arrived request = desk.request();
  request.streamed = true;
  desk.tell(request);
  desk.first_token(request.request);
  desk.pass(seconds(60));
  EXPECT_THAT(desk.ends(request.request, 0, Failure::stalled, Desk::used(30, 7)),
              ElementsAre("attempt_closed timed_out 37", "request_closed cut 370",
                          "refuse out_of_time stalled"));
}

TEST(Dispatch, AStreamThatStallsWithinTheTimeLimitIsCut) {
  Desk desk;
  Arrived request = desk.request();
  request.streamed = true;
  desk.tell(request);
  desk.first_token(request.request);
  desk.pass(seconds(20));
  EXPECT_EQ(desk.ends(request.request, 0, Failure::stalled, Desk::used(30, 7)).back(),
            "refuse cut stalled");
}

// Hamburg's C5 ends at day 200; a policy that asks for it must be asked again
// before the second attempt.
TEST(Dispatch, ASiteWhoseCertificateEndsBetweenTwoAttemptsIsNotAsked) {
  Snapshot snapshot = small_grid();
  snapshot.policies[PolicyId(0)].rules = {{"c5", {}, {gate::testing::certificate("C5")}}};
  Desk desk(snapshot);
  desk.pass(elapsed(day(0), day(100)) - seconds(10));
  const Arrived request = desk.request();
  EXPECT_EQ(desk.tell(request).back(), "open_attempt frankfurt/small/q4");
  // Ten days ago hamburg's began; frankfurt's ends while it is being asked.
  EXPECT_EQ(desk.ends(request.request, 0, Failure::reset).back(), "open_attempt hamburg/small/q4");

  Desk later(snapshot);
  later.pass(elapsed(day(0), day(200)) - seconds(10));
  const Arrived second = later.request();
  EXPECT_EQ(later.tell(second).back(), "open_attempt hamburg/small/q4");
}

TEST(Dispatch, WhatWentWrongLastIsToldAlsoWhenTheNextSiteMayNotBeAskedAnyMore) {
  Snapshot snapshot = small_grid();
  // Both have C5 today, but lyon only for ten seconds more.
  const auto certify = [&](const char* site, WallTime until) {
    snapshot.fleet.sites[*snapshot.fleet.sites.find(site)].certificates.push_back(
        {"C5", std::nullopt, until});
  };
  certify("hamburg", day(1));
  certify("lyon", day(0) + seconds(10));
  snapshot.policies[PolicyId(0)].rules = {
      {"c5", {}, {gate::testing::certificate("C5")}},
      {"eu", {}, {gate::testing::area(gate::Clause::Kind::deny_reach, {"US"})}}};
  Desk desk(snapshot);
  const Arrived request = desk.request();
  EXPECT_EQ(desk.tell(request).back(), "open_attempt hamburg/small/q4");
  desk.pass(seconds(20));
  EXPECT_EQ(desk.ends(request.request, 0, Failure::bad_answer).back(),
            "refuse attempts_failed bad_answer");
}

// --- Late news --------------------------------------------------------------

TEST(Dispatch, LateNewsChangesNothing) {
  Desk desk;
  const Arrived request = desk.request();
  desk.tell(request);
  desk.ends(request.request, 0, Failure::server_error);
  // Of the attempt before:
  EXPECT_THAT(desk.first_token(request.request, 0), IsEmpty());
  EXPECT_THAT(desk.ends(request.request, 0, Failure::none, Desk::used(1, 1)), IsEmpty());
  desk.ends(request.request, 1, Failure::none, Desk::used(30, 20));
  // Of a request that is over:
  EXPECT_THAT(desk.ends(request.request, 1, Failure::none, Desk::used(1, 1)), IsEmpty());
  EXPECT_THAT(desk.leaves(request.request), IsEmpty());
  EXPECT_EQ(desk.owes("acme"), 500);
}

// --- Sites and snapshots ---------------------------------------------------

TEST(Dispatch, AsksForProbesAtEvenTimes) {
  Desk desk;
  EXPECT_THAT(desk.tell(Woke{}), ElementsAre("probe ashburn", "probe frankfurt", "probe hamburg",
                                             "probe lyon", "wake_at"));
  desk.pass(milliseconds(500));
  EXPECT_THAT(desk.tell(Woke{}), ElementsAre("wake_at"));
}

TEST(Dispatch, AFullBufferIsAskedForAgainAndNothingIsDropped) {
  Snapshot snapshot = small_grid();
  for (int i = 0; i < 100; ++i) {
    testing::add_tenant(snapshot, fmt::format("tenant-{}", i), std::nullopt);
  }
  Desk desk(snapshot);
  Actions actions;
  // 103 receivables, 4 payables and 6 accounts of the house.
  std::size_t count = 0;
  auto progress = desk.dispatch().on(Woke{}, desk.now(), actions);
  EXPECT_TRUE(actions.full());
  while (progress == Dispatch::Progress::more) {
    count += actions.size();
    actions.clear();
    progress = desk.dispatch().more(actions);
  }
  count += actions.size();
  EXPECT_EQ(count, 113U + 5U);
  EXPECT_TRUE(std::holds_alternative<WakeAt>(actions.back()));
}

TEST(Dispatch, ARequestKeepsTheSnapshotItBeganWith) {
  Desk desk;
  const Arrived request = desk.request();
  desk.tell(request);
  Snapshot dearer = small_grid();
  dearer.catalog.price_books[PriceBookId(0)].prices = {testing::nanos_per_token(1'000),
                                                       testing::nanos_per_token(1'000)};
  desk.changes_to(dearer);
  desk.ends(request.request, 0, Failure::none, Desk::used(30, 20));
  EXPECT_EQ(desk.owes("acme"), 500);
}

TEST(Dispatch, WhatIsKnownOfASiteSurvivesANewSnapshot) {
  Desk desk;
  desk.tell(SiteReported{.site = desk.site("ashburn"), .finding = fleet::Finding::fails});
  desk.changes_to(small_grid());
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt frankfurt/small/q4");
}

// A slot that was used at the peak of a day may not be used for weeks.
TEST(Dispatch, AnOldSnapshotIsNotKeptByASlotThatNobodyUses) {
  Desk desk;
  const Arrived request = desk.request();
  desk.tell(request);
  const std::weak_ptr<const Snapshot> old = desk.dispatch().shared_snapshot();
  desk.changes_to(small_grid());
  desk.ends(request.request, 0, Failure::none, Desk::used(30, 20));
  desk.changes_to(small_grid());
  EXPECT_EQ(desk.dispatch().snapshot_of(request.request).digest, small_grid().digest);
  desk.pass(seconds(120));
  desk.changes_to(small_grid());
  EXPECT_TRUE(old.expired());
  EXPECT_EQ(desk.record(request).charged, Money(500));
}

// Sites do not become idle because a configuration was read again.
TEST(Dispatch, WhatIsUnderWayCountsUnderANewSnapshotToo) {
  DispatchOptions options;
  options.queued_max = 0;
  Snapshot snapshot = small_grid();
  for (std::size_t i = 0; i < 4; ++i) snapshot.fleet.sites[SiteId(i)].slots = 1;
  Desk desk(snapshot, options);
  const Arrived before = desk.request();
  EXPECT_EQ(desk.tell(before).back(), "open_attempt ashburn/small/q4");
  desk.changes_to(snapshot);
  desk.first_token(before.request);
  desk.changes_to(snapshot);
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt frankfurt/small/q4");
  desk.ends(before.request, 0, Failure::none, Desk::used(30, 20));
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt ashburn/small/q4");
}

TEST(Dispatch, AFailureUnderTheOldSnapshotIsKnownUnderTheNew) {
  Desk desk;
  const Arrived before = desk.request();
  desk.tell(before);
  desk.changes_to(small_grid());
  EXPECT_EQ(desk.ends(before.request, 0, Failure::unreachable).back(),
            "open_attempt frankfurt/small/q4");
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt frankfurt/small/q4");
}

TEST(Dispatch, ARetryUnderTheOldSnapshotHeedsWhatIsKnownUnderTheNew) {
  Desk desk;
  const Arrived before = desk.request();
  desk.tell(before);
  desk.changes_to(small_grid());
  desk.tell(SiteReported{.site = desk.site("frankfurt"), .finding = fleet::Finding::fails});
  // Hamburg is in the same country, of which we are wary.
  EXPECT_EQ(desk.ends(before.request, 0, Failure::reset).back(), "open_attempt lyon/small/q4");
}

TEST(Dispatch, ASiteThatIsWithdrawnMeanwhileIsNotAskedByWhatIsUnderWay) {
  for (const bool retired : {true, false}) {
    Desk desk;
    const Arrived before = desk.request();
    desk.tell(before);
    const SiteId next = desk.site("frankfurt");
    Snapshot without = small_grid();
    if (retired) {
      without.fleet.sites[next].retired = true;
    } else {
      without.fleet.sites[next].name = "elsewhere";
    }
    desk.changes_to(std::move(without));
    EXPECT_EQ(desk.ends(before.request, 0, Failure::reset).back(), "open_attempt hamburg/small/q4");
    const auto& excluded = desk.record(before).attempts.back().excluded;
    const Exclusion wanted{.site = next, .why = Exclusion::Why::withdrawn};
    EXPECT_NE(std::ranges::find(excluded, wanted), excluded.end());
  }
}

// Leased before, and free again now: it must not be spent under the new limit.
TEST(Dispatch, ABudgetThatIsLoweredHoldsFromThen) {
  Desk desk;
  const Arrived request = desk.request("thrifty");
  desk.tell(request);
  Snapshot lower = small_grid();
  lower.tenants.tenants[*lower.tenants.tenants.find("thrifty")].budget = Money(1'000);
  desk.changes_to(lower);
  desk.leaves(request.request);
  EXPECT_THAT(desk.tell(desk.request("thrifty")),
              ElementsAre("request_refused over_budget", "refuse over_budget of the tenant"));
}

// What is held when a budget is set for the first time counts towards it.
TEST(Dispatch, ABudgetThatIsNewCountsWhatIsUnderWay) {
  Desk desk;
  const Arrived request = desk.request("acme");
  desk.tell(request);
  Snapshot limited = small_grid();
  limited.tenants.tenants[*limited.tenants.tenants.find("acme")].budget = Money(2'000);
  desk.changes_to(limited);
  EXPECT_THAT(desk.tell(desk.request("acme")),
              ElementsAre("request_refused over_budget", "refuse over_budget of the tenant"));
}

// Three keys in two projects, each owing 500 nano-units when the process ends.
TEST(Dispatch, AfterARestartEveryBudgetBeginsWithWhatTheKeysBelowItOwe) {
  Snapshot snapshot = small_grid();
  limits::Tenants& tenants = snapshot.tenants;
  const limits::Key laptop = tenants.keys[*tenants.keys.find("acme/web/laptop")];
  const auto add_key = [&](std::string name, ProjectId project) {
    limits::Key key = laptop;
    key.name = std::move(name);
    key.project = project;
    tenants.keys.add(std::move(key));
  };
  limits::Project night = tenants.projects[laptop.project];
  night.name = "acme/night";
  add_key("acme/web/phone", laptop.project);
  add_key("acme/night/batch", tenants.projects.add(std::move(night)));
  Desk desk(snapshot);
  for (const char* key : {"acme/web/laptop", "acme/web/phone", "acme/night/batch"}) {
    Arrived request = desk.request();
    request.key = *tenants.keys.find(key);
    desk.tell(request);
    desk.ends(request.request, 0, Failure::none, Desk::used(30, 20));
  }

  ledger::Treasurer treasurer;
  fleet::SlotOwner slots;
  fleet::NobodyElse nobody_else;
  const Dispatch next(testing::shared(snapshot), desk.ledger(),
                      {.budget = treasurer, .slots = slots, .health = nobody_else}, {}, desk.now());
  const auto left_of_2000 = [&](const char* line) {
    return treasurer.unleased(treasurer.set(line, Money(2'000), Money(0)));
  };
  EXPECT_EQ(left_of_2000("tenant acme"), Money(500));
  EXPECT_EQ(left_of_2000("project acme/web"), Money(1'000));
  EXPECT_EQ(left_of_2000("project acme/night"), Money(1'500));
  EXPECT_EQ(left_of_2000("key acme/web/phone"), Money(1'500));
}

}  // namespace
}  // namespace hanse::dispatch
