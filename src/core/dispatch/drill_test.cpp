// A planned failure: sites that an operator leaves out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/dispatch/testing/desk.h"

namespace hanse::dispatch {
namespace {

using testing::Desk;

TEST(Drill, SendsNothingMoreThereAndLetsWhatIsUnderWayEnd) {
  Desk desk;
  const Arrived before = desk.request();
  ASSERT_EQ(desk.tell(before).back(), "open_attempt ashburn/small/q4");
  desk.tell(SiteDrilled{.site = desk.site("ashburn"), .lasts = seconds(60)});
  const Arrived during = desk.request();
  EXPECT_EQ(desk.tell(during).back(), "open_attempt frankfurt/small/q4");
  EXPECT_EQ(desk.record(during).attempts[0].excluded[0],
            (Exclusion{desk.site("ashburn"), Exclusion::Why::drilled}));
  desk.first_token(before.request);
  desk.ends(before.request, 0, answer::Failure::none);
  EXPECT_EQ(desk.record(before).end, End::answered);
  desk.pass(seconds(60));
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt ashburn/small/q4");
}

TEST(Drill, OfAllThatIsLawfulRefusesAndSaysUntilWhen) {
  Desk desk;
  for (const char* site : {"hamburg", "lyon"}) {
    desk.tell(SiteDrilled{.site = desk.site(site), .lasts = seconds(90)});
  }
  const Arrived request = desk.request("acme", "personal; subjects=EU");
  EXPECT_EQ(desk.tell(request).back(), "refuse sites_unavailable again in 90 s");
  desk.tell(SiteDrilled{.site = desk.site("lyon"), .lasts = Duration()});
  EXPECT_EQ(desk.tell(desk.request("acme", "personal; subjects=EU")).back(),
            "open_attempt lyon/small/q4");
}

TEST(Drill, OutlivesAReload) {
  Desk desk;
  desk.tell(SiteDrilled{.site = desk.site("ashburn"), .lasts = seconds(60)});
  desk.changes_to(testing::small_grid());
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt frankfurt/small/q4");
  EXPECT_TRUE(desk.dispatch().drill_ends(desk.site("ashburn"), MonotonicTime()));
}

// A drill says nothing of a site's health, so that it is well when it is over.
TEST(Drill, LeavesTheCircuitAsItIs) {
  Desk desk;
  desk.tell(SiteDrilled{.site = desk.site("ashburn"), .lasts = seconds(60)});
  desk.tell(SiteReported{.site = desk.site("ashburn"), .finding = fleet::Finding::answers});
  EXPECT_EQ(desk.dispatch().health_of(desk.site("ashburn")).circuit, fleet::Circuit::closed);
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt frankfurt/small/q4");
}

}  // namespace
}  // namespace hanse::dispatch
