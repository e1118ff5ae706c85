#include "core/placement/learned.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/placement/testing/small_grid.h"

namespace hanse::placement {
namespace {

using testing::demand;
using testing::usage;

constexpr SiteId kSite{3};

Demand with_limit(std::int64_t limit) {
  Demand asked = demand();
  asked.output_limit = Tokens(limit);
  return asked;
}

TEST(Learned, BeginsWithFourBytesATokenAShortAnswerAndNothingCached) {
  const Learned learned;
  EXPECT_EQ(learned.prompt_tokens(demand()), Tokens(100));
  EXPECT_EQ(learned.output_tokens(with_limit(100)), Tokens(100));
  EXPECT_EQ(learned.output_tokens(with_limit(4'000)), Tokens(256));
  EXPECT_EQ(learned.cached_tokens(demand(), kSite, Tokens(100)), Tokens(0));
  EXPECT_TRUE(learned.cached_shares(demand()).empty());
}

TEST(Learned, ComesCloseToWhatItSees) {
  Learned learned;
  for (int i = 0; i < 60; ++i) learned.observe(with_limit(4'000), kSite, usage(60, 140, 40));
  EXPECT_NEAR(static_cast<double>(learned.prompt_tokens(demand()).count()), 200, 3);
  EXPECT_NEAR(static_cast<double>(learned.output_tokens(with_limit(4'000)).count()), 40, 8);
  EXPECT_NEAR(static_cast<double>(learned.cached_tokens(demand(), kSite, Tokens(200)).count()), 140,
              2);
}

// One odd answer must not turn everything over; the first of a kind says most.
TEST(Learned, TheGuessFadesAndOneAnswerDoesNotDecide) {
  Learned learned;
  learned.observe(with_limit(4'000), kSite, usage(100, 0, 0));
  EXPECT_EQ(learned.output_tokens(with_limit(4'000)), Tokens(128));
  for (int i = 0; i < 200; ++i) learned.observe(with_limit(4'000), kSite, usage(100, 0, 10));
  const Tokens before = learned.output_tokens(with_limit(4'000));
  learned.observe(with_limit(4'000), kSite, usage(100, 0, 1'610));
  EXPECT_NEAR(static_cast<double>(learned.output_tokens(with_limit(4'000)).count()),
              static_cast<double>(before.count()) + 100, 2);
}

TEST(Learned, KeepsTenantsAndAliasesApart) {
  Learned learned;
  for (int i = 0; i < 50; ++i) learned.observe(with_limit(4'000), kSite, usage(10, 90, 3));
  Demand other = with_limit(4'000);
  other.tenant = TenantId(1);
  EXPECT_EQ(learned.output_tokens(other), Tokens(256));
  other = with_limit(4'000);
  other.alias = AliasId(1);
  EXPECT_EQ(learned.output_tokens(other), Tokens(256));
  EXPECT_EQ(learned.cached_tokens(other, kSite, Tokens(100)), Tokens(0));
}

TEST(Learned, UsageThatIsGuessedOrContradictedTeachesNothing) {
  Learned learned;
  Usage guessed = usage(1, 0, 9'000);
  guessed.estimated = true;
  learned.observe(with_limit(4'000), kSite, guessed);
  Usage wrong = usage(1, 0, 9'000);
  wrong.contradicted = true;
  learned.observe(with_limit(4'000), kSite, wrong);
  EXPECT_EQ(learned.output_tokens(with_limit(4'000)), Tokens(256));
}

TEST(Learned, CountsEachChoiceAndTheReasoning) {
  Learned learned;
  Demand two = with_limit(4'000);
  two.choices = 2;
  Usage reasoned = usage(100, 0, 100);
  reasoned.tokens[TokenKind::reasoning] = Tokens(300);
  for (int i = 0; i < 300; ++i) learned.observe(two, kSite, reasoned);
  EXPECT_NEAR(static_cast<double>(learned.output_tokens(two).count()), 200, 2);
}

TEST(Learned, ACacheThatIsGoneIsForgotten) {
  Learned learned;
  for (int i = 0; i < 20; ++i) learned.observe(demand(), kSite, usage(0, 100, 10));
  EXPECT_GT(learned.cached_tokens(demand(), kSite, Tokens(100)), Tokens(95));
  for (int i = 0; i < 20; ++i) learned.observe(demand(), kSite, usage(100, 0, 10));
  EXPECT_TRUE(learned.cached_shares(demand()).empty());
}

TEST(Learned, SurvivesAnyNumbers) {
  Learned learned;
  Demand huge = demand();
  huge.prompt_bytes = std::numeric_limits<std::int64_t>::max();
  huge.output_limit = Tokens(std::numeric_limits<std::int64_t>::max());
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  for (int i = 0; i < 100; ++i) learned.observe(huge, kSite, usage(kMost, kMost, kMost));
  EXPECT_GE(learned.prompt_tokens(huge), Tokens(0));
  EXPECT_GT(learned.output_tokens(huge), Tokens(0));
  huge.prompt_bytes = -1;
  huge.choices = 0;
  learned.observe(huge, kSite, usage(-1, -1, -1));
  EXPECT_EQ(learned.prompt_tokens(huge), Tokens(0));
}

TEST(Learned, IsTakenOverByANewSnapshotUnderItsNewIds) {
  Learned old;
  for (int i = 0; i < 60; ++i) old.observe(with_limit(4'000), kSite, usage(20, 80, 40));
  Learned next;
  // Tenant 0 became 1; the site moved from 3 to 0.
  const std::vector<TenantId> tenants = {TenantId(1)};
  const std::vector<AliasId> aliases = {AliasId(0)};
  const std::vector<SiteId> sites = {SiteId(), SiteId(), SiteId(), SiteId(0)};
  next.adopt(old, tenants, aliases, sites);
  Demand moved = with_limit(4'000);
  EXPECT_EQ(next.output_tokens(moved), Tokens(256));
  moved.tenant = TenantId(1);
  EXPECT_EQ(next.output_tokens(moved), old.output_tokens(with_limit(4'000)));
  EXPECT_EQ(next.cached_tokens(moved, SiteId(0), Tokens(100)),
            old.cached_tokens(with_limit(4'000), kSite, Tokens(100)));
  EXPECT_EQ(next.cached_tokens(moved, kSite, Tokens(100)), Tokens(0));
}

}  // namespace
}  // namespace hanse::placement
