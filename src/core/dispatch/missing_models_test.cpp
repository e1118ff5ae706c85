// A site that lacks one model goes on with the others.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/dispatch/testing/desk.h"

namespace hanse::dispatch {
namespace {

using testing::Desk;

// Frankfurt offers small/q4 for "any", and small/bf16 for "any" and "exact".
TEST(MissingModel, ClosesNeitherTheSiteNorItsOtherModels) {
  Desk desk;
  Arrived exact = desk.request();
  exact.alias = *desk.dispatch().snapshot().catalog.aliases.find("exact");
  ASSERT_EQ(desk.tell(exact).back(), "open_attempt frankfurt/small/bf16");
  EXPECT_EQ(desk.ends(exact.request, 0, answer::Failure::model_missing).back(),
            "open_attempt hamburg/small/bf16");
  EXPECT_EQ(desk.dispatch().health_of(desk.site("frankfurt")).circuit, fleet::Circuit::closed);

  Arrived again = desk.request();
  again.alias = exact.alias;
  EXPECT_EQ(desk.tell(again).back(), "open_attempt hamburg/small/bf16");
  ASSERT_EQ(desk.record(again).attempts[0].excluded.size(), 1U);
  EXPECT_EQ(desk.record(again).attempts[0].excluded[0],
            (Exclusion{desk.site("frankfurt"), Exclusion::Why::model_missing}));
}

TEST(MissingModel, IsLookedForAgainByOneRequestAfterAPause) {
  Desk desk;
  const auto ask = [&] {
    Arrived request = desk.request();
    request.alias = *desk.dispatch().snapshot().catalog.aliases.find("exact");
    return request;
  };
  const Arrived first = ask();
  desk.tell(first);
  desk.ends(first.request, 0, answer::Failure::model_missing);
  desk.pass(seconds(1));
  const Arrived trial = ask();
  EXPECT_EQ(desk.tell(trial).back(), "open_attempt frankfurt/small/bf16");
  EXPECT_EQ(desk.tell(ask()).back(), "open_attempt hamburg/small/bf16");
  desk.changes_to(testing::small_grid());
  EXPECT_EQ(desk.tell(ask()).back(), "open_attempt hamburg/small/bf16") << "also after a reload";
  desk.first_token(trial.request);
  EXPECT_EQ(desk.tell(ask()).back(), "open_attempt frankfurt/small/bf16");
}

}  // namespace
}  // namespace hanse::dispatch
