// More is asked than the grid can do, for ten minutes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "core/dispatch/testing/small_grid.h"
#include "drivers/replay/virtual_grid.h"

namespace hanse::replay {
namespace {

constexpr Duration kLasts = seconds(600);
constexpr std::int64_t kPrompt = 60;
constexpr std::int64_t kOutput = 120;  // on average, between 20 and 220
constexpr std::int32_t kSlots = 8;

// Who asks how often, on average.
struct Tenant {
  std::string name;
  Duration every;
};

// Asks for streams at random moments, each tenant at a rate of its own.
class Crowd final : public Director {
 public:
  Crowd(std::vector<Tenant> tenants, std::uint64_t seed)
      : tenants_(std::move(tenants)), random_(seed) {
    for (const Tenant& tenant : tenants_) next_.push_back(MonotonicTime() + gap(tenant));
  }

  std::optional<MonotonicTime> next_arrival() override {
    const MonotonicTime next = std::ranges::min(next_);
    if (next >= MonotonicTime() + kLasts) return std::nullopt;
    return next;
  }
  Asked ask(const dispatch::Snapshot& snapshot) override {
    const auto who = static_cast<std::size_t>(std::ranges::min_element(next_) - next_.begin());
    next_[who] = next_[who] + gap(tenants_[who]);
    Asked wants;
    wants.arrived.key = *snapshot.tenants.keys.find(tenants_[who].name + "/web/laptop");
    wants.arrived.alias = *snapshot.catalog.aliases.find("any");
    wants.arrived.latency_class = *snapshot.catalog.classes.find("interactive");
    wants.arrived.prompt_bytes = 4 * kPrompt;
    wants.arrived.prompt_tokens_max = Tokens(4 * kPrompt);
    wants.arrived.output_limit = Tokens(2 * kOutput);
    wants.arrived.streamed = true;
    wants.prompt = Tokens(kPrompt);
    wants.output = Tokens(kOutput - 100 + static_cast<std::int64_t>(random_.below(201)));
    wants.tag = who;
    ++asked[tenants_[who].name];
    return wants;
  }
  AttemptScript script(const Asked&, std::string_view, std::uint8_t) override { return {}; }
  void ended(const Asked& wanted, const Outcome& outcome, const dispatch::Dispatch& dispatch,
             dispatch::RequestRef request) override {
    queued_most = std::max(queued_most, dispatch.queued_requests());
    if (outcome.told != Outcome::Told::whole) {
      refused_without_hope += outcome.retry_after ? 0 : 1;
      return;
    }
    const dispatch::Record& record = dispatch.record(request);
    first_tokens.push_back(first_token_of(record).value_or(Duration()));
    // What ends after the crowd has gone is not done in its time.
    const MonotonicTime ended = record.arrived_at.monotonic + record.took;
    if (ended < MonotonicTime() + kLasts) ++answered[tenants_[wanted.tag].name];
  }

  [[nodiscard]] std::int64_t answered_in_all() const {
    std::int64_t sum = 0;
    for (const auto& [tenant, count] : answered) sum += count;
    return sum;
  }
  [[nodiscard]] Duration first_token_p99() {
    std::ranges::sort(first_tokens);
    return first_tokens[first_tokens.size() * 99 / 100];
  }

  std::map<std::string, std::int64_t> asked;
  std::map<std::string, std::int64_t> answered;  // while the crowd was there
  std::vector<Duration> first_tokens;
  std::size_t queued_most = 0;
  int refused_without_hope = 0;

 private:
  Duration gap(const Tenant& tenant) {
    const double uniform = (static_cast<double>(random_.below(1'000'000)) + 0.5) / 1'000'000;
    return Duration(
        static_cast<std::int64_t>(-std::log(uniform) * static_cast<double>(tenant.every.count())));
  }

