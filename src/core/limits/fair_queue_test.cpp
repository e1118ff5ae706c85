#include "core/limits/fair_queue.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hanse::limits {
namespace {

constexpr std::uint64_t kLlama = 7;
constexpr std::uint64_t kQwen = 3;

MonotonicTime at(Duration since_start) { return MonotonicTime(0) + since_start; }

constexpr auto kAny = [](const Waiting&) { return true; };
constexpr auto kNoneCan = [](const Waiting&) { return false; };

class FairQueueTest : public testing::Test {
 protected:
  FairQueueTest() { open({}); }

  void open(FairQueueOptions options) {
    queue_.emplace(options);
    acme_ = queue_->set("acme", 1);
    borg_ = queue_->set("borg", 1);
  }

  // A request of 100 weighted tokens that waits for a minute at most.
  Waiting asks(ShareLine tenant, std::uint64_t request) const {
    return {.request = request,
            .tenant = tenant,
            .priority = 1,
            .route = kLlama,
            .expected = {.prompt = Tokens(50), .output = Tokens(25)},
            .deadline = now_ + seconds(60)};
  }
  Ticket add(const Waiting& waiting) {
    const auto queued = queue_->try_add(waiting, now_);
    EXPECT_TRUE(queued.has_value());
    return queued ? queued->ticket : Ticket();
  }
  // The name of the one that goes, or 0.
  std::uint64_t next() {
    const auto gone = queue_->next(kAny, now_);
    return gone ? gone->request : 0;
  }
  std::vector<std::uint64_t> all() {
    std::vector<std::uint64_t> gone;
    while (const std::uint64_t request = next()) gone.push_back(request);
    return gone;
  }
  // So many requests wait and go, one a second.
  void serve_one_a_second(int requests) {
    for (int i = 0; i < requests; ++i) {
      add(asks(borg_, 999));
      now_ = now_ + seconds(1);
      EXPECT_EQ(next(), 999);
    }
  }

