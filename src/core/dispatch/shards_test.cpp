// What several shards share, through the ports: slots of sites and news of
// their health. (Budgets: core/ledger/hold_book_test.cpp.)
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "core/dispatch/testing/desk.h"

namespace hanse::dispatch {
namespace {

using answer::Failure;
using testing::Desk;
using ::testing::ElementsAre;
using testing::small_grid;

// Between two shards: what one publishes waits here until it is brought to the
// other.
class Exchange {
 public:
  fleet::HealthNews& of(std::size_t shard) { return doors_[shard]; }

  // Gives `desk` what the other shard has told since. Returns how much it was.
  std::size_t bring_to(std::size_t shard, Desk& desk) {
    const auto news = std::exchange(doors_[1 - shard].told, {});
    for (const auto& [line, finding] : news) {
      desk.tell(SiteReported{.site = desk.world().site(line), .finding = finding});
    }
    return news.size();
  }

 private:
  struct Door final : fleet::HealthNews {
    void publish(fleet::SiteLine site, fleet::Finding finding) override {
      told.emplace_back(site, finding);
    }
    std::vector<std::pair<fleet::SiteLine, fleet::Finding>> told;
  };

  std::array<Door, 2> doors_;
};

// Sites that work on `slots` requests each, and let none wait.
Snapshot grid_with_slots(std::int32_t slots) {
  Snapshot snapshot = small_grid();
  for (std::size_t i = 0; i < 4; ++i) snapshot.fleet.sites[SiteId(i)].slots = slots;
  return snapshot;
}

DispatchOptions without_waiting() {
  DispatchOptions options;
  options.queued_max = 0;
  return options;
}

struct TwoShards {
  explicit TwoShards(std::int32_t slots)
      : one(owner, exchange.of(0), grid_with_slots(slots), without_waiting()),
        two(owner, exchange.of(1), grid_with_slots(slots), without_waiting()) {}

  fleet::SiteLine line(std::string_view site) { return one.world().line(one.site(site)); }

  fleet::SlotOwner owner;
  Exchange exchange;
  Desk one;
  Desk two;
};

TEST(Shards, TheSlotsOfASiteAreNotSplitAndNotPassed) {
  TwoShards shards(2);
  const Arrived first = shards.one.request();
  EXPECT_EQ(shards.one.tell(first).back(), "open_attempt ashburn/small/q4");
  EXPECT_EQ(shards.one.tell(shards.one.request()).back(), "open_attempt ashburn/small/q4");
  const Arrived elsewhere = shards.two.request();
  EXPECT_EQ(shards.two.tell(elsewhere).back(), "open_attempt frankfurt/small/q4")
      << "the other shard has both slots";
  shards.one.ends(first.request, 0, Failure::none, Desk::used(30, 20));
  EXPECT_EQ(shards.two.tell(shards.two.request()).back(), "open_attempt ashburn/small/q4");
  EXPECT_EQ(shards.owner.taken(shards.line("ashburn")), 2);
}

TEST(Shards, ASiteThatTheOtherShardHasFilledIsAtCapacity) {
  TwoShards shards(1);
  for (int i = 0; i < 4; ++i) shards.one.tell(shards.one.request());
  EXPECT_THAT(shards.two.tell(shards.two.request()),
              ElementsAre("request_refused at_capacity", "refuse at_capacity again in 1 s"));
}

// Both are as busy as can be; what they have open is counted from outside.
TEST(Shards, BothTogetherNeverPassTheSlotsOfASite) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Random random(seed);
    TwoShards shards(2);
    std::vector<std::pair<Desk*, RequestRef>> open;
    for (int step = 0; step < 100; ++step) {
      Desk& desk = random.below(2) == 0 ? shards.one : shards.two;
      if (random.below(3) > 0) {
        const Arrived request = desk.request();
        desk.tell(request);
        if (desk.record(request).end == End::open) open.emplace_back(&desk, request.request);
      } else if (!open.empty()) {
        const auto at = static_cast<std::ptrdiff_t>(random.below(open.size()));
        const auto [whose, request] = open[static_cast<std::size_t>(at)];
        whose->leaves(request);
        open.erase(open.begin() + at);
      }
      for (const char* site : {"ashburn", "frankfurt", "hamburg", "lyon"}) {
        const SiteId id = shards.one.site(site);
        const std::int32_t both =
            shards.one.dispatch().attempts_at(id) + shards.two.dispatch().attempts_at(id);
        ASSERT_LE(both, 2) << site << ", seed " << seed;
        ASSERT_EQ(both, shards.owner.taken(shards.line(site)));
      }
    }
  }
}

