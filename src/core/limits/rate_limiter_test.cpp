#include "core/limits/rate_limiter.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace hanse::limits {
namespace {

constexpr KeyId kLaptop{0};
constexpr KeyId kServer{1};

MonotonicTime at(Duration since_start) { return MonotonicTime(0) + since_start; }

RateLimits requests(std::int64_t limit) {
  RateLimits limits;
  limits.requests_per_minute = limit;
  return limits;
}
RateLimits tokens(std::int64_t limit) {
  RateLimits limits;
  limits.tokens_per_minute = Tokens(limit);
  return limits;
}
RateLimits at_once(std::int64_t limit) {
  RateLimits limits;
  limits.requests_at_once = limit;
  return limits;
}

// One tenant, one project, two keys.
Tenants acme(RateLimits tenant, RateLimits project, RateLimits laptop) {
  Tenants tenants;
  Tenant t;
  t.name = "acme";
  t.rates = tenant;
  const TenantId tenant_id = tenants.tenants.add(t);
  Project p;
  p.name = "acme/web";
  p.tenant = tenant_id;
  p.rates = project;
  const ProjectId project_id = tenants.projects.add(p);
  for (const auto* name : {"acme/web/laptop", "acme/web/server"}) {
    Key key;
    key.name = name;
    key.tenant = tenant_id;
    key.project = project_id;
    tenants.keys.add(key);
  }
  tenants.keys[kLaptop].rates = laptop;
  return tenants;
}

TEST(RateLimiter, WithoutLimitsEverythingIsAdmitted) {
  const Tenants tenants = acme({}, {}, {});
  RateLimiter limiter(tenants);
  for (int i = 0; i < 1'000; ++i) {
    ASSERT_TRUE(limiter.admit(kLaptop, Tokens(1'000'000), at(seconds(0))).has_value());
  }
}

TEST(RateLimiter, AMinutesWorthMayComeAtOnceAndThenDrainsEvenly) {
  const Tenants tenants = acme({}, {}, requests(3));
  RateLimiter limiter(tenants);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(limiter.admit(kLaptop, Tokens(0), at(seconds(0))).has_value());
  }
  const auto refused = limiter.admit(kLaptop, Tokens(0), at(seconds(0)));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error(), (RateRefusal{Level::key, Limit::requests_per_minute, 3, seconds(20)}));
  EXPECT_FALSE(limiter.admit(kLaptop, Tokens(0), at(nanoseconds(19'999'999'999))).has_value());
  EXPECT_TRUE(limiter.admit(kLaptop, Tokens(0), at(seconds(20))).has_value());
  EXPECT_FALSE(limiter.admit(kLaptop, Tokens(0), at(seconds(20))).has_value());
}

TEST(RateLimiter, TokensAreTakenAtOnceAndSetRightAfterwards) {
  const Tenants tenants = acme({}, {}, tokens(1'000));
  RateLimiter limiter(tenants);
  const Admission first = limiter.admit(kLaptop, Tokens(800), at(seconds(0))).value();
  EXPECT_EQ(limiter.admit(kLaptop, Tokens(300), at(seconds(0))).error(),
            (RateRefusal{Level::key, Limit::tokens_per_minute, 1'000, seconds(6)}));
  limiter.finish(first, Tokens(500), at(seconds(0)));
  const Admission second = limiter.admit(kLaptop, Tokens(300), at(seconds(0))).value();

  // More than was taken counts too: 500 + 1,700 used, so 1,300 must drain
  // before 100 fit again.
  limiter.finish(second, Tokens(1'700), at(seconds(0)));
  EXPECT_EQ(limiter.admit(kLaptop, Tokens(100), at(seconds(0))).error().retry_after, seconds(78));
}

TEST(RateLimiter, ARequestLargerThanTheLimitIsToldThatWaitingDoesNotHelp) {
  const Tenants tenants = acme({}, {}, tokens(1'000));
  RateLimiter limiter(tenants);
  const auto refused = limiter.admit(kLaptop, Tokens(1'001), at(seconds(0)));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error(), (RateRefusal{Level::key, Limit::tokens_per_minute, 1'000, {}}));
}

TEST(RateLimiter, ALimitOfZeroAdmitsNothingAndDividesByNothing) {
  for (const RateLimits limits : {requests(0), at_once(0)}) {
    const Tenants tenants = acme({}, limits, {});
    RateLimiter limiter(tenants);
    EXPECT_EQ(limiter.admit(kLaptop, Tokens(0), at(seconds(0))).error().retry_after, std::nullopt);
  }
  const Tenants tenants = acme({}, {}, tokens(0));
  RateLimiter limiter(tenants);
  EXPECT_FALSE(limiter.admit(kLaptop, Tokens(1), at(seconds(0))).has_value());
  const Admission free = limiter.admit(kLaptop, Tokens(0), at(seconds(0))).value();
  limiter.finish(free, Tokens(5), at(seconds(0)));
  EXPECT_FALSE(limiter.admit(kLaptop, Tokens(0), at(seconds(9))).has_value());
}

TEST(RateLimiter, RequestsAtOnceAreFreedWhenTheyEnd) {
  const Tenants tenants = acme(at_once(2), {}, {});
  RateLimiter limiter(tenants);
  const Admission first = limiter.admit(kLaptop, Tokens(0), at(seconds(0))).value();
  ASSERT_TRUE(limiter.admit(kServer, Tokens(0), at(seconds(0))).has_value());
  EXPECT_EQ(limiter.admit(kLaptop, Tokens(0), at(seconds(0))).error(),
            (RateRefusal{Level::tenant, Limit::requests_at_once, 2, RateLimiter::kRetryAtOnce}));
  limiter.finish(first, Tokens(0), at(seconds(0)));
  EXPECT_TRUE(limiter.admit(kLaptop, Tokens(0), at(seconds(0))).has_value());
}

// All or nothing: a key that its tenant holds back must not use up its own.
TEST(RateLimiter, ARefusalByOneLevelTakesNothingFromTheOthers) {
  const Tenants tenants = acme(requests(1), {}, requests(2));
  RateLimiter limiter(tenants);
  ASSERT_TRUE(limiter.admit(kServer, Tokens(0), at(seconds(0))).has_value());
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(limiter.admit(kLaptop, Tokens(0), at(seconds(0))).error().level, Level::tenant);
  }
  EXPECT_TRUE(limiter.admit(kLaptop, Tokens(0), at(seconds(60))).has_value());
  EXPECT_TRUE(limiter.admit(kLaptop, Tokens(0), at(seconds(120))).has_value());
}

TEST(RateLimiter, TheLimitThatStandsLongestInTheWayIsTold) {
  const Tenants tenants = acme(requests(60), requests(1), requests(30));
  RateLimiter limiter(tenants);
  ASSERT_TRUE(limiter.admit(kLaptop, Tokens(0), at(seconds(0))).has_value());
  const auto refused = limiter.admit(kLaptop, Tokens(0), at(seconds(0)));
  EXPECT_EQ(refused.error(),
            (RateRefusal{Level::project, Limit::requests_per_minute, 1, seconds(60)}));
}

TEST(RateLimiter, ANewSnapshotChangesLimitsAndForgetsNothing) {
  const Tenants before = acme({}, {}, requests(2));
  RateLimiter limiter(before);
  const Admission open = limiter.admit(kLaptop, Tokens(0), at(seconds(0))).value();
  ASSERT_TRUE(limiter.admit(kLaptop, Tokens(0), at(seconds(0))).has_value());

  const Tenants after = acme({}, {}, requests(3));
  limiter.adopt(after);
  EXPECT_EQ(limiter.at_once(kLaptop), 2);
  EXPECT_TRUE(limiter.admit(kLaptop, Tokens(0), at(seconds(0))).has_value());
  EXPECT_FALSE(limiter.admit(kLaptop, Tokens(0), at(seconds(0))).has_value());
  limiter.finish(open, Tokens(0), at(seconds(0)));
  EXPECT_EQ(limiter.at_once(kLaptop), 2);
}

// Its request is still under way when the key is dropped; the meter must not
// be given to another before that has ended.
TEST(RateLimiter, AKeyThatIsDroppedKeepsItsMeterUntilItsRequestsEnd) {
  const Tenants before = acme({}, {}, {});
  RateLimiter limiter(before);
  const Admission open = limiter.admit(kLaptop, Tokens(0), at(seconds(0))).value();

  const Tenants nobody;
  limiter.adopt(nobody);
  Tenants others = acme({}, {}, {});
  others.keys = {};
  for (const auto* name : {"acme/web/new", "acme/web/newer"}) {
    Key key;
    key.name = name;
    key.tenant = TenantId(0);
    key.project = ProjectId(0);
    others.keys.add(key);
  }
  limiter.adopt(others);
  EXPECT_EQ(limiter.at_once(KeyId(0)), 0);
  const Admission newer = limiter.admit(KeyId(1), Tokens(0), at(seconds(0))).value();
  limiter.finish(open, Tokens(0), at(seconds(0)));
  EXPECT_EQ(limiter.at_once(KeyId(1)), 1);
  limiter.finish(newer, Tokens(0), at(seconds(0)));
}

// Over any time the limiter lets through at most one bucket and what drains,
// and a wait that it names is exactly as long as needed.
RC_GTEST_PROP(RateLimiter, NeverAdmitsMoreThanABucketAndWhatDrains, ()) {
  const auto limit = *rc::gen::inRange<std::int64_t>(1, 100'000);
  const Tenants tenants = acme({}, tokens(limit), {});
  RateLimiter limiter(tenants);
  std::int64_t now = 0;
  __int128 admitted = 0;
  for (int i = 0; i < 200; ++i) {
    now += *rc::gen::inRange<std::int64_t>(0, 2'000'000'000);
    const auto amount = *rc::gen::inRange<std::int64_t>(1, limit + 1);
    const auto answer = limiter.admit(kLaptop, Tokens(amount), MonotonicTime(now));
    if (answer) {
      admitted += amount;
    } else {
      const std::int64_t wait = answer.error().retry_after.value().count();
      RC_ASSERT(wait > 0);
      RC_ASSERT(!limiter.admit(kLaptop, Tokens(amount), MonotonicTime(now + wait - 1)).has_value());
      now += wait;
      RC_ASSERT(limiter.admit(kLaptop, Tokens(amount), MonotonicTime(now)).has_value());
      admitted += amount;
    }
    const __int128 room = static_cast<__int128>(limit) * (60'000'000'000 + now);
    RC_ASSERT(admitted * 60'000'000'000 <= room);
  }
}

}  // namespace
}  // namespace hanse::limits