  std::optional<FairQueue> queue_;
  ShareLine acme_;
  ShareLine borg_;
  MonotonicTime now_;
};

using Requests = std::vector<std::uint64_t>;

TEST_F(FairQueueTest, WhoCameFirstGoesFirstWithinATenant) {
  for (std::uint64_t i = 1; i <= 3; ++i) add(asks(acme_, i));
  EXPECT_EQ(queue_->waiting(), 3);
  EXPECT_EQ(all(), (Requests{1, 2, 3}));
  EXPECT_EQ(queue_->waiting(), 0);
}

TEST_F(FairQueueTest, ABetterPriorityGoesFirstWhoeverCameFirst) {
  add(asks(acme_, 1));
  Waiting urgent = asks(acme_, 2);
  urgent.priority = 0;
  add(urgent);
  EXPECT_EQ(all(), (Requests{2, 1}));
}

TEST_F(FairQueueTest, AThousandRequestsOfOneTenantDoNotHoldUpAnother) {
  for (std::uint64_t i = 1; i <= 4; ++i) add(asks(acme_, i));
  add(asks(borg_, 11));
  add(asks(borg_, 12));
  EXPECT_EQ(all(), (Requests{1, 11, 2, 12, 3, 4}));
}

TEST_F(FairQueueTest, TurnsAreTakenByTokensNotByRequests) {
  for (std::uint64_t i = 1; i <= 2; ++i) {
    Waiting large = asks(acme_, i);
    large.expected = {.prompt = Tokens(300), .output = Tokens(0)};
    add(large);
  }
  for (std::uint64_t i = 11; i <= 16; ++i) add(asks(borg_, i));
  EXPECT_EQ(all(), (Requests{1, 11, 12, 13, 2, 14, 15, 16}));
}

TEST_F(FairQueueTest, AnOutputTokenCountsAsMuchAsItsWeightSays) {
  Waiting writes = asks(acme_, 1);
  writes.expected = {.prompt = Tokens(0), .output = Tokens(100)};
  add(writes);
  add(asks(acme_, 2));
  for (std::uint64_t i = 11; i <= 13; ++i) add(asks(borg_, i));
  EXPECT_EQ(all(), (Requests{1, 11, 12, 2, 13}));
}

TEST_F(FairQueueTest, ATenantOfTwiceTheWeightIsServedTwiceTheTokens) {
  queue_->set("acme", 2);
  for (std::uint64_t i = 1; i <= 4; ++i) add(asks(acme_, i));
  for (std::uint64_t i = 11; i <= 13; ++i) add(asks(borg_, i));
  EXPECT_EQ(all(), (Requests{1, 11, 2, 3, 12, 4, 13}));
}

TEST_F(FairQueueTest, HavingBeenAwayEarnsNothing) {
  for (std::uint64_t i = 1; i <= 20; ++i) add(asks(acme_, i));
  for (int i = 0; i < 10; ++i) next();
  for (std::uint64_t i = 31; i <= 40; ++i) add(asks(borg_, i));
  EXPECT_EQ(next(), 11);
  EXPECT_EQ(next(), 31);
  EXPECT_EQ(next(), 12);
}

TEST_F(FairQueueTest, NorDoesHavingBeenAwayWhileNobodyWaited) {
  for (int i = 0; i < 10; ++i) queue_->pass(acme_, 1, asks(acme_, 0).expected);
  for (std::uint64_t i = 11; i <= 14; ++i) add(asks(borg_, i));
  for (std::uint64_t i = 1; i <= 2; ++i) add(asks(acme_, i));
  EXPECT_EQ(all(), (Requests{1, 11, 2, 12, 13, 14}));
}

TEST_F(FairQueueTest, WhatWasServedInTruthIsSetRight) {
  for (std::uint64_t i = 1; i <= 4; ++i) add(asks(acme_, i));
  for (std::uint64_t i = 11; i <= 14; ++i) add(asks(borg_, i));
  EXPECT_EQ(next(), 1);
  queue_->charge(acme_, 1, {.prompt = Tokens(0), .output = Tokens(100)});
  EXPECT_EQ(next(), 11);
  EXPECT_EQ(next(), 12);
  EXPECT_EQ(next(), 13);
  EXPECT_EQ(next(), 2);
  // It had been cut short after its first token, and the others had not.
  queue_->charge(acme_, 1, {.prompt = Tokens(0), .output = Tokens(-24)});
  EXPECT_EQ(next(), 14);
  EXPECT_EQ(next(), 3);
}

TEST_F(FairQueueTest, OneThatCannotGoDoesNotHoldUpThoseBehindIt) {
  add(asks(acme_, 1));
  Waiting other = asks(acme_, 2);
  other.route = kQwen;
  add(other);
  const auto gone =
      queue_->next([](const Waiting& waiting) { return waiting.route == kQwen; }, now_);
  ASSERT_TRUE(gone.has_value());
  EXPECT_EQ(gone->request, 2);
  EXPECT_EQ(queue_->next(kNoneCan, now_), std::nullopt);
  EXPECT_EQ(next(), 1);
}

TEST_F(FairQueueTest, EachRouteIsAskedForOnce) {
  for (std::uint64_t i = 1; i <= 100; ++i) {
    Waiting waiting = asks(i % 2 == 0 ? acme_ : borg_, i);
    waiting.route = i % 3;
    add(waiting);
  }
  int asked = 0;
  const auto count = [&asked](const Waiting&) {
    ++asked;
    return false;
  };
  EXPECT_EQ(queue_->next(count, now_), std::nullopt);
  EXPECT_EQ(asked, 3);
}

TEST_F(FairQueueTest, AClientThatLeavesIsForgotten) {
  const Ticket first = add(asks(acme_, 1));
  const Ticket second = add(asks(acme_, 2));
  EXPECT_TRUE(queue_->remove(first, now_));
  EXPECT_FALSE(queue_->remove(first, now_));
  // In its place, and not to be taken for it.
  add(asks(acme_, 3));
  EXPECT_FALSE(queue_->remove(first, now_));
  EXPECT_EQ(all(), (Requests{2, 3}));
  EXPECT_FALSE(queue_->remove(second, now_));
}

TEST_F(FairQueueTest, WhoseDeadlineHasComeIsShedAndDoesNotGo) {
  Waiting hasty = asks(acme_, 1);
  hasty.deadline = at(seconds(2));
  add(asks(acme_, 2));
  add(hasty);
  EXPECT_EQ(queue_->next_deadline(), at(seconds(2)));
  now_ = at(nanoseconds(1'999'999'999));
  EXPECT_EQ(queue_->shed_due(now_), std::nullopt);
  now_ = at(seconds(2));
  EXPECT_EQ(next(), 2);
  EXPECT_EQ(next(), 0);
  EXPECT_EQ(queue_->shed_due(now_), hasty);
  EXPECT_EQ(queue_->shed_due(now_), std::nullopt);
  EXPECT_EQ(queue_->next_deadline(), std::nullopt);
}

TEST_F(FairQueueTest, WhatCannotBeServedInTimeIsToldSoAtOnce) {
  serve_one_a_second(8);
  for (std::uint64_t i = 1; i <= 9; ++i) add(asks(acme_, i));
  Waiting hasty = asks(acme_, 10);
  EXPECT_EQ(queue_->estimated_wait(hasty, now_), seconds(10));
  hasty.deadline = now_ + seconds(10);
  EXPECT_EQ(queue_->try_add(hasty, now_).error(),
            (QueueRefusal{QueueRefusal::Reason::too_late, seconds(1)}));
  hasty.deadline = now_ + seconds(4);
  EXPECT_EQ(queue_->try_add(hasty, now_).error(),
            (QueueRefusal{QueueRefusal::Reason::too_late, seconds(6)}));
  hasty.deadline = now_ + seconds(11);
  EXPECT_TRUE(queue_->try_add(hasty, now_).has_value());
}

// Its turn comes sooner than that of requests that came before.
TEST_F(FairQueueTest, TheEstimateOfATenantThatWaitsForLittleIsShort) {
  serve_one_a_second(8);
  for (std::uint64_t i = 1; i <= 50; ++i) add(asks(acme_, i));
  EXPECT_EQ(queue_->estimated_wait(asks(borg_, 51), now_), seconds(2));
  Waiting urgent = asks(borg_, 52);
  urgent.priority = 0;
  EXPECT_EQ(queue_->estimated_wait(urgent, now_), Duration(0));
}

// Or a route whose sites were down for a while would never be tried again.
TEST_F(FairQueueTest, WhoeverIsFirstMayWaitHoweverSlowItWas) {
  for (int i = 0; i < 5; ++i) {
    Waiting patient = asks(acme_, 1);
    patient.deadline = now_ + seconds(1'000);
    add(patient);
    now_ = now_ + seconds(500);
    EXPECT_EQ(next(), 1);
  }
  Waiting hasty = asks(acme_, 2);
  hasty.deadline = now_ + seconds(2);
  EXPECT_TRUE(queue_->try_add(hasty, now_).has_value());
  EXPECT_FALSE(queue_->try_add(hasty, now_).has_value());
}

TEST_F(FairQueueTest, ADeadlineThatHasPassedIsTooLate) {
  Waiting late = asks(acme_, 1);
  late.deadline = now_;
  EXPECT_EQ(queue_->try_add(late, now_).error().reason, QueueRefusal::Reason::too_late);
  EXPECT_EQ(queue_->waiting(), 0);
}

TEST_F(FairQueueTest, NoMoreWaitThanMay) {
  open({.waiting_max = 3, .waiting_max_per_tenant = 2});
  add(asks(acme_, 1));
  add(asks(acme_, 2));
  EXPECT_EQ(queue_->try_add(asks(acme_, 3), now_).error(),
            (QueueRefusal{QueueRefusal::Reason::tenant_full, seconds(1)}));
  add(asks(borg_, 4));
  EXPECT_EQ(queue_->try_add(asks(borg_, 5), now_).error(),
            (QueueRefusal{QueueRefusal::Reason::full, seconds(1)}));
  EXPECT_EQ(queue_->waiting(acme_), 2);
  EXPECT_EQ(all(), (Requests{1, 4, 2}));
}

TEST_F(FairQueueTest, WhoFindsItFullIsToldWhenAPlaceWillBeFree) {
  open({.waiting_max = 2});
  for (int i = 0; i < 8; ++i) {
    add(asks(borg_, 1));
    now_ = now_ + seconds(3);
    next();
  }
  add(asks(acme_, 1));
  add(asks(acme_, 2));
  EXPECT_EQ(queue_->try_add(asks(acme_, 3), now_).error(),
            (QueueRefusal{QueueRefusal::Reason::full, seconds(3)}));
  Waiting hasty = asks(acme_, 3);
  hasty.deadline = now_ + seconds(1);
  EXPECT_EQ(queue_->try_add(hasty, now_).error(),
            (QueueRefusal{QueueRefusal::Reason::full, seconds(8)}));
}

TEST_F(FairQueueTest, ABetterPriorityTakesThePlaceOfWhoWouldHaveGoneLast) {
  open({.waiting_max = 4});
  queue_->charge(borg_, 2, {.prompt = Tokens(1'000), .output = Tokens(0)});
  for (const auto& [tenant, request] : {std::pair(borg_, 1), {borg_, 2}, {acme_, 3}}) {
    Waiting idle = asks(tenant, static_cast<std::uint64_t>(request));
    idle.priority = 2;
    add(idle);
  }
  add(asks(acme_, 4));
  const auto queued = queue_->try_add(asks(acme_, 5), now_);
  ASSERT_TRUE(queued.has_value() && queued->displaced.has_value());
  EXPECT_EQ(queued->displaced->request, 2);
  EXPECT_EQ(queue_->waiting(), 4);

  Waiting idle = asks(acme_, 6);
  idle.priority = 2;
  EXPECT_EQ(queue_->try_add(idle, now_).error().reason, QueueRefusal::Reason::full);
  EXPECT_EQ(all(), (Requests{4, 5, 3, 1}));
}

TEST_F(FairQueueTest, ATenantAtItsBoundGivesUpOnlyAPlaceOfItsOwn) {
  open({.waiting_max = 9, .waiting_max_per_tenant = 2});
  Waiting idle = asks(borg_, 1);
  idle.priority = 3;
  add(idle);
  add(asks(acme_, 2));
  add(asks(acme_, 3));
  EXPECT_EQ(queue_->try_add(asks(acme_, 4), now_).error().reason,
            QueueRefusal::Reason::tenant_full);
  Waiting urgent = asks(acme_, 5);
  urgent.priority = 0;
  const auto queued = queue_->try_add(urgent, now_);
  ASSERT_TRUE(queued.has_value() && queued->displaced.has_value());
  EXPECT_EQ(queued->displaced->request, 3);
  EXPECT_EQ(queue_->waiting(acme_), 2);
}

TEST_F(FairQueueTest, ARefusalChangesNothing) {
  open({.waiting_max = 1});
  add(asks(acme_, 1));
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(queue_->try_add(asks(borg_, 2), now_).has_value());
  }
  EXPECT_EQ(queue_->waiting(borg_), 0);
  EXPECT_EQ(all(), (Requests{1}));
}

// Routes come and go with configurations; what is kept of them does not grow.
TEST_F(FairQueueTest, RoutesThatNobodyTakesAnyMoreAreForgotten) {
  serve_one_a_second(8);
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    Waiting waiting = asks(acme_, 1);
    waiting.route = 1'000 + i;
    now_ = now_ + seconds(1);
    add(waiting);
    EXPECT_EQ(next(), 1);
  }
  add(asks(acme_, 1));
  EXPECT_EQ(queue_->estimated_wait(asks(acme_, 2), now_), std::nullopt);
}

TEST_F(FairQueueTest, AShareKeepsWhatItWasServedWhenItIsNamedAgain) {
  for (std::uint64_t i = 1; i <= 2; ++i) add(asks(acme_, i));
  for (std::uint64_t i = 11; i <= 12; ++i) add(asks(borg_, i));
  EXPECT_EQ(next(), 1);
  EXPECT_EQ(queue_->set("acme", 1), acme_);
  EXPECT_EQ(all(), (Requests{11, 2, 12}));
}

}  // namespace
}  // namespace hanse::limits
