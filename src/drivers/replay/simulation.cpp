#include "drivers/replay/simulation.h"

#include <algorithm>
#include <bit>
#include <map>
#include <string>
#include <utility>

#include "base/check.h"
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
class Author {
 public:
  Author(const Snapshot& snapshot, const SimulationOptions& options)
      : snapshot_(snapshot),
        options_(options),
        random_(options.seed),
        clients_(random_.fork()),
        sites_(random_.fork()) {}

  PlottedRequest next_request();

 private:
  Asked ask();
  void choose_words(dispatch::Arrived& arrived);
  void choose_sizes(Asked& asked);
  void choose_leaving(Asked& asked);
  void choose_reading(Asked& asked);
  AttemptScript script(const Asked& asked);
  void choose_claims(const Asked& asked, AttemptScript& script);

  const Snapshot& snapshot_;
  const SimulationOptions& options_;
  Random random_;
  Random clients_;
  Random sites_;
  MonotonicTime next_;
};

PlottedRequest Author::next_request() {
  next_ = next_ + around(clients_, options_.gap_mean);
  PlottedRequest request{.at = next_, .asked = ask(), .attempts = {}};
  for (std::uint8_t i = 0; i < options_.dispatch.attempts_max; ++i) {
    request.attempts.push_back(script(request.asked));
  }
  return request;
}

Asked Author::ask() {
  Asked asked;
  choose_words(asked.arrived);
  choose_sizes(asked);
  if (clients_.chance_ppm(options_.client_leaves_ppm)) choose_leaving(asked);
  if (options_.slow_readers_ppm > 0 && clients_.chance_ppm(options_.slow_readers_ppm)) {
    choose_reading(asked);
  }
  return asked;
}

