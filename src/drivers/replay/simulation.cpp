#include "drivers/replay/simulation.h"

#include <algorithm>
#include <bit>
#include <optional>

#include <fmt/format.h>

#include "base/random.h"

namespace hanse::replay {
namespace {

using dispatch::Snapshot;

std::int64_t up_to(Random& random, std::int64_t most) {
  return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(most) + 1));
}

// Small numbers often, large ones sometimes: each order of magnitude alike.
std::int64_t skewed_up_to(Random& random, std::int64_t most) {
  const auto bits = static_cast<std::uint64_t>(std::bit_width(static_cast<std::uint64_t>(most)));
  const auto shift = static_cast<int>(random.below(bits));
  return up_to(random, most >> shift);
}

// Between nothing and twice the mean.
Duration around(Random& random, Duration mean) { return Duration(up_to(random, 2 * mean.count())); }

// Draws who asks what and how each attempt goes.
class DrawnDirector final : public Director {
 public:
  DrawnDirector(const SimulationOptions& options, SimulationReport& report)
      : options_(options),
        report_(report),
        random_(options.seed),
        clients_(random_.fork()),
        sites_(random_.fork()) {}

  std::optional<MonotonicTime> next_arrival() override {
    if (asked_ == options_.requests) return std::nullopt;
    ++asked_;
    next_ = next_ + around(clients_, options_.gap_mean);
    return next_;
  }

  Asked ask(const Snapshot& snapshot) override;
  AttemptScript script(const Asked& asked, std::string_view site, std::uint8_t attempt) override;
  void ended(const Asked& asked, const Outcome& outcome, const dispatch::Dispatch& dispatch,
             dispatch::RequestRef request) override;

 private:
  void choose_words(const Snapshot& snapshot, dispatch::Arrived& arrived);
  void choose_sizes(Asked& asked);
  void choose_claims(const Asked& asked, AttemptScript& script);

  const SimulationOptions& options_;
  SimulationReport& report_;
  Random random_;
  Random clients_;
  Random sites_;
  std::uint64_t asked_ = 0;
  MonotonicTime next_;
};

Asked DrawnDirector::ask(const Snapshot& snapshot) {
  Asked asked;
  choose_words(snapshot, asked.arrived);
  choose_sizes(asked);
  if (clients_.chance_ppm(options_.client_leaves_ppm)) {
    // At any stage: some leave within a round trip, some near the end.
    asked.leaves_after = Duration(skewed_up_to(clients_, seconds(60).count()));
  }
  return asked;
}

