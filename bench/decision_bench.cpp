// What one decision costs: the gate over all sites, the sites that are healthy,
// placement over all offers, and the permit for the chosen one.
//
//   build/release/bench/decision_bench
//
// p50_us and p99_us are by the wall clock; cpu_p99_us counts only the time in
// which this thread ran, which tells a busy machine from a slow decision.
//
// Nothing is remembered between decisions: tenant, labels, sizes and latency
// class differ each time, and before each an attempt starts, gets its first
// token or ends, which changes the load. The attempts' bookkeeping is a line of
// its own. Bars: p99 of 5, 20 and 60 us over 100, 1,000 and 10,000 offers.
//
// `none_on_time` asks for answers that nobody can give so fast: then price
// rules nothing out, and every offer is looked at.
#include <benchmark/benchmark.h>

#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "base/random.h"
#include "core/gate/gate.h"
#include "core/placement/placement.h"

namespace hanse {
namespace {

constexpr std::size_t kTenants = 50;
constexpr std::size_t kPolicies = 10;
constexpr std::size_t kUnderWayMax = 400;

struct World {
  catalog::Catalog catalog;
  fleet::Fleet fleet;
  gate::Policies policies;
  gate::LabelVocabulary labels;
};

WallTime day(std::int64_t days) { return WallTime(days * 86'400 * 1'000'000'000); }

std::int64_t between(Random& random, std::int64_t least, std::int64_t most) {
  return least + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most - least)));
}

