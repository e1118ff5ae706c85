// Requests that find every site full: who waits, who goes, who is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/dispatch/testing/desk.h"

namespace hanse::dispatch {
namespace {

using answer::Failure;
using testing::Desk;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::small_grid;
using ::testing::StartsWith;
using testing::Story;

// Sites that work on one request each.
Snapshot narrow_grid() {
  Snapshot snapshot = small_grid();
  for (std::size_t i = 0; i < snapshot.fleet.sites.size(); ++i) {
    snapshot.fleet.sites[SiteId(i)].slots = 1;
  }
  return snapshot;
}

class Queueing : public ::testing::Test {
 protected:
  explicit Queueing(Snapshot snapshot = narrow_grid(), DispatchOptions options = {})
      : desk(std::move(snapshot), options) {
    desk.tell(Woke());
    for (std::size_t i = 0; i < desk.dispatch().snapshot().fleet.sites.size(); ++i) {
      under_way.push_back(desk.request());
      EXPECT_THAT(desk.tell(under_way.back()).back(), StartsWith("open_attempt"));
    }
    desk.pass(seconds(20));
  }

  // Comes, and has to wait.
  Arrived waits(std::string_view tenant = "acme", std::string_view labels = "none") {
    const Arrived request = desk.request(tenant, labels);
    EXPECT_THAT(desk.tell(request).front(), StartsWith("hold_opened"));
    EXPECT_THAT(desk.record(request).attempts, IsEmpty());
    EXPECT_EQ(desk.record(request).end, End::open);
    return request;
  }
  Story one_is_done(std::size_t i) {
    return desk.ends(under_way[i].request, 0, Failure::none, Desk::used(25, 50));
  }
  [[nodiscard]] bool has_gone(const Arrived& request) const {
    return !desk.record(request).attempts.empty();
  }

