// A supplier is gone for a minute, under load: what that costs.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/dispatch/testing/large_supplier.h"
#include "drivers/replay/virtual_grid.h"

namespace hanse::replay {
namespace {

constexpr Duration kGap = milliseconds(20);  // 50 requests a second
constexpr MonotonicTime kGone{seconds(10).count()};
constexpr MonotonicTime kBack{seconds(70).count()};
constexpr MonotonicTime kEnd{seconds(85).count()};

// Asks for whole answers at a steady pace, and remembers what ashburn's
// supplier was sent in vain.
class Crowd final : public Director {
 public:
  std::optional<MonotonicTime> next_arrival() override {
    if (next_ >= kEnd) return std::nullopt;
    return next_;
  }
  Asked ask(const dispatch::Snapshot& snapshot) override {
    next_ = next_ + kGap;
    ++asked;
    Asked wants;
    wants.arrived.key = *snapshot.tenants.keys.find("acme/web/laptop");
    wants.arrived.alias = *snapshot.catalog.aliases.find("any");
    wants.arrived.latency_class = *snapshot.catalog.classes.find("interactive");
    wants.arrived.prompt_bytes = 200;
    wants.arrived.prompt_tokens_max = Tokens(200);
    wants.arrived.output_limit = Tokens(40);
    wants.prompt = Tokens(50);
    wants.output = Tokens(20);
    return wants;
  }
  AttemptScript script(const Asked&, std::string_view, std::uint8_t) override { return {}; }
  void ended(const Asked&, const Outcome& outcome, const dispatch::Dispatch& dispatch,
             dispatch::RequestRef request) override {
    if (outcome.told == Outcome::Told::whole) ++answered;
    const dispatch::Record& record = dispatch.record(request);
    const fleet::Fleet& fleet = dispatch.snapshot_of(request).fleet;
    for (const dispatch::AttemptRecord& attempt : record.attempts) {
      if (!fleet.sites[attempt.site].name.starts_with("ashburn")) continue;
      const MonotonicTime opened = attempt.opened_at.monotonic;
      if (attempt.failure == answer::Failure::none) {
        if (opened > kBack) ++answered_after;
        continue;
      }
      failures.push_back({.opened = opened, .failed = opened + *attempt.ended});
    }
  }

  std::uint64_t asked = 0;
  std::uint64_t answered = 0;
  std::uint64_t answered_after = 0;  // by those that were gone
  struct Failure {
    MonotonicTime opened;
    MonotonicTime failed;
  };
  std::vector<Failure> failures;

  // Attempts sent there after `time`.
  [[nodiscard]] std::int64_t sent_after(MonotonicTime time) const {
    return std::ranges::count_if(failures, [&](const Failure& f) { return f.opened > time; });
  }
  [[nodiscard]] MonotonicTime first_loss() const {
    return std::ranges::min(failures, {}, &Failure::failed).failed;
  }
  // How long it took until that was known.
  [[nodiscard]] Duration detection() const {
    const Failure first = std::ranges::min(failures, {}, &Failure::failed);
    return elapsed(first.opened, first.failed);
  }

 private:
  MonotonicTime next_;
};

struct Outage {
  Crowd crowd;
  std::vector<std::string> complaints;
};

Outage run_outage(int sites, Condition condition, Duration probe_every) {
  Outage run;
  dispatch::Snapshot snapshot = dispatch::testing::many_at_ashburn(sites - 1);
  for (std::size_t i = 0; i < snapshot.fleet.sites.size(); ++i) {
    snapshot.fleet.sites[SiteId(i)].slots = 200;
  }
  GridOptions options;
  options.dispatch.probe_every = probe_every;
  VirtualGrid grid(dispatch::testing::shared(std::move(snapshot)), run.crowd, options);
  for (const fleet::Site& site : grid.dispatch().snapshot().fleet.sites) {
    if (!site.name.starts_with("ashburn")) continue;
    grid.site_becomes(kGone, site.name, condition);
    grid.site_becomes(kBack, site.name, Condition::up);
  }
  grid.run();
  run.complaints = grid.complaints();
  return run;
}

// A bar of the project, on the defaults: sixty seconds without the cheapest
// supplier at 50 requests a second. Whoever refuses costs ten attempts after the
// first loss; whoever is silent, what comes while it is found out, and ten.
TEST(LostSupplier, CostsFewAttemptsHoweverManySitesItHas) {
  for (const Condition condition : {Condition::down, Condition::hung, Condition::cut_off}) {
    for (const int sites : {1, 20}) {
      const Outage run = run_outage(sites, condition, seconds(1));
      const std::string what = fmt::format("{}, {} sites", to_string(condition), sites);
      EXPECT_TRUE(run.complaints.empty()) << what;
      EXPECT_EQ(run.crowd.answered, run.crowd.asked) << what << ": nobody notices";
      // Of many sites a second one must be found out before all are suspected.
      const std::int64_t found_out = sites == 1 ? 1 : 2;
      const std::int64_t meanwhile = run.crowd.detection().count() / kGap.count() * found_out;
      EXPECT_LE(run.crowd.sent_after(run.crowd.first_loss()),
                10 + (condition == Condition::down ? 0 : meanwhile))
          << what;
      EXPECT_GT(run.crowd.answered_after, 100U) << what << ": it is used again";
    }
  }
}

// Then requests alone tell: the second of its sites is found out as the first
// was, and all others cost a trial at each pause together.
TEST(LostSupplier, CostsNoMoreWithMoreSitesWhereNoProbeHelps) {
  std::array<std::int64_t, 2> sent{};
  for (std::size_t i = 0; i < sent.size(); ++i) {
    const Outage run = run_outage(i == 0 ? 2 : 20, Condition::down, seconds(3'600));
    EXPECT_EQ(run.crowd.answered, run.crowd.asked);
    sent[i] = run.crowd.sent_after(run.crowd.first_loss());
    EXPECT_LE(run.crowd.sent_after(run.crowd.first_loss() + seconds(1)), 6);
  }
  EXPECT_EQ(sent[0], sent[1]);
}

// Silence is found out by waiting, and without probes by requests alone. What is
// sent while the first of its sites is found out cannot be helped; after that it
// is as if the supplier had one site.
TEST(LostSupplier, IsFoundSilentBySomeOfItsSitesForAll) {
  for (const Condition condition : {Condition::hung, Condition::cut_off}) {
    for (const int sites : {1, 2, 5, 20}) {
      const Outage run = run_outage(sites, condition, seconds(3'600));
      const std::string what = fmt::format("{}, {} sites", to_string(condition), sites);
      EXPECT_TRUE(run.complaints.empty()) << what;
      EXPECT_EQ(run.crowd.answered, run.crowd.asked) << what << ": nobody notices";
      const std::int64_t meanwhile = run.crowd.detection().count() / kGap.count();
      const std::int64_t in_vain = run.crowd.sent_after(kGone);
      EXPECT_LE(in_vain, meanwhile + 10)
          << what << ", found out in " << to_string(run.crowd.detection());
    }
  }
}

}  // namespace
}  // namespace hanse::replay
