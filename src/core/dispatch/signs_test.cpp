// What engines tell of themselves, from the event to the decision.
#include <gtest/gtest.h>

#include <vector>

#include "core/dispatch/testing/desk.h"

namespace hanse::dispatch {
namespace {

using testing::Desk;

constexpr fleet::Sign kLongQueue{.running = 40, .waiting = 400};

void measure(Desk& desk, const char* site, const fleet::Sign& sign) {
  desk.tell(SiteMeasured{.site = desk.site(site), .sign = sign});
}

TEST(Signs, AnEngineWithAQueueIsPassedOverAndSaysWhy) {
  Desk desk;
  measure(desk, "ashburn", kLongQueue);
  desk.pass(milliseconds(500));
  const Arrived request = desk.request();
  EXPECT_EQ(desk.tell(request).back(), "open_attempt frankfurt/small/q4");
  // Where nobody else is left it is asked all the same, and the record says what
  // was reckoned with.
  for (const char* site : {"frankfurt", "hamburg", "lyon"}) {
    desk.tell(SiteDrilled{.site = desk.site(site), .lasts = seconds(60)});
  }
  const Arrived stubborn = desk.request();
  EXPECT_EQ(desk.tell(stubborn).back(), "open_attempt ashburn/small/q4");
  const placement::Prediction& foretold =
      desk.record(stubborn).attempts[0].decision.best[0].prediction;
  EXPECT_GT(foretold.others_wait, seconds(1));
  EXPECT_GE(foretold.first_token, foretold.others_wait);
  EXPECT_EQ(foretold.told_ago, milliseconds(500));
}

TEST(Signs, NoHealthHearsOfThemAndNobodyIsRefused) {
  Desk desk;
  for (const char* site : {"ashburn", "frankfurt", "hamburg", "lyon"}) {
    measure(desk, site, {.running = 1'000'000'000, .waiting = 2'000'000'000, .kv_use_ppm = -7});
    EXPECT_EQ(desk.dispatch().health_of(desk.site(site)).circuit, fleet::Circuit::closed);
  }
  EXPECT_TRUE(desk.tell(desk.request()).back().starts_with("open_attempt "));
}

TEST(Signs, AreForgottenWhenTheyAreOldThoughNobodyWakesUp) {
  Desk desk;
  measure(desk, "ashburn", kLongQueue);
  desk.pass(seconds(10));
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt ashburn/small/q4");
  EXPECT_EQ(desk.dispatch().sign_of(desk.site("ashburn")), nullptr);
}

TEST(Signs, WorkOfOursIsNobodyElses) {
  Desk desk;
  for (int i = 0; i < 3; ++i) desk.tell(desk.request());
  measure(desk, "ashburn", {.running = 3});
  EXPECT_EQ(desk.dispatch().sign_of(desk.site("ashburn"))->others, 0);
  measure(desk, "ashburn", {.running = 5});
  EXPECT_EQ(desk.dispatch().sign_of(desk.site("ashburn"))->others, 2);
}

// Whether Ashburn, whose four slots are taken, is asked again when one of them comes
// free after two such signs in a row, and nobody else may be asked.
bool has_room_again(const fleet::Sign& first, const fleet::Sign& second) {
  Desk desk;
  std::vector<Arrived> requests(4);
  for (Arrived& request : requests) {
    request = desk.request();
    EXPECT_EQ(desk.tell(request).back(), "open_attempt ashburn/small/q4");
  }
  for (const fleet::Sign& sign : {first, second}) {
    desk.pass(seconds(1));
    desk.tell(Woke{});
    desk.pass(milliseconds(10));
    measure(desk, "ashburn", sign);
  }
  for (const char* site : {"frankfurt", "hamburg", "lyon"}) {
    desk.tell(SiteDrilled{.site = desk.site(site), .lasts = seconds(60)});
  }
  desk.first_token(requests[0].request);
  desk.ends(requests[0].request, 0, answer::Failure::none, Desk::used(30, 10));
  return desk.tell(desk.request()).back() == "open_attempt ashburn/small/q4";
}

TEST(Signs, WhatWaitsInsideASiteTakesItsRoomOnlyIfItIsOursAndGoesOn) {
  constexpr fleet::Sign kWaits{.running = 2, .waiting = 2};
  EXPECT_FALSE(has_room_again(kWaits, kWaits));
  EXPECT_TRUE(has_room_again({.running = 4}, kWaits)) << "it may be a moment";
  EXPECT_TRUE(has_room_again(kWaits, {.running = 4}));
  constexpr fleet::Sign kOthers{.running = 2, .waiting = 3};
  EXPECT_TRUE(has_room_again(kOthers, kOthers)) << "who waits is not told apart from others";
  constexpr fleet::Sign kOld{.running = 1, .waiting = 1};
  EXPECT_TRUE(has_room_again(kOld, kOld)) << "it stands still: four are there";
}

TEST(Signs, OutliveAReloadButNotInTheOldWorld) {
  Desk desk;
  const Arrived early = desk.request();
  desk.tell(early);
  measure(desk, "frankfurt", kLongQueue);
  measure(desk, "hamburg", kLongQueue);
  desk.changes_to(testing::small_grid());
  measure(desk, "ashburn", kLongQueue);
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt lyon/small/q4");
  desk.ends(early.request, 0, answer::Failure::unreachable);
  EXPECT_EQ(desk.dispatch().snapshot_of(early.request).fleet.sites[SiteId(0)].name, "ashburn");
  EXPECT_EQ(desk.record(early).attempts.back().site, desk.site("frankfurt"))
      << "an old world hears of no signs, so it must not keep any";
}

}  // namespace
}  // namespace hanse::dispatch