// `haste` divides all times that the latency classes grant.
void add_catalog(World& world, std::int64_t haste) {
  world.catalog.chips.add({"chip", "chip"});
  const ModelId model = world.catalog.models.add({"model", Tokens(131'072)});
  const VariantId variant = world.catalog.variants.add({"model/bf16", model, "bf16"});
  const ClassId interactive = world.catalog.classes.add(
      {"interactive", milliseconds(800) / haste, milliseconds(40) / haste, seconds(60)});
  world.catalog.classes.add({"batch", seconds(30) / haste, seconds(1) / haste, seconds(600)});
  world.catalog.aliases.add({"alias", model, {variant}, interactive});
}

void add_fleet(World& world, Random& random, std::size_t offers) {
  constexpr std::string_view kCountries[] = {"US", "DE", "FR", "NL", "FI", "CH", "JP", "BR"};
  for (std::size_t i = 0; i < 40; ++i) {
    fleet::Supplier supplier;
    supplier.name = "supplier-" + std::to_string(i);
    supplier.home = fleet::Code(kCountries[random.below(8)]);
    if (i > 0 && random.chance_ppm(300'000)) {
      supplier.parents.push_back({SupplierId(random.below(i)), 1'000'000, "shares"});
    }
    world.fleet.suppliers.add(std::move(supplier));
  }
  for (std::size_t i = 0; i < offers; ++i) {
    fleet::Site site;
    site.name = "site-" + std::to_string(i);
    site.supplier = SupplierId(random.below(40));
    site.place = fleet::Code(kCountries[random.below(8)]);
    site.chip = ChipId(0);
    site.slots = static_cast<std::int32_t>(between(random, 1, 64));
    site.certificates = {{"ISO-27001", {}, day(between(random, 0, 2'000))},
                         {"C5", day(between(random, 0, 500)), day(between(random, 500, 2'000))}};
    const SiteId id = world.fleet.sites.add(std::move(site));
    world.fleet.links.push_back({milliseconds(between(random, 1, 200)), 1'000'000'000});
    fleet::Offer offer;
    offer.name = "offer-" + std::to_string(i);
    offer.site = id;
    offer.variant = VariantId(0);
    offer.prices[TokenKind::prompt] = TokenPrice(between(random, 40'000, 4'000'000));
    offer.prices[TokenKind::cached_read] = TokenPrice(between(random, 10'000, 1'000'000));
    offer.prices[TokenKind::output] = TokenPrice(between(random, 120'000, 12'000'000));
    offer.profile = {milliseconds(between(random, 10, 300)), between(random, 500, 20'000),
                     between(random, 15, 150), 0};
    world.fleet.offers.add(std::move(offer));
  }
}

gate::Clause area(gate::Clause::Kind kind, std::vector<std::string> words) {
  return gate::area_clause(kind, words).value();
}

void add_policies(World& world) {
  using gate::Clause;
  const auto personal = world.labels.add(gate::Dimension::data, "personal").value();
  const auto eu = world.labels.add(gate::Dimension::subjects, "EU").value();
  world.labels.add(gate::Dimension::subjects, "CH").value();
  const auto health = world.labels.add(gate::Dimension::categories, "health").value();
  Clause c5;
  c5.kind = Clause::Kind::require_certificate;
  c5.certificate = "C5";
  for (std::size_t i = 0; i < kPolicies; ++i) {
    gate::Policy policy;
    policy.name = "policy-" + std::to_string(i);
    policy.rules = {
        {"in-the-eu", {personal, eu, {}}, {area(Clause::Kind::require_place, {"EU"})}},
        {"no-foreign-reach", {personal, eu, {}}, {area(Clause::Kind::deny_reach, {"US", "CN"})}},
        {"health", {{}, {}, health}, {area(Clause::Kind::require_reach, {"EU"}), c5}},
        {"not-there", {}, {area(Clause::Kind::deny_place, {i % 2 == 0 ? "BR" : "JP"})}},
        {"never", {}, {area(Clause::Kind::deny_reach, {"KP"})}},
    };
    world.policies.add(std::move(policy));
  }
}

World world_of(std::size_t offers, std::int64_t haste) {
  World world;
  Random random(offers);
  add_catalog(world, haste);
  add_fleet(world, random, offers);
  add_policies(world);
  return world;
}

struct Attempt {
  OfferId offer;
  placement::Prediction prediction;
  placement::Demand demand;
  bool had_first_token = false;
};

// The traffic around the decisions.
class Traffic {
 public:
  Traffic(const World& world, placement::Placement& placement)
      : world_(world), placement_(placement), healthy_(BitSet::full(world.fleet.sites.size())) {
    constexpr std::string_view kLabels[] = {"none", "none", "personal; subjects=CH",
                                            "personal; subjects=EU",
                                            "personal; subjects=EU; categories=health"};
    for (const auto text : kLabels) labels_.push_back(world.labels.parse(text).value());
    for (std::size_t i = 0; i < healthy_.size() / 20; ++i) {
      healthy_.erase(random_.below(healthy_.size()));
    }
  }

  [[nodiscard]] const BitSet& healthy() const { return healthy_; }
  gate::Question question() {
    return {PolicyId(random_.below(kPolicies)), labels_[random_.below(labels_.size())]};
  }
  placement::Demand demand() {
    placement::Demand demand;
    demand.tenant = TenantId(random_.below(kTenants));
    demand.alias = AliasId(0);
    demand.latency_class = ClassId(random_.chance_ppm(900'000) ? 0 : 1);
    demand.prompt_bytes = between(random_, 100, 40'000);
    demand.output_limit = Tokens(between(random_, 16, 4'096));
    return demand;
  }

  // What a decision leads to, and the fate of an earlier one.
  void move_on(const placement::Demand& demand, const placement::Decision& decision, Instant now) {
    if (decision.chosen.valid()) {
      placement_.loads().started(decision.chosen, decision.best[0].prediction);
      open_.push_back({decision.chosen, decision.best[0].prediction, demand});
    }
    if (open_.empty()) return;
    Attempt& spoke = open_[random_.below(open_.size())];
    if (!spoke.had_first_token) {
      spoke.had_first_token = true;
      const std::int64_t promised = spoke.prediction.promised_first_token.count();
      placement_.loads().first_token(spoke.offer, spoke.prediction,
                                     Duration(promised / 4 * between(random_, 2, 9)),
                                     now.monotonic);
    }
    if (open_.size() <= kUnderWayMax) return;
    end(open_.front(), now);
    open_.pop_front();
  }

 private:
  void end(const Attempt& attempt, Instant now) {
    placement_.loads().ended(
        attempt.offer, attempt.prediction,
        {.had_first_token = attempt.had_first_token,
         .output = attempt.prediction.output,
         .decoding = attempt.prediction.per_token * attempt.prediction.output.count()},
        now.monotonic);
    Usage usage;
    const std::int64_t prompt = attempt.prediction.prompt.count();
    usage.tokens[TokenKind::cached_read] = Tokens(between(random_, 0, prompt + 1));
    usage.tokens[TokenKind::prompt] = Tokens(prompt - usage.tokens[TokenKind::cached_read].count());
    usage.tokens[TokenKind::output] = Tokens(between(random_, 1, 600));
    placement_.learned().observe(attempt.demand, world_.fleet.offers[attempt.offer].site, usage);
  }

  const World& world_;
  placement::Placement& placement_;
  Random random_{7};
  BitSet healthy_;
  std::vector<gate::LabelSet> labels_;
  std::deque<Attempt> open_;
};

double percentile(std::vector<std::int64_t>& nanos, double part) {
  const auto at = static_cast<std::ptrdiff_t>(part * static_cast<double>(nanos.size() - 1));
  std::nth_element(nanos.begin(), nanos.begin() + at, nanos.end());
  return static_cast<double>(nanos[static_cast<std::size_t>(at)]) / 1'000;
}

std::int64_t wall_nanos() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

std::int64_t cpu_nanos() {
  timespec spent{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return spent.tv_sec * 1'000'000'000 + spent.tv_nsec;
}

void decision(benchmark::State& state, const std::string& strategy, std::int64_t haste) {
  const World world = world_of(static_cast<std::size_t>(state.range(0)), haste);
  gate::Gate gate(world.catalog, world.fleet, world.policies, world.labels);
  auto placement = placement::Placement::create(world.catalog, world.fleet, strategy).value();
  Traffic traffic(world, placement);
  BitSet allowed;
  std::vector<std::int64_t> deciding;
  std::vector<std::int64_t> running;
  std::vector<std::int64_t> booking;
  Instant now{MonotonicTime(0), day(700)};
  for (auto _ : state) {
    now = {now.monotonic + microseconds(200), now.wall + microseconds(200)};
    const gate::Question question = traffic.question();
    const placement::Demand demand = traffic.demand();

    const std::int64_t cpu_begin = cpu_nanos();
    const std::int64_t begin = wall_nanos();
    gate.permitted_sites(question, now.wall, allowed);
    allowed &= traffic.healthy();
    const placement::Decision chosen = placement.decide(demand, allowed, now);
    if (chosen.chosen.valid()) {
      benchmark::DoNotOptimize(
          gate.permit(question, world.fleet.offers[chosen.chosen].site, now.wall));
    }
    const std::int64_t decided = wall_nanos();
    running.push_back(cpu_nanos() - cpu_begin);
    deciding.push_back(decided - begin);

    const std::int64_t booking_begin = wall_nanos();
    traffic.move_on(demand, chosen, now);
    booking.push_back(wall_nanos() - booking_begin);
    state.SetIterationTime(static_cast<double>(deciding.back()) / 1e9);
  }
  state.counters["p50_us"] = percentile(deciding, 0.50);
  state.counters["p99_us"] = percentile(deciding, 0.99);
  state.counters["cpu_p99_us"] = percentile(running, 0.99);
  state.counters["booking_p99_us"] = percentile(booking, 0.99);
}

BENCHMARK_CAPTURE(decision, cheapest_within_objective, "cheapest_within_objective", 1)
    ->Arg(100)
    ->Arg(1'000)
    ->Arg(10'000)
    ->Iterations(20'000)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(decision, cheapest_within_objective_none_on_time, "cheapest_within_objective",
                  1'000'000)
    ->Arg(10'000)
    ->Iterations(20'000)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(decision, least_outstanding_tokens, "least_outstanding_tokens", 1)
    ->Arg(10'000)
    ->Iterations(20'000)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(decision, round_robin, "round_robin", 1)
    ->Arg(10'000)
    ->Iterations(20'000)
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace hanse