TEST(Shards, ASiteThatOneFoundDeadIsAvoidedByTheOtherOnceItIsTold) {
  TwoShards shards(4);
  const Arrived unlucky = shards.one.request();
  shards.one.tell(unlucky);
  shards.one.ends(unlucky.request, 0, Failure::unreachable);
  const Arrived before = shards.two.request();
  EXPECT_EQ(shards.two.tell(before).back(), "open_attempt ashburn/small/q4") << "not told yet";
  EXPECT_EQ(shards.exchange.bring_to(1, shards.two), 1U);
  EXPECT_EQ(shards.two.tell(shards.two.request()).back(), "open_attempt frankfurt/small/q4");
  EXPECT_EQ(shards.exchange.bring_to(0, shards.one), 0U) << "news is not told back";
}

TEST(Shards, ASiteThatWorksAgainForOneIsTriedByTheOtherAtOnce) {
  TwoShards shards(4);
  const Arrived unlucky = shards.one.request();
  shards.one.tell(unlucky);
  shards.one.ends(unlucky.request, 0, Failure::unreachable);
  shards.exchange.bring_to(1, shards.two);
  shards.one.pass(seconds(1));
  const Arrived trial = shards.one.request();
  EXPECT_EQ(shards.one.tell(trial).back(), "open_attempt ashburn/small/q4");
  shards.one.first_token(trial.request);
  EXPECT_EQ(shards.two.tell(shards.two.request()).back(), "open_attempt frankfurt/small/q4")
      << "its own pause is not over";
  EXPECT_EQ(shards.exchange.bring_to(1, shards.two), 1U);
  EXPECT_EQ(shards.two.tell(shards.two.request()).back(), "open_attempt ashburn/small/q4");
}

// The indices of one snapshot mean other sites in the next.
TEST(Shards, LinesMeanTheSameSitesInShardsWithDifferentSnapshots) {
  TwoShards shards(1);
  // Without offers nobody is sent to bergen, but it comes first.
  Snapshot other = grid_with_slots(1);
  Snapshot reordered = other;
  reordered.fleet.sites = {};
  fleet::Site bergen = other.fleet.sites[SiteId(0)];
  bergen.name = "bergen";
  reordered.fleet.sites.add(bergen);
  for (const fleet::Site& site : other.fleet.sites) reordered.fleet.sites.add(site);
  reordered.fleet.links.insert(reordered.fleet.links.begin(), other.fleet.links[0]);
  for (std::size_t i = 0; i < reordered.fleet.offers.size(); ++i) {
    fleet::Offer& offer = reordered.fleet.offers[OfferId(i)];
    offer.site = SiteId(offer.site.value() + 1);
  }
  shards.two.changes_to(reordered);

  const Arrived held = shards.one.request();
  EXPECT_EQ(shards.one.tell(held).back(), "open_attempt ashburn/small/q4");
  EXPECT_EQ(shards.two.tell(shards.two.request()).back(), "open_attempt frankfurt/small/q4");
  shards.one.ends(held.request, 0, Failure::unreachable);
  shards.exchange.bring_to(1, shards.two);
  const Arrived last = shards.two.request();
  EXPECT_EQ(shards.two.tell(last).back(), "open_attempt lyon/small/q4")
      << "hamburg has the retry, frankfurt is full, and ashburn is dead";
  shards.two.ends(last.request, 0, Failure::unreachable);
  EXPECT_EQ(shards.two.tell(shards.two.request("acme", "personal; subjects=EU")).back(),
            "refuse at_capacity again in 1 s")
      << "hamburg would do, lyon would not";
}

// An owner in another process: what is known here of its sites is old.
class FarOwner final : public fleet::SiteSlots {
 public:
  fleet::SiteLine set(std::string_view name, std::int32_t attempts_max) override {
    const fleet::SiteLine line = owner_.set(name, attempts_max);
    full_.grow(owner_.full().size());
    return line;
  }
  void bound(fleet::SiteLine site, std::int32_t attempts_max) override {
    owner_.bound(site, attempts_max);
  }
  bool take(fleet::SiteLine site) override {
    ++asked;
    if (owner_.take(site)) return true;
    full_.insert(site.value());
    return false;
  }
  void give_back(fleet::SiteLine site) override { owner_.give_back(site); }
  [[nodiscard]] const BitSet& full() const override { return full_; }
  void looks_free(fleet::SiteLine site) { full_.erase(site.value()); }

  int asked = 0;

 private:
  fleet::SlotOwner owner_;
  BitSet full_;  // since it was found out
};

TEST(Shards, ASiteThatGivesNoLeaveIsLeftOutAndTheNextIsAsked) {
  FarOwner far;
  fleet::NobodyElse nobody_else;
  Desk desk(far, nobody_else, grid_with_slots(1), without_waiting());
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt ashburn/small/q4");
  far.asked = 0;
  const Arrived second = desk.request();
  EXPECT_EQ(desk.tell(second).back(), "open_attempt frankfurt/small/q4");
  EXPECT_EQ(far.asked, 2);
  const auto& excluded = desk.record(second).attempts.back().excluded;
  ASSERT_EQ(excluded.size(), 1U);
  EXPECT_EQ(excluded[0], (Exclusion{.site = desk.site("ashburn"), .why = Exclusion::Why::full}));
  for (int i = 0; i < 2; ++i) desk.tell(desk.request());
  EXPECT_THAT(desk.tell(desk.request()),
              ElementsAre("request_refused at_capacity", "refuse at_capacity again in 1 s"));
}