  Desk desk;
  std::vector<Arrived> under_way;
};

TEST_F(Queueing, WhoeverWaitsGoesWhenASlotComesFree) {
  const Arrived request = waits();
  EXPECT_EQ(desk.dispatch().queued_requests(), 1U);
  desk.pass(milliseconds(300));
  EXPECT_EQ(one_is_done(0).back(), "open_attempt ashburn/small/q4");
  EXPECT_EQ(desk.record(request).queued, milliseconds(300));
  EXPECT_EQ(desk.dispatch().queued_requests(), 0U);
  EXPECT_EQ(desk.ends(request.request, 0, Failure::none, Desk::used(30, 20)).back(), "finish");
}

TEST_F(Queueing, TheLawHoldsInTheQueueToo) {
  const Arrived lawful = waits("acme", "personal; subjects=EU");
  EXPECT_EQ(one_is_done(0).back(), "finish") << "ashburn may not have it";
  EXPECT_FALSE(has_gone(lawful));
  // Whom ashburn may serve is not held up behind it.
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt ashburn/small/q4");
}

TEST_F(Queueing, WhoWaitsTooLongIsRefusedAndOwesNothing) {
  const Arrived request = waits();
  const Duration most =
      longest_queueing(desk.dispatch().snapshot().catalog.classes[request.latency_class],
                       desk.world().placement.soonest_first_token(
                           {.tenant = desk.record(request).tenant,
                            .alias = request.alias,
                            .latency_class = request.latency_class,
                            .prompt_bytes = request.prompt_bytes},
                           BitSet::full(desk.dispatch().snapshot().fleet.sites.size()),
                           placement::Placement::Load::idle),
                       seconds(60));
  EXPECT_GT(most, Duration());
  desk.pass(most - milliseconds(1));
  EXPECT_THAT(desk.tell(Woke()), ::testing::Not(::testing::Contains(StartsWith("refuse"))));
  desk.pass(milliseconds(1));
  const Story story = desk.tell(Woke());
  EXPECT_THAT(story, ::testing::Contains("hold_released failed"));
  EXPECT_THAT(story, ::testing::Contains(StartsWith("refuse at_capacity again in")));
  EXPECT_EQ(desk.record(request).queued, most);
  // An answer of 50 tokens at 40 a second takes as long, as far as anybody knows.
  EXPECT_THAT(story, ::testing::Contains("refuse at_capacity again in 1.26 s"));
  EXPECT_EQ(desk.dispatch().queued_requests(), 0U);
}

// Only these two may have it.
TEST_F(Queueing, WhoseSitesAreAllGoneIsToldSoAtOnce) {
  const Arrived request = waits("acme", "personal; subjects=EU");
  const Arrived second = waits("acme", "personal; subjects=EU");
  const Arrived other = waits();
  desk.tell(SiteDrilled{.site = desk.site("hamburg"), .lasts = seconds(60)});
  EXPECT_EQ(desk.record(request).end, End::open) << "lyon is left";
  const Story story = desk.tell(SiteDrilled{.site = desk.site("lyon"), .lasts = seconds(30)});
  EXPECT_THAT(story, ElementsAre("hold_released failed", "refuse sites_unavailable again in 30 s",
                                 "hold_released failed", "refuse sites_unavailable again in 30 s"));
  EXPECT_EQ(desk.record(second).end, End::sites_unavailable);
  EXPECT_EQ(desk.record(other).end, End::open);
  EXPECT_EQ(desk.dispatch().queued_requests(), 1U);
}

TEST_F(Queueing, WhoseSiteFailsWaitsOnWhileItsPauseEndsInTime) {
  desk.tell(SiteDrilled{.site = desk.site("lyon"), .lasts = seconds(60)});
  const Arrived first = waits("acme", "personal; subjects=EU");
  const auto fails = SiteReported{.site = desk.site("hamburg"), .finding = fleet::Finding::fails};
  desk.tell(fails);
  EXPECT_EQ(desk.record(first).end, End::open) << "it is tried again in a second";
  desk.pass(seconds(1));
  const Story story = desk.tell(fails);
  EXPECT_THAT(story, ElementsAre("hold_released failed", "refuse sites_unavailable again in 2 s"));
}

TEST_F(Queueing, WhoseSitesAReloadRetiresIsToldSoAtOnce) {
  const Arrived request = waits("acme", "personal; subjects=EU");
  Snapshot snapshot = narrow_grid();
  for (const char* site : {"hamburg", "lyon"}) {
    snapshot.fleet.sites[*snapshot.fleet.sites.find(site)].retired = true;
  }
  EXPECT_THAT(desk.changes_to(std::move(snapshot)),
              ElementsAre("hold_released failed", StartsWith("refuse sites_unavailable")));
  EXPECT_EQ(desk.record(request).end, End::sites_unavailable);
}

// It may not be asked again, and the other that is left dies.
TEST_F(Queueing, WhoHasBegunAndHasNoSiteLeftGivesUpAtOnce) {
  desk.ends(under_way[2].request, 0, Failure::none, Desk::used(25, 50));
  const Arrived begun = desk.request("acme", "personal; subjects=EU");
  EXPECT_EQ(desk.tell(begun).back(), "open_attempt hamburg/small/q4");
  desk.ends(begun.request, 0, Failure::silent);
  ASSERT_EQ(desk.record(begun).end, End::open) << "lyon is full";
  ASSERT_EQ(desk.dispatch().queued_requests(), 1U);
  desk.tell(SiteDrilled{.site = desk.site("lyon"), .lasts = seconds(60)});
  EXPECT_EQ(desk.record(begun).end, End::attempts_failed);
}

TEST_F(Queueing, AClientThatLeavesTheQueueIsForgotten) {
  const Arrived request = waits();
  EXPECT_THAT(desk.leaves(request.request), ElementsAre("hold_released cancelled", "forget"));
  EXPECT_EQ(one_is_done(0).back(), "finish") << "nobody waits any more";
}

TEST_F(Queueing, TenantsTakeTurnsHoweverManyRequestsOneHas) {
  std::vector<Arrived> many;
  for (int i = 0; i < 8; ++i) many.push_back(waits("acme"));
  const Arrived small = waits("thrifty");
  one_is_done(0);
  one_is_done(1);
  EXPECT_TRUE(has_gone(small)) << "acme has been served all that is under way";
  EXPECT_TRUE(has_gone(many[0]));
  EXPECT_FALSE(has_gone(many[1]));
}

TEST_F(Queueing, ARequestWhoseAttemptFailsGoesBeforeThoseThatHaveNotBegun) {
  const Arrived fresh = waits("acme", "personal; subjects=EU");
  // Every other site is full, and this one may not be asked again.
  const Story story = desk.ends(under_way[0].request, 0, Failure::silent);
  EXPECT_THAT(story, ::testing::Not(::testing::Contains(StartsWith("refuse"))));
  EXPECT_EQ(one_is_done(2).back(), "open_attempt hamburg/small/q4");
  EXPECT_EQ(desk.record(under_way[0]).attempts.size(), 2U);
  EXPECT_FALSE(has_gone(fresh));
}

// It failed in passing at the only site that may have it; others took the slot.
TEST_F(Queueing, ASecondTryAtTheSameSiteGoesBeforeThoseThatHaveNotBegun) {
  const Arrived tried = waits("acme", "personal; subjects=EU");
  desk.ends(under_way[2].request, 0, Failure::none, Desk::used(25, 50));
  ASSERT_TRUE(has_gone(tried));
  desk.tell(SiteDrilled{.site = desk.site("lyon"), .lasts = seconds(60)});
  std::vector<Arrived> fresh;
  for (int i = 0; i < 3; ++i) fresh.push_back(waits("acme", "personal; subjects=EU"));
  desk.ends(tried.request, 0, Failure::reset);
  ASSERT_TRUE(has_gone(fresh[0])) << "hamburg is free for somebody else";
  desk.pass(milliseconds(300));
  desk.tell(Woke());
  desk.pass(milliseconds(100));
  EXPECT_EQ(desk.ends(fresh[0].request, 0, Failure::none, Desk::used(25, 50)).back(),
            "open_attempt hamburg/small/q4");
  EXPECT_EQ(desk.record(tried).attempts.size(), 2U);
  EXPECT_FALSE(has_gone(fresh[1]));
}

TEST_F(Queueing, OutlivesAReload) {
  const Arrived request = waits();
  desk.changes_to(narrow_grid());
  EXPECT_FALSE(has_gone(request));
  EXPECT_EQ(one_is_done(0).back(), "open_attempt ashburn/small/q4");
  EXPECT_TRUE(has_gone(request));
}

TEST_F(Queueing, AReloadThatMakesRoomLetsThemGo) {
  const Arrived request = waits();
  desk.changes_to(small_grid());
  EXPECT_TRUE(has_gone(request));
}

class ShortQueue : public Queueing {
 protected:
  ShortQueue() : Queueing(classes(), options()) {}