void Author::choose_reading(Asked& asked) {
  Reading& reading = asked.reads_slowly.emplace();
  reading.at_a_time = Tokens(1 + skewed_up_to(clients_, 127));
  reading.every = Duration(skewed_up_to(clients_, seconds(2).count()));
  if (!clients_.chance_ppm(400'000)) return;
  reading.stops_after = Tokens(1 + up_to(clients_, asked.output.count()));
  // Some so long that they are taken for gone.
  reading.stops_for = Duration(skewed_up_to(clients_, seconds(45).count()));
}

void Author::choose_leaving(Asked& asked) {
  // At any stage: some leave within a round trip, some near the end.
  asked.leaves_after = Duration(skewed_up_to(clients_, seconds(60).count()));
  if (!clients_.chance_ppm(400'000)) return;
  // While another site is asked, or none is.
  asked.leaves_after_attempt = static_cast<std::uint8_t>(clients_.below(2));
  asked.leaves_after = Duration(skewed_up_to(clients_, seconds(1).count()));
}

void Author::choose_words(dispatch::Arrived& arrived) {
  const limits::Tenants& tenants = snapshot_.tenants;
  arrived.key = KeyId(clients_.below(tenants.keys.size()));
  const limits::Key& key = tenants.keys[arrived.key];
  const limits::Tenant& tenant = tenants.tenants[key.tenant];
  const catalog::PriceBook& book = snapshot_.catalog.price_books[tenant.price_book];
  // A tenant asks only for what it is sold; the configuration sells something.
  do {
    arrived.alias = AliasId(clients_.below(snapshot_.catalog.aliases.size()));
  } while (book.find(arrived.alias) == nullptr);
  arrived.latency_class =
      clients_.chance_ppm(700'000)
          ? key.latency_class.value_or(snapshot_.catalog.aliases[arrived.alias].latency_class)
          : ClassId(clients_.below(snapshot_.catalog.classes.size()));

  gate::LabelSet added;
  if (clients_.chance_ppm(options_.labels_ppm)) {
    gate::LabelSet all;
    for (const auto dimension :
         {gate::Dimension::data, gate::Dimension::subjects, gate::Dimension::categories}) {
      all = all | snapshot_.labels.all(dimension);
    }
    added = gate::LabelSet(clients_.next() & clients_.next()) & all;
  }
  arrived.labels = snapshot_.labels.complete(gate::LabelSet(tenant.default_labels) | added);
}

void Author::choose_sizes(Asked& asked) {
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

AttemptScript Author::script(const Asked& asked) {
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
  if (sites_.chance_ppm(options_.told_again_ppm)) {
    script.told_again_after = microseconds(up_to(sites_, 2'000'000));
  }
  return script;
}

void Author::choose_claims(const Asked& asked, AttemptScript& script) {
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

// Draws what happens to the grid, from a seed of its own.
class Weather {
 public:
  Weather(Plot& plot, const SimulationOptions& options)
      : plot_(plot),
        fleet_(plot.snapshots.front()->fleet),
        options_(options),
        random_(~options.seed),
        end_(MonotonicTime() + options.gap_mean * static_cast<std::int64_t>(options.requests)) {}

  void draw();

 private:
  // Calls `visit(time)` at drawn times, about `mean` apart; never for zero.
  template <typename Visit>
  void every(Duration mean, Visit visit) {
    if (mean == Duration()) return;
    MonotonicTime time = MonotonicTime() + around(random_, mean);
    while (time < end_) {
      visit(time);
      // At least a little, so that a mean of next to nothing ends too.
      time = time + around(random_, mean) + milliseconds(1);
    }
  }
  void add(MonotonicTime at, decltype(PlottedChange::what) what) {
    changes_.emplace(at, std::move(what));
  }
  // These are away for a while; returns when they are back.
  MonotonicTime lose(const std::vector<std::string>& sites, MonotonicTime at);
  Telling any_telling();
  const std::string& any_site();
  [[nodiscard]] std::vector<std::string> any_domain();

  Plot& plot_;
  const fleet::Fleet& fleet_;
  const SimulationOptions& options_;
  Random random_;
  MonotonicTime end_;
  // Of the same time, in the order in which they were drawn.
  std::multimap<MonotonicTime, decltype(PlottedChange::what)> changes_;
};

void Weather::draw() {
  plot_.seed = random_.next();
  if (options_.site_good_mean > Duration()) {
    for (const fleet::Site& site : fleet_.sites) {
      MonotonicTime time = MonotonicTime() + around(random_, options_.site_good_mean);
      while (time < end_) {
        time = lose({site.name}, time) + around(random_, options_.site_good_mean) + milliseconds(1);
      }
    }
  }
  every(options_.domain_good_mean, [&](MonotonicTime at) { lose(any_domain(), at); });
  every(options_.drill_every, [&](MonotonicTime at) {
    add(at, DrillChange{.site = any_site(),
                        .lasts = Duration(skewed_up_to(random_, seconds(60).count()))});
  });
  every(options_.slow_link_every, [&](MonotonicTime at) {
    const std::string& site = any_site();
    add(at,
        LinkChange{.site = site, .slower_by = Duration(skewed_up_to(random_, seconds(4).count()))});
    add(at + around(random_, options_.site_bad_mean), LinkChange{.site = site, .slower_by = {}});
  });
  every(options_.slow_disk_every, [&](MonotonicTime at) {
    add(at, DiskChange{Duration(skewed_up_to(random_, milliseconds(400).count()))});
    add(at + around(random_, options_.site_bad_mean), DiskChange{GridOptions().turn_max});
  });
  every(options_.clock_jump_every, [&](MonotonicTime at) {
    add(at, ClockChange{Duration(skewed_up_to(random_, seconds(86'400 * 60).count()))});
  });
  every(options_.telling_every, [&](MonotonicTime at) {
    add(at, TellingChange{.site = any_site(), .telling = any_telling()});
  });
  const Duration whole = elapsed(MonotonicTime(), end_);
  const auto snapshots = static_cast<std::int64_t>(plot_.snapshots.size());
  for (std::int64_t i = 1; i < snapshots; ++i) {
    add(MonotonicTime() + whole / snapshots * i, SnapshotChange{static_cast<std::size_t>(i)});
  }
  for (auto& [at, what] : changes_) plot_.changes.push_back({.at = at, .what = std::move(what)});
  if (random_.chance_ppm(options_.dies_ppm)) {
    plot_.death = {.at = MonotonicTime() + Duration(up_to(random_, whole.count())),
                   .steps = random_.below(40),
                   .written_ppm = static_cast<std::uint32_t>(random_.below(1'000'001))};
  }
}

MonotonicTime Weather::lose(const std::vector<std::string>& sites, MonotonicTime at) {
  const auto condition = static_cast<Condition>(1 + random_.below(3));
  const MonotonicTime back = at + around(random_, options_.site_bad_mean);
  for (const std::string& site : sites) {
    add(at, SiteChange{.site = site, .becomes = condition});
    add(back, SiteChange{.site = site, .becomes = Condition::up});
  }
  return back;
}

Telling Weather::any_telling() {
  Telling telling;
  telling.what = static_cast<Telling::What>(random_.below(3));
  const auto number = [&] {
    return random_.chance_ppm(500'000)
               ? 0
               : static_cast<std::int32_t>(skewed_up_to(random_, std::int64_t{1} << 20U));
  };
  telling.more.running = number();
  telling.more.waiting = number();
  if (random_.chance_ppm(300'000)) {
    telling.more.kv_use_ppm = static_cast<std::int32_t>(random_.below(1'000'001));
  }
  return telling;
}

const std::string& Weather::any_site() {
  return fleet_.sites[SiteId(random_.below(fleet_.sites.size()))].name;
}

std::vector<std::string> Weather::any_domain() {
  const fleet::Site& one = fleet_.sites[SiteId(random_.below(fleet_.sites.size()))];
  const bool by_supplier = random_.chance_ppm(500'000);
  std::vector<std::string> sites;
  for (const fleet::Site& site : fleet_.sites) {
    if (by_supplier ? site.supplier == one.supplier : site.place == one.place) {
      sites.push_back(site.name);
    }
  }
  return sites;
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
  // What answers break by, more often: the most can go wrong after it.
  for (const Trouble trouble : {Trouble::cut, Trouble::stall, Trouble::error_event}) {
    options.troubles[trouble] *= 3;
  }
  options.labels_ppm = random.chance_ppm(333'333) ? 600'000 : 150'000;
  options.client_leaves_ppm = sometimes(500'000);
  options.odd_usage_ppm = sometimes(300'000);
  options.told_again_ppm = sometimes(500'000);
  if (random.chance_ppm(500'000)) {
    options.site_good_mean = milliseconds(100 + skewed_up_to(random, 60'000));
    options.site_bad_mean = milliseconds(10 + skewed_up_to(random, 30'000));
  }
  // Every so often; longer than a run is never.
  const auto sometimes_every = [&] {
    return random.chance_ppm(250'000) ? milliseconds(200 + skewed_up_to(random, 60'000))
                                      : Duration();
  };
  options.domain_good_mean = sometimes_every();
  options.drill_every = sometimes_every();
  options.slow_link_every = sometimes_every();
  options.slow_disk_every = sometimes_every();
  options.clock_jump_every = sometimes_every();
  options.telling_every = sometimes_every();
  options.dies_ppm = 200'000;
  options.dispatch.requests_max = random.chance_ppm(100'000) ? 4 : 256;
  options.dispatch.attempts_max = static_cast<std::uint8_t>(1 + random.below(6));
  if (random.chance_ppm(300'000)) {
    options.dispatch.queued_max = 1 + static_cast<std::uint32_t>(random.below(8));
    options.dispatch.queued_max_per_tenant = 1 + static_cast<std::uint32_t>(random.below(4));
  }
  options.slow_readers_ppm = sometimes(700'000);
  return options;
}

Plot draw(std::vector<dispatch::SnapshotRef> snapshots, const SimulationOptions& options) {
  HANSE_CHECK(!snapshots.empty());
  Plot plot;
  plot.snapshots = std::move(snapshots);
  plot.starts_at = options.starts_at;
  plot.dispatch = options.dispatch;
  Author author(*plot.snapshots.front(), options);
  for (std::uint64_t i = 0; i < options.requests; ++i) {
    plot.requests.push_back(author.next_request());
  }
  Weather(plot, options).draw();
  return plot;
}

}  // namespace hanse::replay