TEST(Shards, WhoseTurnComesInVainKeepsItsPlace) {
  FarOwner far;
  fleet::NobodyElse nobody_else;
  Desk desk(far, nobody_else, grid_with_slots(1));
  desk.tell(Woke());
  const Arrived under_way = desk.request();
  EXPECT_EQ(desk.tell(under_way).back(), "open_attempt ashburn/small/q4");
  for (int i = 0; i < 3; ++i) desk.tell(desk.request());
  desk.pass(seconds(20));
  const Arrived first = desk.request();
  const Arrived second = desk.request();
  desk.tell(first);
  desk.tell(second);
  ASSERT_EQ(desk.dispatch().queued_requests(), 2U);
  const fleet::SiteLine ashburn = desk.world().line(desk.site("ashburn"));
  far.looks_free(ashburn);
  far.asked = 0;
  desk.tell(Woke());
  EXPECT_GT(far.asked, 0);
  EXPECT_EQ(desk.dispatch().queued_requests(), 2U);
  far.looks_free(ashburn);
  desk.ends(under_way.request, 0, Failure::none, Desk::used(30, 20));
  EXPECT_EQ(desk.record(first).attempts.size(), 1U);
  EXPECT_THAT(desk.record(second).attempts, ::testing::IsEmpty());
}

// Leave is asked for before money is set aside, and not kept without it.
TEST(Shards, ARequestThatIsNotMadeKeepsNoSlot) {
  fleet::SlotOwner owner;
  fleet::NobodyElse nobody_else;
  Desk desk(owner, nobody_else, grid_with_slots(1), without_waiting());
  EXPECT_EQ(desk.tell(desk.request("poor")).back(), "refuse over_budget of the tenant");
  EXPECT_EQ(owner.taken(desk.world().line(desk.site("ashburn"))), 0);
  EXPECT_EQ(desk.tell(desk.request("acme")).back(), "open_attempt ashburn/small/q4");
}

TEST(Shards, ASiteWhosePermitHasEndedKeepsNoSlot) {
  Snapshot snapshot = grid_with_slots(1);
  snapshot.fleet.sites[*snapshot.fleet.sites.find("frankfurt")].certificates = {
      {"C5", std::nullopt, testing::day(0) + seconds(10)}};
  snapshot.fleet.sites[*snapshot.fleet.sites.find("ashburn")].certificates = {
      {"C5", std::nullopt, testing::day(1)}};
  snapshot.policies[PolicyId(0)].rules = {{"c5", {}, {gate::testing::certificate("C5")}}};
  fleet::SlotOwner owner;
  fleet::NobodyElse nobody_else;
  Desk desk(owner, nobody_else, snapshot, without_waiting());
  const Arrived request = desk.request();
  EXPECT_EQ(desk.tell(request).back(), "open_attempt ashburn/small/q4");
  desk.pass(seconds(20));
  EXPECT_EQ(desk.ends(request.request, 0, Failure::bad_answer).back(),
            "refuse attempts_failed bad_answer");
  EXPECT_EQ(desk.record(request).attempts.size(), 1U);
  EXPECT_EQ(owner.taken(desk.world().line(desk.site("frankfurt"))), 0);
}

// --- After a reload --------------------------------------------------------

TEST(Shards, ALowerBoundHoldsForRequestsOfTheOldSnapshotToo) {
  TwoShards shards(4);
  const Arrived before = shards.one.request("acme", "personal; subjects=EU");
  EXPECT_EQ(shards.one.tell(before).back(), "open_attempt hamburg/small/q4");
  const Arrived other = shards.two.request("acme", "personal; subjects=EU");
  shards.two.tell(other);
  shards.two.ends(other.request, 0, Failure::reset);
  // The other shard has the one slot that lyon has left.
  shards.one.changes_to(grid_with_slots(1));
  EXPECT_EQ(shards.one.ends(before.request, 0, Failure::bad_answer).back(),
            "refuse attempts_failed bad_answer again in 1 s");
}

// A trial that a reload forgot would leave its site tried by nobody or by two.
TEST(Shards, ATrialGoesOnUnderANewSnapshot) {
  Desk desk;
  desk.tell(SiteReported{.site = desk.site("ashburn"), .finding = fleet::Finding::fails});
  desk.pass(seconds(1));
  const Arrived trial = desk.request();
  EXPECT_EQ(desk.tell(trial).back(), "open_attempt ashburn/small/q4");
  desk.changes_to(small_grid());
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt frankfurt/small/q4");
  desk.first_token(trial.request);
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt ashburn/small/q4");
}

}  // namespace
}  // namespace hanse::dispatch
