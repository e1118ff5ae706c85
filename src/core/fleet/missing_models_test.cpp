#include "core/fleet/missing_models.h"

#include <gtest/gtest.h>

namespace hanse::fleet {
namespace {

MonotonicTime at(std::int64_t ms) { return MonotonicTime(milliseconds(ms).count()); }

struct Models {
  MissingModels* operator->() { return &book; }

  MissingModels book{{.first = seconds(1), .most = seconds(4)}};
  OfferLine small = book.line("lyon/small/q4");
  OfferLine large = book.line("lyon/large/q4");
};

TEST(MissingModels, OneThatIsMissingLeavesTheOthersOfItsSite) {
  Models models;
  models->missed(models.large, at(0));
  EXPECT_FALSE(models->available(models.large, at(999)));
  EXPECT_TRUE(models->available(models.small, at(0)));
  EXPECT_EQ(models->line("lyon/large/q4"), models.large) << "by name, whatever the snapshot";
}

TEST(MissingModels, OneRequestMayAskInEachPauseAndPausesDouble) {
  Models models;
  models->missed(models.large, at(0));
  models->sent(models.large, at(1'000));
  EXPECT_FALSE(models->available(models.large, at(1'999)));
  models->missed(models.large, at(1'500));
  EXPECT_FALSE(models->available(models.large, at(3'499)));
  EXPECT_TRUE(models->available(models.large, at(3'500)));
}

TEST(MissingModels, ARequestThatTellsNothingLetsTheNextOneAskAPauseLater) {
  Models models;
  models->missed(models.large, at(0));
  models->sent(models.large, at(1'000));
  EXPECT_TRUE(models->available(models.large, at(2'000)));
}

TEST(MissingModels, AnAnswerForgivesAtOnce) {
  Models models;
  models->missed(models.large, at(0));
  models->sent(models.large, at(1'000));
  models->found(models.large, at(1'100));
  EXPECT_TRUE(models->available(models.large, at(1'100)));
  EXPECT_TRUE(models->missing().empty());
}

TEST(MissingModels, RequestsUnderWayTogetherProlongNothing) {
  Models models;
  for (int i = 0; i < 9; ++i) models->missed(models.large, at(i));
  EXPECT_TRUE(models->available(models.large, at(1'000)));
}

}  // namespace
}  // namespace hanse::fleet