  std::vector<Tenant> tenants_;
  std::vector<MonotonicTime> next_;
  Random random_;
};

dispatch::Snapshot busy_grid() {
  dispatch::Snapshot snapshot = dispatch::testing::small_grid();
  for (std::size_t i = 0; i < snapshot.fleet.sites.size(); ++i) {
    snapshot.fleet.sites[SiteId(i)].slots = kSlots;
  }
  dispatch::testing::add_tenant(snapshot, "borg", std::nullopt);
  return snapshot;
}

// What the grid does in that time when no slot is ever idle. An answer takes its
// prompt and then its tokens at the speed of a site that is full.
double answers_at_capacity(const dispatch::Snapshot& snapshot) {
  double answers = 0;
  for (std::size_t i = 0; i < snapshot.fleet.sites.size(); ++i) {
    const std::string offer = snapshot.fleet.sites[SiteId(i)].name + "/small/q4";
    const fleet::SpeedProfile& profile =
        snapshot.fleet.offers[*snapshot.fleet.offers.find(offer)].profile;
    const double prompt = kPrompt / static_cast<double>(profile.prefill_tokens_per_second) +
                          static_cast<double>(profile.first_token.count()) / 1e9;
    const double full = static_cast<double>(profile.decode_tokens_per_second) / 2;
    answers += kSlots * 600.0 / (prompt + kOutput / full);
  }
  return answers;
}

struct Overload {
  Crowd crowd;
  std::vector<std::string> complaints;
};

Overload run_overload(dispatch::Snapshot snapshot, std::vector<Tenant> tenants,
                      std::uint64_t seed) {
  Overload run{.crowd = Crowd(std::move(tenants), seed), .complaints = {}};
  VirtualGrid grid(dispatch::testing::shared(std::move(snapshot)), run.crowd, {});
  grid.run();
  run.complaints = grid.complaints();
  return run;
}

// Engines let what is beyond their slots wait in silence, and `told` slots are
// configured, which is not what they have; their metrics say what waits.
Overload run_overload_told(std::int32_t told, std::vector<Tenant> tenants, std::uint64_t seed) {
  Overload run{.crowd = Crowd(std::move(tenants), seed), .complaints = {}};
  VirtualGrid grid(dispatch::testing::shared(busy_grid()), run.crowd, {});
  dispatch::Snapshot wrong = busy_grid();
  for (std::size_t i = 0; i < wrong.fleet.sites.size(); ++i) {
    fleet::Site& site = wrong.fleet.sites[SiteId(i)];
    site.slots = told;
    grid.site_tells(MonotonicTime(1), site.name, {.what = Telling::What::truth});
  }
  grid.snapshot_changes(MonotonicTime(1), dispatch::testing::shared(std::move(wrong)));
  grid.run();
  run.complaints = grid.complaints();
  return run;
}

Duration every_at(double answers, double of_capacity) {
  return Duration(static_cast<std::int64_t>(600e9 / (answers * of_capacity)));
}

// A bar of the project: twice what the grid can do, and it does what it can.
TEST(Overload, CostsNoWorkAndWhoIsLetInIsServedInTime) {
  const double capacity = answers_at_capacity(busy_grid());
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    Overload run =
        run_overload(busy_grid(), {{.name = "acme", .every = every_at(capacity, 2)}}, seed);
    EXPECT_TRUE(run.complaints.empty()) << run.complaints.front();
    const auto done = static_cast<double>(run.crowd.answered_in_all());
    EXPECT_GT(static_cast<double>(run.crowd.asked["acme"]), 1.9 * capacity);
    EXPECT_GE(done, 0.95 * capacity) << "seed " << seed;
    EXPECT_LE(run.crowd.first_token_p99(), milliseconds(1'500)) << "its class says so";
    EXPECT_LT(run.crowd.queued_most, 64U) << "whoever would wait in vain is not let in";
    EXPECT_EQ(run.crowd.refused_without_hope, 0) << "all others are told when to come again";
    RecordProperty(fmt::format("goodput_of_capacity_seed_{}", seed),
                   fmt::format("{:.3f}", done / capacity));
    RecordProperty(fmt::format("first_token_p99_ms_seed_{}", seed),
                   static_cast<int>(run.crowd.first_token_p99().count() / 1'000'000));
  }
}

TEST(Overload, IsBorneWhereMoreSlotsAreConfiguredThanThereAre) {
  const double capacity = answers_at_capacity(busy_grid());
  for (const std::int32_t told : {kSlots + 1, kSlots * 3 / 2, kSlots * 8}) {
    Overload run = run_overload_told(told, {{.name = "acme", .every = every_at(capacity, 2)}}, 5);
    EXPECT_TRUE(run.complaints.empty()) << run.complaints.front();
    const auto done = static_cast<double>(run.crowd.answered_in_all());
    EXPECT_GE(done, 0.95 * capacity) << told << " slots";
    // What is too much is found out by trying it, now and then.
    const auto in_time = std::ranges::count_if(
        run.crowd.first_tokens, [](Duration took) { return took <= milliseconds(1'500); });
    EXPECT_GE(static_cast<double>(in_time),
              0.97 * static_cast<double>(run.crowd.first_tokens.size()))
        << told << " slots";
    RecordProperty(fmt::format("first_token_p99_ms_of_{}", told),
                   static_cast<int>(run.crowd.first_token_p99().count() / 1'000'000));
  }
}

// One tenant asks for three times what there is, the other for a quarter. In all,
// a third of what is asked can be done; the second gets nearly all it wants, but
// for bursts of more than its share.
TEST(Overload, OfOneTenantIsNotTheOthers) {
  const double capacity = answers_at_capacity(busy_grid());
  Overload run = run_overload(busy_grid(),
                              {{.name = "acme", .every = every_at(capacity, 3)},
                               {.name = "borg", .every = every_at(capacity, 0.25)}},
                              7);
  EXPECT_TRUE(run.complaints.empty());
  const auto share = [&](const std::string& tenant) {
    return static_cast<double>(run.crowd.answered[tenant]) /
           static_cast<double>(run.crowd.asked[tenant]);
  };
  EXPECT_GE(share("borg"), 0.85);
  EXPECT_LE(share("acme"), 0.3);
  EXPECT_GE(static_cast<double>(run.crowd.answered_in_all()), 0.95 * capacity);
}

// Two that both ask for too much share by weight.
TEST(Overload, IsSharedByWeight) {
  dispatch::Snapshot snapshot = busy_grid();
  const double capacity = answers_at_capacity(snapshot);
  limits::Tenants& tenants = snapshot.tenants;
  tenants.tenants[*tenants.tenants.find("borg")].weight = 3;
  Overload run = run_overload(std::move(snapshot),
                              {{.name = "acme", .every = every_at(capacity, 2)},
                               {.name = "borg", .every = every_at(capacity, 2)}},
                              11);
  EXPECT_TRUE(run.complaints.empty());
  const double ratio = static_cast<double>(run.crowd.answered["borg"]) /
                       static_cast<double>(run.crowd.answered["acme"]);
  EXPECT_NEAR(ratio, 3.0, 0.3);
}

}  // namespace
}  // namespace hanse::replay
