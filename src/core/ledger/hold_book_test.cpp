#include "core/ledger/hold_book.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <deque>
#include <vector>

#include "base/random.h"
#include "core/ledger/testing/seeds.h"

namespace hanse::ledger {
namespace {

class HoldBookTest : public ::testing::Test {
 protected:
  Treasurer treasurer;
  BudgetLine acme = treasurer.set("tenant acme", Money(100), Money(0));
  BudgetLine web = treasurer.set("project acme/web", Money(60), Money(0));
  HoldBook book{treasurer, {.open_holds_max = 4}};
  BudgetScope scope{.tenant = acme, .project = web, .key = {}};
};

// A client that times out may retry the settle; the tenant must pay once.
TEST_F(HoldBookTest, SettlingTwiceBillsOnce) {
  const HoldId hold = book.open(scope, Money(30)).value();
  EXPECT_EQ(book.settle(hold, Money(20)).value().charged, Money(20));
  EXPECT_EQ(book.settle(hold, Money(20)).error().code, ErrorCode::not_found);
  EXPECT_EQ(book.release(hold).error().code, ErrorCode::not_found);
  EXPECT_EQ(book.settled(acme), Money(20));
  EXPECT_EQ(book.held(acme), Money(0));
}

TEST_F(HoldBookTest, CostAboveTheHoldIsWrittenOffAndNeverCharged) {
  const HoldId hold = book.open(scope, Money(30)).value();
  EXPECT_EQ(book.settle(hold, Money(45)).value(), (Settlement{Money(30), Money(15)}));
  EXPECT_EQ(book.settled(acme), Money(30));
}

TEST_F(HoldBookTest, TheTightestLevelRefusesAndIsNamed) {
  const auto refused = book.open(scope, Money(61));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), (HoldRefusal{ErrorCode::over_budget, scope.project}));
}

TEST_F(HoldBookTest, ARefusedHoldChangesNothing) {
  ASSERT_FALSE(book.open(scope, Money(61)));
  EXPECT_EQ(book.leased(acme), Money(0));
  EXPECT_EQ(treasurer.unleased(acme), Money(100));
  EXPECT_EQ(book.open_holds(), 0U);
}

TEST_F(HoldBookTest, OverlappingRequestsCannotPassTheLimitTogether) {
  ASSERT_TRUE(book.open(scope, Money(40)));
  EXPECT_EQ(book.open(scope, Money(21)).error().code, ErrorCode::over_budget);
  EXPECT_TRUE(book.open(scope, Money(20)));
}

TEST_F(HoldBookTest, ReleasedMoneyIsFreeAgain) {
  const HoldId hold = book.open(scope, Money(60)).value();
  ASSERT_FALSE(book.open(scope, Money(1)));
  ASSERT_TRUE(book.release(hold));
  EXPECT_TRUE(book.open(scope, Money(60)));
}

TEST_F(HoldBookTest, TheNumberOfOpenHoldsIsBounded) {
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(book.open(scope, Money(1)));
  EXPECT_EQ(book.open(scope, Money(1)).error().code, ErrorCode::at_capacity);
}

TEST_F(HoldBookTest, AnOldIdDoesNotEndTheHoldThatTookItsSlot) {
  const HoldId old = book.open(scope, Money(1)).value();
  ASSERT_TRUE(book.release(old));
  const HoldId young = book.open(scope, Money(2)).value();
  EXPECT_EQ(young.slot, old.slot);
  EXPECT_FALSE(book.release(old));
  EXPECT_EQ(book.held(acme), Money(2));
}

TEST_F(HoldBookTest, WithoutLimitsEverythingIsHeld) {
  EXPECT_TRUE(book.open({}, Money(1'000'000'000'000'000'000)));
}

TEST_F(HoldBookTest, AZeroHoldPassesEvenAnExhaustedBudget) {
  ASSERT_TRUE(book.open(scope, Money(60)));
  EXPECT_TRUE(book.open(scope, Money(0)));
}

TEST_F(HoldBookTest, ALoweredLimitRecallsWhatIsIdle) {
  const HoldId spent = book.open(scope, Money(60)).value();
  ASSERT_TRUE(book.settle(spent, Money(10)));
  treasurer.set("tenant acme", Money(30), Money(0));
  EXPECT_EQ(treasurer.overdrawn(acme), Money(30));
  EXPECT_EQ(book.recall(acme, treasurer.overdrawn(acme)), Money(30));
  EXPECT_EQ(book.open(scope, Money(21)).error().code, ErrorCode::over_budget);
  EXPECT_TRUE(book.open(scope, Money(20)));
}

TEST(Treasurer, WhatWasSpentBeforeARestartCounts) {
  Treasurer treasurer;
  const BudgetLine line = treasurer.set("tenant acme", Money(100), Money(95));
  HoldBook book(treasurer);
  EXPECT_FALSE(book.open({.tenant = line, .project = {}, .key = {}}, Money(6)));
  EXPECT_TRUE(book.open({.tenant = line, .project = {}, .key = {}}, Money(5)));
}

// Several shards, one treasurer, any interleaving: what is held and spent
// together never passes a limit, and nothing is lost on the way.
TEST(HoldBookSimulation, NoInterleavingOfShardsPassesALimit) {
  testing::for_each_seed(200, [](std::uint64_t seed) {
    Random random(seed);
    Treasurer treasurer;
    std::vector<BudgetLine> lines;
    for (int i = 0; i < 6; ++i) {
      lines.push_back(treasurer.set("line " + std::to_string(i),
                                    Money(static_cast<std::int64_t>(random.below(500))), Money(0)));
    }
    std::deque<HoldBook> shards;
    for (int i = 0; i < 3; ++i) {
      shards.emplace_back(treasurer, HoldBookOptions{.open_holds_max = 64});
    }
    std::vector<std::pair<std::size_t, HoldId>> open;
    for (int step = 0; step < 400; ++step) {
      const std::size_t shard = random.below(shards.size());
      HoldBook& book = shards[shard];
      const auto draw = [&](std::uint64_t bound) {
        return Money(static_cast<std::int64_t>(random.below(bound)));
      };
      switch (random.below(5)) {
        case 0:
        case 1: {
          const std::size_t first = random.below(lines.size() - 2);
          const BudgetScope scope{.tenant = lines[first],
                                  .project = random.below(2) == 0 ? BudgetLine{} : lines[first + 1],
                                  .key = lines[first + 2]};
          if (const auto hold = book.open(scope, draw(120))) open.emplace_back(shard, *hold);
          break;
        }
        case 2:
        case 3: {
          if (open.empty()) break;
          const std::size_t which = random.below(open.size());
          const auto [owner, hold] = open[which];
          open.erase(open.begin() + static_cast<std::ptrdiff_t>(which));
          if (random.below(2) == 0) {
            ASSERT_TRUE(shards[owner].settle(hold, draw(150)));
          } else {
            ASSERT_TRUE(shards[owner].release(hold));
          }
          break;
        }
        default: book.recall(lines[random.below(lines.size())], draw(100)); break;
      }
      for (const BudgetLine line : lines) {
        Money used;
        Money leased;
        for (const HoldBook& each : shards) {
          used += each.held(line) + each.settled(line);
          leased += each.leased(line);
          ASSERT_LE(each.held(line) + each.settled(line), each.leased(line));
        }
        ASSERT_LE(used, treasurer.limit(line));
        ASSERT_EQ(leased + treasurer.unleased(line), treasurer.limit(line));
      }
    }
  });
}

}  // namespace
}  // namespace hanse::ledger
