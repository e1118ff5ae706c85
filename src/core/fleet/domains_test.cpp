// Domains as a health book uses them: what one that is dead costs, and what
// one that is not dead loses.
#include "core/fleet/domains.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "base/random.h"
#include "core/fleet/health.h"

namespace hanse::fleet {
namespace {

Instant at(std::int64_t ms) {
  return {.monotonic = MonotonicTime(milliseconds(ms).count()), .wall = WallTime(ms * 1'000'000)};
}

// Sites 0, 1, ... of supplier a, and one more, the last, of supplier b.
class Supplier {
 public:
  explicit Supplier(std::size_t sites) : last_(sites) {
    const std::vector<std::string> a = {"supplier a"};
    for (std::size_t i = 0; i < sites; ++i) book_.know(SiteLine(i), a);
    const std::vector<std::string> b = {"supplier b"};
    book_.know(SiteLine(sites), b);
  }

  HealthBook* operator->() { return &book_; }
  [[nodiscard]] SiteLine other() const { return SiteLine(last_); }
  [[nodiscard]] bool suspected() const { return book_.domains().domains()[0].suspected; }
  [[nodiscard]] bool available(std::size_t site, std::int64_t ms) const {
    return book_.available(SiteLine(site), at(ms).monotonic);
  }
  // A request that finds nobody there.
  void is_dead(std::size_t site, std::int64_t ms) {
    const SiteLine line(site);
    book_.failed_hard(line, book_.sent(line, at(ms)), at(ms));
  }

