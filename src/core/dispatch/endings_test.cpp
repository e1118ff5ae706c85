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

// Else one odd request, sent three times, would close every site to everybody.
TEST(Endings, OnlyTheFirstServerErrorOfARequestIsHeldAgainstASite) {
  Desk desk;
  for (int i = 0; i < 5; ++i) {
    const Arrived request = desk.request();
    desk.tell(request);
    std::uint8_t attempt = 0;
    while (desk.record(request).end == End::open) {
      desk.ends(request.request, attempt++, Failure::server_error);
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