  static DispatchOptions options() {
    DispatchOptions options;
    options.queued_max = 2;
    options.queued_max_per_tenant = 2;
    return options;
  }
  static Snapshot classes() {
    Snapshot snapshot = narrow_grid();
    catalog::LatencyClass urgent =
        snapshot.catalog.classes[*snapshot.catalog.classes.find("interactive")];
    urgent.name = "urgent";
    urgent.priority = 0;
    snapshot.catalog.classes.add(urgent);
    return snapshot;
  }
};

TEST_F(ShortQueue, WhenItIsFullTheLastInTurnGivesWayToAnUrgentOne) {
  const Arrived first = waits();
  const Arrived second = waits();
  EXPECT_THAT(desk.tell(desk.request()),
              ElementsAre("request_refused at_capacity", "refuse at_capacity again in 1.26 s"))
      << "nothing has been set aside";
  Arrived urgent = desk.request();
  urgent.latency_class = *desk.dispatch().snapshot().catalog.classes.find("urgent");
  const Story story = desk.tell(urgent);
  EXPECT_EQ(desk.record(urgent).end, End::open);
  EXPECT_EQ(desk.record(second).end, End::at_capacity);
  one_is_done(0);
  EXPECT_TRUE(has_gone(urgent));
  EXPECT_FALSE(has_gone(first));
}

}  // namespace
}  // namespace hanse::dispatch