 private:
  NobodyElse nobody_else_;
  HealthBook book_{nobody_else_, {}};
  std::size_t last_;
};

TEST(Domains, OneSiteThatFailsSaysNothingOfItsSiblings) {
  Supplier supplier(3);
  for (int i = 0; i < 9; ++i) supplier->failed_hard(SiteLine(0), Trial::none, at(i));
  EXPECT_FALSE(supplier.suspected());
  EXPECT_TRUE(supplier.available(1, 10));
}

TEST(Domains, ASiteThatHasOpenedItsCircuitMakesUsWaryOfItsSiblings) {
  Supplier supplier(3);
  const DomainBook& domains = supplier->domains();
  const SiteLine sibling(1);
  supplier->failed_softly(SiteLine(0), Trial::none, at(0));
  supplier->failed_softly(SiteLine(0), Trial::none, at(1));
  EXPECT_TRUE(domains.trusted(sibling, at(1).monotonic)) << "it has not opened yet";
  supplier->failed_softly(SiteLine(0), Trial::none, at(2));
  EXPECT_FALSE(domains.trusted(sibling, at(3).monotonic));
  EXPECT_TRUE(domains.trusted(supplier.other(), at(3).monotonic));
  EXPECT_TRUE(supplier.available(1, 3)) << "nobody is barred";
  EXPECT_TRUE(domains.wants_scout(sibling, at(3).monotonic));

  const Trial scout = supplier->sent(sibling, at(3));
  EXPECT_FALSE(domains.wants_scout(SiteLine(2), at(4).monotonic)) << "one is under way";
  supplier->told_nothing(sibling, scout);
  EXPECT_TRUE(domains.wants_scout(SiteLine(2), at(5).monotonic));
  supplier->first_token(SiteLine(2), supplier->sent(SiteLine(2), at(6)), at(7));
  EXPECT_TRUE(domains.trusted(sibling, at(7).monotonic));
  EXPECT_TRUE(domains.wary().empty());
}

TEST(Domains, OnlyTheScoutItselfMakesRoomForTheNext) {
  Supplier supplier(3);
  const DomainBook& domains = supplier->domains();
  const SiteLine sibling(1);
  const Trial earlier = supplier->sent(sibling, at(0));
  supplier.is_dead(0, 1);
  const Trial scout = supplier->sent(sibling, at(2));
  // Nothing else was left for this one.
  const Trial other = supplier->sent(sibling, at(3));
  supplier->told_nothing(sibling, earlier);
  supplier->told_nothing(sibling, other);
  EXPECT_FALSE(domains.wants_scout(SiteLine(2), at(4).monotonic));
  supplier->told_nothing(sibling, scout);
  EXPECT_TRUE(domains.wants_scout(SiteLine(2), at(5).monotonic));
  // Nor does one that was a scout before.
  const Trial next = supplier->sent(sibling, at(6));
  supplier->told_nothing(sibling, scout);
  EXPECT_FALSE(domains.wants_scout(SiteLine(2), at(7).monotonic));
  supplier->failed_softly(sibling, next, at(8));
  EXPECT_TRUE(domains.wants_scout(SiteLine(2), at(9).monotonic));
}

TEST(Domains, WarinessPassesByItselfAndWithAGoodProbeThatWouldHaveFailed) {
  Supplier supplier(2);
  supplier.is_dead(0, 0);
  EXPECT_FALSE(supplier->domains().trusted(SiteLine(1), at(29'999).monotonic));
  EXPECT_TRUE(supplier->domains().trusted(SiteLine(1), at(30'000).monotonic));
  supplier->reported(SiteLine(1), Finding::answers, at(1'000));
  EXPECT_TRUE(supplier->domains().trusted(SiteLine(1), at(1'000).monotonic));

  Supplier silent(2);
  for (int i = 0; i < 3; ++i) silent->failed_softly(SiteLine(0), Trial::none, at(i));
  silent->reported(SiteLine(1), Finding::answers, at(1'000));
  EXPECT_FALSE(silent->domains().trusted(SiteLine(1), at(1'000).monotonic))
      << "a probe would not have seen that";
}

TEST(Domains, TwoSitesThatFailTogetherLeaveTheOthersToOneTrial) {
  Supplier supplier(5);
  supplier.is_dead(0, 0);
  supplier.is_dead(1, 5);
  EXPECT_TRUE(supplier.suspected());
  for (const std::size_t site : {2U, 3U, 4U}) EXPECT_FALSE(supplier.available(site, 999));
  EXPECT_TRUE(supplier->available(supplier.other(), at(10).monotonic));

  ASSERT_TRUE(supplier.available(3, 1005)) << "a pause later one may try";
  const Trial trial = supplier->sent(SiteLine(3), at(1005));
  ASSERT_NE(trial, Trial::none);
  for (const std::size_t site : {2U, 3U, 4U}) EXPECT_FALSE(supplier.available(site, 1100));
  supplier->first_token(SiteLine(3), trial, at(1200));
  EXPECT_FALSE(supplier.suspected());
  for (const std::size_t site : {2U, 3U, 4U}) EXPECT_TRUE(supplier.available(site, 1200));
  EXPECT_TRUE(supplier.available(0, 1200)) << "by its own circuit, to one trial";
}

TEST(Domains, AfterATrialItsSitesAreTakenIntoUseStepByStep) {
  Supplier supplier(5);
  supplier.is_dead(0, 0);
  supplier.is_dead(1, 0);
  supplier->first_token(SiteLine(2), supplier->sent(SiteLine(2), at(1000)), at(1001));
  for (const std::size_t site : {2U, 3U, 4U}) {
    const Trial first = supplier->sent(SiteLine(site), at(1002));
    EXPECT_FALSE(supplier.available(site, 1002));
    supplier->first_token(SiteLine(site), first, at(1003));
    EXPECT_TRUE(supplier.available(site, 1003));
  }
}

// Its traffic shows at once that it was suspected wrongly; nothing was kept
// from it that could come back.
TEST(Domains, ASuspicionThatNoTrialHadToEndIsForgottenWhole) {
  Supplier supplier(3);
  supplier.is_dead(0, 0);
  supplier.is_dead(1, 0);
  supplier->first_token(SiteLine(2), Trial::none, at(1));
  EXPECT_EQ(supplier->sent(SiteLine(2), at(1)), Trial::none);
  EXPECT_TRUE(supplier.available(2, 1));
}

TEST(Domains, ATrialThatFailsDoublesThePauseAndOneThatTellsNothingDoesNot) {
  Supplier supplier(5);
  supplier.is_dead(0, 0);
  supplier.is_dead(1, 0);
  supplier->told_nothing(SiteLine(2), supplier->sent(SiteLine(2), at(1000)));
  EXPECT_TRUE(supplier.available(3, 1001));
  supplier->failed_softly(SiteLine(3), supplier->sent(SiteLine(3), at(1001)), at(1002));
  EXPECT_FALSE(supplier.available(4, 3001));
  EXPECT_TRUE(supplier.available(4, 3002));
}

// The first of its sites stays dead, and is the cheapest; all others are well
// again soon. Health pages say nothing of it.
TEST(Domains, ASiteThatIsWellAgainDoesNotWaitBehindOneThatStaysDead) {
  for (const std::size_t sites : {2U, 3U, 6U}) {
    Supplier supplier(sites);
    for (std::size_t site = 0; site < sites; ++site) {
      supplier->turned_away(SiteLine(site), Trial::none, at(0));
    }
    ASSERT_TRUE(supplier.suspected());
    // Nobody answers for two minutes, so that all pauses are at their longest.
    std::int64_t answered_after = -1;
    for (std::int64_t now = 0; now < 600'000 && answered_after < 0; now += 10) {
      for (std::size_t site = 0; site < sites; ++site) {
        if (!supplier.available(site, now)) continue;
        const Trial trial = supplier->sent(SiteLine(site), at(now));
        if (site == 0 || now < 120'000) {
          supplier->turned_away(SiteLine(site), trial, at(now));
        } else {
          supplier->first_token(SiteLine(site), trial, at(now));
          answered_after = now - 120'000;
        }
      }
    }
    EXPECT_GE(answered_after, 0) << sites;
    EXPECT_LE(answered_after, 60'000) << sites << ": two pauses";
  }
}

TEST(Domains, AnAnswerBetweenTwoFailuresClearsTheFirst) {
  Supplier supplier(3);
  supplier.is_dead(0, 0);
  supplier->first_token(SiteLine(2), Trial::none, at(1));
  supplier.is_dead(1, 2);
  EXPECT_FALSE(supplier.suspected());
}

TEST(Domains, TheAnswerToARequestSentBeforeClearsASuspicionAtOnce) {
  Supplier supplier(3);
  const Trial before = supplier->sent(SiteLine(2), at(0));
  supplier.is_dead(0, 1);
  supplier.is_dead(1, 2);
  ASSERT_TRUE(supplier.suspected());
  supplier->succeeded(SiteLine(2), before, at(3));
  EXPECT_TRUE(supplier.available(2, 3));
  EXPECT_FALSE(supplier.available(0, 3)) << "its own circuit is open";
}

TEST(Domains, AGoodProbeIsAnAnswerWhereProbesWouldHaveFailedToo) {
  Supplier supplier(3);
  supplier.is_dead(0, 0);
  supplier->reported(SiteLine(2), Finding::answers, at(1));
  supplier.is_dead(1, 2);
  EXPECT_FALSE(supplier.suspected());
  supplier->reported(SiteLine(0), Finding::fails, at(1500));
  ASSERT_TRUE(supplier.suspected());
  supplier->reported(SiteLine(2), Finding::answers, at(1501));
  EXPECT_FALSE(supplier.suspected());
}

// A key that the supplier has revoked: its health pages say that all is well.
TEST(Domains, AGoodProbeIsNoneWhereProbesSeeNothing) {
  Supplier supplier(3);
  supplier->turned_away(SiteLine(0), Trial::none, at(0));
  supplier->reported(SiteLine(2), Finding::answers, at(1));
  supplier->turned_away(SiteLine(1), Trial::none, at(2));
  ASSERT_TRUE(supplier.suspected());
  supplier->reported(SiteLine(2), Finding::answers, at(3));
  EXPECT_TRUE(supplier.suspected());
  supplier->reported(SiteLine(2), Finding::works, at(4));
  EXPECT_FALSE(supplier.suspected()) << "another shard saw a request answered";
}

TEST(Domains, BadAnswersFromManySitesAreTakenTogether) {
  Supplier supplier(6);
  for (std::size_t site = 0; site < 5; ++site) {
    supplier->failed_softly(SiteLine(site), Trial::none, at(0));
  }
  EXPECT_FALSE(supplier.suspected());
  supplier->failed_softly(SiteLine(5), Trial::none, at(0));
  EXPECT_TRUE(supplier.suspected()) << "as many as open two circuits";
}

TEST(Domains, FailuresFarApartHaveNothingToDoWithEachOther) {
  Supplier supplier(3);
  supplier.is_dead(0, 0);
  supplier.is_dead(1, 30'001);
  EXPECT_FALSE(supplier.suspected());
}

TEST(Domains, ASiteOfTwoSuspectedDomainsIsTheTrialOfBoth) {
  NobodyElse nobody_else;
  HealthBook book(nobody_else, {});
  const std::vector<std::string> a_in_de = {"supplier a", "country DE"};
  const std::vector<std::string> b_in_de = {"supplier b", "country DE"};
  for (const std::size_t i : {0U, 1U, 2U}) book.know(SiteLine(i), a_in_de);
  book.know(SiteLine(3), b_in_de);
  for (const std::size_t i : {0U, 1U}) book.failed_hard(SiteLine(i), Trial::none, at(0));
  EXPECT_FALSE(book.available(SiteLine(3), at(10).monotonic)) << "the country is suspected";
  book.succeeded(SiteLine(3), book.sent(SiteLine(3), at(1000)), at(1001));
  EXPECT_FALSE(book.domains().domains()[1].suspected);
  EXPECT_TRUE(book.domains().domains()[0].suspected) << "no site of that supplier has answered";
  EXPECT_NE(book.sent(SiteLine(2), at(1002)), Trial::none);
}

TEST(Domains, AConfigurationThatIsReadAgainClearsNothing) {
  Supplier supplier(4);
  supplier.is_dead(0, 0);
  supplier.is_dead(1, 0);
  const std::vector<std::string> a = {"supplier a"};
  const std::vector<std::string> c = {"supplier c"};
  supplier->know(SiteLine(2), a);
  EXPECT_FALSE(supplier.available(2, 1));
  supplier->know(SiteLine(2), c);
  EXPECT_TRUE(supplier.available(2, 1)) << "it has been sold";
  EXPECT_FALSE(supplier.available(3, 1));
}

// Requests come every few milliseconds for five minutes to a supplier that is
// gone, each to the first of its sites that is available; how it went is known
// a while later. What was sent before the second site's failure was known
// could not be helped. From then on it costs a trial at each pause: 1, 2, 4, 8,
// 16 and then 30 seconds apart.
TEST(Domains, ADeadSupplierCostsAsManyAttemptsWhateverTheNumberOfItsSites) {
  constexpr std::int64_t kEnd = 300'000;
  constexpr int kTrialsMost = 5 + 300 / 30;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    const std::size_t sites = 2 + random.below(50);
    const auto takes = static_cast<std::int64_t>(random.below(300));
    const auto gap = static_cast<std::int64_t>(5 + random.below(50));
    const bool hard = random.below(2) == 0;
    Supplier supplier(sites);
    struct Sent {
      std::int64_t ends;
      SiteLine site;
      Trial trial;
    };
    std::deque<Sent> under_way;
    int later = 0;
    for (std::int64_t now = 0; now < kEnd; now += gap) {
      for (; !under_way.empty() && under_way.front().ends <= now; under_way.pop_front()) {
        const Sent& sent = under_way.front();
        if (hard) {
          supplier->failed_hard(sent.site, sent.trial, at(sent.ends));
        } else {
          supplier->failed_softly(sent.site, sent.trial, at(sent.ends));
        }
      }
      const bool was_suspected = supplier.suspected();
      for (std::size_t i = 0; i < sites; ++i) {
        if (!supplier.available(i, now)) continue;
        under_way.push_back({now + takes, SiteLine(i), supplier->sent(SiteLine(i), at(now))});
        if (was_suspected) ++later;
        break;
      }
    }
    EXPECT_TRUE(supplier.suspected()) << "seed " << seed;
    EXPECT_LE(later, kTrialsMost) << "seed " << seed;
  }
}

// One site of many is dead, whatever the requests: none of its siblings is
// ever left out.
TEST(Domains, ASupplierWithOneDeadSiteIsNeverSuspected) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    Random random(seed);
    const std::size_t sites = 2 + random.below(20);
    Supplier supplier(sites);
    for (std::int64_t now = 0; now < 120'000; now += 1 + random.below(200)) {
      const SiteLine site(random.below(sites));
      if (!supplier->available(site, at(now).monotonic)) {
        ASSERT_EQ(site, SiteLine(0)) << "seed " << seed << " at " << now;
        continue;
      }
      const Trial trial = supplier->sent(site, at(now));
      if (site == SiteLine(0)) {
        supplier->failed_hard(site, trial, at(now));
      } else if (random.below(4) == 0) {
        supplier->told_nothing(site, trial);
      } else {
        supplier->succeeded(site, trial, at(now));
      }
    }
  }
}

}  // namespace
}  // namespace hanse::fleet
