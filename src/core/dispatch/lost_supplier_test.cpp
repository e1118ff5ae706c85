// What the loss of a whole supplier costs the requests that follow it.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/dispatch/testing/desk.h"
#include "core/dispatch/testing/large_supplier.h"

namespace hanse::dispatch {
namespace {

using testing::Desk;
using ::testing::ElementsAre;
using testing::many_at_ashburn;
using ::testing::StartsWith;
using testing::Story;

// Tries a request at site after site until one is of another supplier, and
// says how many of ashburn's it has cost.
int lost_at_ashburn(Desk& desk) {
  const Arrived request = desk.request();
  std::string last = desk.tell(request).back();
  int lost = 0;
  while (last.starts_with("open_attempt ashburn")) {
    const auto attempt = static_cast<std::uint8_t>(lost++);
    const Story story = desk.ends(request.request, attempt, answer::Failure::unreachable);
    last = story.back();
  }
  EXPECT_THAT(last, StartsWith("open_attempt frankfurt"));
  desk.ends(request.request, static_cast<std::uint8_t>(lost), answer::Failure::none);
  return lost;
}

TEST(LostSupplier, TwoOfItsSitesAreAskedInVainAndThenNoneUntilATrial) {
  for (const int more : {1, 5, 40}) {
    Desk desk(many_at_ashburn(more));
    EXPECT_EQ(lost_at_ashburn(desk), 1) << more << ": who has failed is no scout";
    EXPECT_EQ(lost_at_ashburn(desk), 1) << more;
    int lost = 0;
    for (int i = 0; i < 600; ++i) {
      lost += lost_at_ashburn(desk);
      desk.pass(milliseconds(100));
    }
    EXPECT_LE(lost, 6) << "in a minute, with " << more << " more sites";
  }
}

TEST(LostSupplier, IsTheReasonInTheRecordForSitesThatNobodyHasTried) {
  Desk desk(many_at_ashburn(2));
  (void)lost_at_ashburn(desk);
  (void)lost_at_ashburn(desk);
  const Arrived request = desk.request();
  desk.tell(request);
  std::vector<std::string> excluded;
  for (const Exclusion& exclusion : desk.record(request).attempts[0].excluded) {
    excluded.push_back(fmt::format("{}: {}",
                                   desk.dispatch().snapshot().fleet.sites[exclusion.site].name,
                                   to_string(exclusion.why)));
  }
  EXPECT_THAT(excluded, ElementsAre("ashburn: circuit_open", "ashburn-00: circuit_open",
                                    "ashburn-01: suspected"));
}

// A site that has opened its circuit makes the others go first, and bars nobody.
TEST(LostSupplier, UntilOneOfItsSitesAnswersAScoutAtATimeIsSentThere) {
  Desk desk(many_at_ashburn(5));
  (void)lost_at_ashburn(desk);
  const Arrived scout = desk.request();
  EXPECT_THAT(desk.tell(scout).back(), StartsWith("open_attempt ashburn-00"));
  const Arrived other = desk.request();
  EXPECT_THAT(desk.tell(other).back(), StartsWith("open_attempt frankfurt"));
  EXPECT_EQ(desk.record(other).attempts[0].excluded.back().why, Exclusion::Why::suspected);
  for (const char* site : {"frankfurt", "hamburg", "lyon"}) {
    desk.tell(SiteDrilled{.site = desk.site(site), .lasts = seconds(60)});
  }
  EXPECT_THAT(desk.tell(desk.request()).back(), StartsWith("open_attempt ashburn-00"))
      << "nothing else is left";
  for (const char* site : {"frankfurt", "hamburg", "lyon"}) {
    desk.tell(SiteDrilled{.site = desk.site(site), .lasts = Duration()});
  }
  desk.leaves(scout.request);
  const Arrived next = desk.request();
  EXPECT_THAT(desk.tell(next).back(), StartsWith("open_attempt ashburn-00"))
      << "a scout that told nothing is followed by another";
  desk.first_token(next.request);
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(desk.tell(desk.request()).back(), StartsWith("open_attempt ashburn-0"));
  }
}

TEST(LostSupplier, ItsFirstAnswerOpensItToAll) {
  Desk desk(many_at_ashburn(5));
  (void)lost_at_ashburn(desk);
  (void)lost_at_ashburn(desk);
  desk.pass(seconds(2));
  const Arrived trial = desk.request();
  EXPECT_THAT(desk.tell(trial).back(), StartsWith("open_attempt ashburn"));
  EXPECT_THAT(desk.tell(desk.request()).back(), StartsWith("open_attempt frankfurt"));
  desk.first_token(trial.request);
  EXPECT_THAT(desk.tell(desk.request()).back(), StartsWith("open_attempt ashburn"));
}

// It works; that it takes no more yet is no outage.
TEST(LostSite, ThatIsJustBackHasNoRoomYet) {
  Desk desk;
  desk.tell(SiteReported{.site = desk.site("hamburg"), .finding = fleet::Finding::fails});
  desk.tell(SiteDrilled{.site = desk.site("lyon"), .lasts = seconds(60)});
  desk.pass(seconds(1));
  const Arrived trial = desk.request("acme", "personal; subjects=EU");
  EXPECT_EQ(desk.tell(trial).back(), "open_attempt hamburg/small/q4");
  EXPECT_EQ(desk.tell(desk.request("acme", "personal; subjects=EU")).back(),
            "refuse sites_unavailable again in 1 s");
  desk.first_token(trial.request);
  const Arrived second = desk.request("acme", "personal; subjects=EU");
  EXPECT_EQ(desk.tell(second).back(), "open_attempt hamburg/small/q4");
  const Arrived next = desk.request("acme", "personal; subjects=EU");
  EXPECT_THAT(desk.tell(next), ElementsAre(StartsWith("hold_opened"))) << "it waits";
  EXPECT_EQ(desk.first_token(second.request).back(), "open_attempt hamburg/small/q4");
  EXPECT_EQ(desk.record(next).attempts.size(), 1U) << "and goes";
}

}  // namespace
}  // namespace hanse::dispatch