void DrawnDirector::choose_words(const Snapshot& snapshot, dispatch::Arrived& arrived) {
  const limits::Tenants& tenants = snapshot.tenants;
  arrived.key = KeyId(clients_.below(tenants.keys.size()));
  const limits::Key& key = tenants.keys[arrived.key];
  const limits::Tenant& tenant = tenants.tenants[key.tenant];
  const catalog::PriceBook& book = snapshot.catalog.price_books[tenant.price_book];
  // A tenant asks only for what it is sold; the configuration sells something.
  do {
    arrived.alias = AliasId(clients_.below(snapshot.catalog.aliases.size()));
  } while (book.find(arrived.alias) == nullptr);
  arrived.latency_class =
      clients_.chance_ppm(700'000)
          ? key.latency_class.value_or(snapshot.catalog.aliases[arrived.alias].latency_class)
          : ClassId(clients_.below(snapshot.catalog.classes.size()));

  gate::LabelSet added;
  if (clients_.chance_ppm(600'000)) {
    gate::LabelSet all;
    for (const auto dimension :
         {gate::Dimension::data, gate::Dimension::subjects, gate::Dimension::categories}) {
      all = all | snapshot.labels.all(dimension);
    }
    added = gate::LabelSet(clients_.next() & clients_.next()) & all;
  }
  arrived.labels = snapshot.labels.complete(gate::LabelSet(tenant.default_labels) | added);
}

void DrawnDirector::choose_sizes(Asked& asked) {
  dispatch::Arrived& arrived = asked.arrived;
  arrived.streamed = clients_.chance_ppm(650'000);
  if (clients_.chance_ppm(100'000)) {
    arrived.choices = 1 + static_cast<std::int32_t>(clients_.below(4));
  }
  asked.prompt = Tokens(1 + skewed_up_to(clients_, options_.prompt_tokens_max - 1));
  asked.cached =
      clients_.chance_ppm(300'000) ? Tokens(up_to(clients_, asked.prompt.count())) : Tokens(0);
  arrived.prompt_bytes = asked.prompt.count() * (1 + up_to(clients_, 5));
  arrived.prompt_tokens_max = Tokens(arrived.prompt_bytes + 8);
  const std::int64_t output = skewed_up_to(clients_, options_.output_tokens_max);
  asked.output = Tokens(output);
  asked.dialect =
      clients_.chance_ppm(200'000) ? answer::Dialect::completion : answer::Dialect::chat;
  asked.deterministic = clients_.chance_ppm(500'000);
  asked.continuable = clients_.chance_ppm(700'000);
  asked.cut = static_cast<Cut>(clients_.below(3));
  // Most answers stay below their limit.
  arrived.output_limit =
      Tokens(clients_.chance_ppm(200'000) ? output : output + up_to(clients_, output + 256));
}

AttemptScript DrawnDirector::script(const Asked& asked, std::string_view site,
                                    std::uint8_t attempt) {
  static_cast<void>(site);
  static_cast<void>(attempt);
  AttemptScript script;
  auto drawn = static_cast<std::uint32_t>(sites_.below(1'000'000));
  for (std::size_t i = 0; i < kTroubles; ++i) {
    if (drawn < options_.troubles.ppm[i]) {
      script.trouble = static_cast<Trouble>(i);
      break;
    }
    drawn -= options_.troubles.ppm[i];
  }
  script.after = Tokens(1 + up_to(sites_, asked.output.count()));
  if (script.trouble == Trouble::slow) script.slowness = 2 + skewed_up_to(sites_, 400);
  if (sites_.chance_ppm(500'000)) script.retry_after = seconds(1 + skewed_up_to(sites_, 120));
  choose_claims(asked, script);
  return script;
}

void DrawnDirector::choose_claims(const Asked& asked, AttemptScript& script) {
  if (!sites_.chance_ppm(options_.odd_usage_ppm)) return;
  switch (sites_.below(4)) {
    case 0: script.says_usage = false; return;
    case 1: script.claims.emplace(); return;  // all zero
    case 2:                                   // more than was held for
      script.claims.emplace();
      (*script.claims)[TokenKind::prompt] = asked.arrived.prompt_tokens_max * 3;
      (*script.claims)[TokenKind::reasoning] = Tokens(up_to(sites_, 100'000));
      return;
    default:  // no engine can have used this
      script.claims.emplace();
      (*script.claims)[TokenKind::cached_read] = Tokens(-up_to(sites_, 1'000));
      (*script.claims)[TokenKind::output] = Tokens(static_cast<std::int64_t>(sites_.next() >> 1U));
      return;
  }
}

void DrawnDirector::ended(const Asked& asked, const Outcome& outcome,
                          const dispatch::Dispatch& dispatch, dispatch::RequestRef request) {
  static_cast<void>(asked);
  const dispatch::Record& record = dispatch.record(request);
  ++report_.ends[static_cast<std::size_t>(record.end)];
  report_.delivered += outcome.delivered;
  report_.charged += record.charged;
  report_.written_off += record.written_off;
  for (const auto& attempt : record.attempts) report_.owed += attempt.owed;
}

// Sites come and go by themselves, from a seed of their own.
void schedule_sites(VirtualGrid& grid, const Snapshot& snapshot, const SimulationOptions& options,
                    Random random) {
  if (options.site_good_mean == Duration()) return;
  const MonotonicTime end =
      MonotonicTime() + options.gap_mean * static_cast<std::int64_t>(options.requests);
  for (const fleet::Site& site : snapshot.fleet.sites) {
    MonotonicTime time = MonotonicTime() + around(random, options.site_good_mean);
    while (time < end) {
      const auto condition = static_cast<Condition>(1 + random.below(3));
      grid.site_becomes(time, site.name, condition);
      time = time + around(random, options.site_bad_mean);
      grid.site_becomes(time, site.name, Condition::up);
      // At least a little, so that a mean of next to nothing ends too.
      time = time + around(random, options.site_good_mean) + milliseconds(1);
    }
  }
}

void schedule_snapshots(VirtualGrid& grid, const SimulationOptions& options) {
  const Duration whole = options.gap_mean * static_cast<std::int64_t>(options.requests);
  const auto parts = static_cast<std::int64_t>(options.later_snapshots.size()) + 1;
  MonotonicTime time;
  for (const dispatch::SnapshotRef& snapshot : options.later_snapshots) {
    time = time + whole / parts;
    grid.snapshot_changes(time, snapshot);
  }
}

SimulationReport run(const dispatch::SnapshotRef& snapshot, const SimulationOptions& options,
                     std::string* recording, const SnapshotText& text_of) {
  SimulationReport report;
  report.seed = options.seed;
  DrawnDirector director(options, report);
  Random random(~options.seed);
  GridOptions grid_options;
  grid_options.starts_at = options.starts_at;
  grid_options.dispatch = options.dispatch;
  grid_options.late_news_ppm = options.late_news_ppm;
  grid_options.seed = random.next();
  VirtualGrid grid(snapshot, director, grid_options);
  if (recording != nullptr) grid.record_to(*recording, text_of);
  schedule_sites(grid, *snapshot, options, random.fork());
  schedule_snapshots(grid, options);
  grid.run();

  report.digest = grid.digest();
  report.counts = grid.counts();
  report.simulated = elapsed(MonotonicTime(), grid.now().monotonic);
  report.complaints = grid.complaints();
  return report;
}

}  // namespace

SimulationOptions swarm(std::uint64_t seed) {
  // Another stream than that of the run itself.
  Random random(seed ^ 0xA5A5'5A5A'1234'4321U);
  const auto sometimes = [&](std::uint32_t ppm_max) {
    return random.chance_ppm(333'333) ? static_cast<std::uint32_t>(random.below(ppm_max)) : 0U;
  };
  SimulationOptions options;
  options.seed = seed;
  options.requests = 20 + random.below(200);
  options.gap_mean = Duration(1'000'000 + skewed_up_to(random, seconds(1).count()));
  options.output_tokens_max = 1 + skewed_up_to(random, 2'000);
  for (std::size_t i = 1; i < kTroubles; ++i) options.troubles.ppm[i] = sometimes(100'000);
  options.client_leaves_ppm = sometimes(500'000);
  options.odd_usage_ppm = sometimes(300'000);
  options.late_news_ppm = sometimes(500'000);
  if (random.chance_ppm(500'000)) {
    options.site_good_mean = milliseconds(100 + skewed_up_to(random, 60'000));
    options.site_bad_mean = milliseconds(10 + skewed_up_to(random, 30'000));
  }
  options.dispatch.requests_max = random.chance_ppm(100'000) ? 4 : 256;
  options.dispatch.attempts_max = static_cast<std::uint8_t>(1 + random.below(6));
  options.dispatch.waiting_per_slot = static_cast<std::int32_t>(random.below(17));
  return options;
}

SimulationReport run_simulation(const dispatch::SnapshotRef& snapshot,
                                const SimulationOptions& options) {
  return run(snapshot, options, nullptr, {});
}

SimulationReport run_simulation(const dispatch::SnapshotRef& snapshot,
                                const SimulationOptions& options, std::string& recording,
                                const SnapshotText& text_of) {
  return run(snapshot, options, &recording, text_of);
}

std::string describe(const SimulationReport& report) {
  std::string text = fmt::format(
      "seed {}: {} requests, {} attempts ({} continued, {} repeated an answer, {} answers "
      "rescued), "
      "{} events, {} actions in {} of virtual time\n",
      report.seed, report.counts.requests, report.counts.attempts, report.counts.continued,
      report.counts.repeated, report.counts.rescued, report.counts.events, report.counts.actions,
      to_string(report.simulated));
  for (std::size_t i = 0; i < kEnds; ++i) {
    if (report.ends[i] == 0) continue;
    text += fmt::format("  {}: {}\n", dispatch::to_string(static_cast<dispatch::End>(i)),
                        report.ends[i]);
  }
  text +=
      fmt::format("  delivered {} tokens, charged {}, owed {}, written off {}, digest {:016x}\n",
                  report.delivered.count(), to_decimal(report.charged), to_decimal(report.owed),
                  to_decimal(report.written_off), report.digest);
  for (const std::string& complaint : report.complaints) text += "  BROKEN: " + complaint + "\n";
  return text;
}

}  // namespace hanse::replay
