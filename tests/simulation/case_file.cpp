// A case as a file, and back.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <type_traits>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "../scenarios/toml_keys.h"
#include "case.h"

namespace hanse::simulation {
namespace {

using replay::Plot;
using replay::PlottedChange;
using replay::PlottedRequest;
using scenarios::Keys;
using scenarios::Wrong;

constexpr std::array<std::string_view, 3> kCuts = {"by_token", "by_piece", "anywhere"};

// --- Writing -----------------------------------------------------------------

// In the largest unit in which it is whole.
std::string exact(Duration duration) {
  const std::int64_t nanos = duration.count();
  for (const auto& [unit, size] :
       {std::pair{"s", 1'000'000'000}, {"ms", 1'000'000}, {"us", 1'000}}) {
    if (nanos % size == 0) return fmt::format("\"{}{}\"", nanos / size, unit);
  }
  return fmt::format("\"{}ns\"", nanos);
}

std::string exact(MonotonicTime time) { return exact(elapsed(MonotonicTime(), time)); }

class Lines {
 public:
  template <typename... Values>
  void add(fmt::format_string<Values...> format, Values&&... values) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Values>(values)...);
    text_ += '\n';
  }
  // Only what is not as usual is said.
  template <typename Value>
  void add_unless(std::string_view key, const Value& value, const Value& usual) {
    if (value == usual) return;
    if constexpr (std::is_same_v<Value, Duration>) {
      add("{} = {}", key, exact(value));
    } else if constexpr (std::is_same_v<Value, Tokens>) {
      add("{} = {}", key, value.count());
    } else {
      add("{} = {}", key, value);
    }
  }

  std::string& text() { return text_; }

 private:
  std::string text_;
};

void write_head(const Case& drawn, const dispatch::Snapshot& snapshot, Lines& lines) {
  const Plot& plot = drawn.plot;
  lines.add("turns = \"{:016x}\"  # by which their ends are drawn", plot.seed);
  lines.add("starts_at_unix_ns = {}", plot.starts_at.count());
  lines.add("\n[grid]");
  lines.add("is = \"{}\"", to_string(drawn.facts.grid));
  std::vector<std::string> continuing;
  snapshot.fleet.sites.for_each([&](SiteId, const fleet::Site& site) {
    if (site.engine.continues_chat) continuing.push_back(fmt::format("\"{}\"", site.name));
  });
  lines.add("continuing = [{}]", fmt::join(continuing, ", "));
  for (std::size_t i = 0; i < drawn.facts.rescue.size(); ++i) {
    lines.add("rescue.{} = \"{}\"", snapshot.tenants.tenants[TenantId(i)].name,
              to_string(drawn.facts.rescue[i]));
  }
  for (std::size_t i = 0; i < drawn.facts.hedge_ppm.size(); ++i) {
    const std::string& name = snapshot.catalog.classes[ClassId(i)].name;
    lines.add_unless(fmt::format("hedge_ppm.{}", name), drawn.facts.hedge_ppm[i], 0);
  }
  lines.add_unless("short_context", drawn.facts.short_context, Tokens(0));
  lines.add_unless("budgets", drawn.facts.budgets, false);
  lines.add_unless("reloads", drawn.facts.reloads, false);
  lines.add("\n[dispatch]");
  lines.add("requests_max = {}", plot.dispatch.requests_max);
  lines.add("attempts_max = {}", plot.dispatch.attempts_max);
  lines.add("queued_max = {}", plot.dispatch.queued_max);
  lines.add("queued_max_per_tenant = {}", plot.dispatch.queued_max_per_tenant);
  if (!plot.death) return;
  lines.add("\n[death]");
  lines.add("at = {}", exact(plot.death->at));
  lines.add("steps = {}", plot.death->steps);
  lines.add("written_ppm = {}", plot.death->written_ppm);
}

struct ChangeLines {
  Lines& lines;

  void operator()(const replay::SiteChange& change) const {
    lines.add("site = \"{}\"\nbecomes = \"{}\"", change.site, replay::to_string(change.becomes));
  }
  void operator()(const replay::LinkChange& change) const {
    lines.add("link = \"{}\"\nslower_by = {}", change.site, exact(change.slower_by));
  }
  void operator()(const replay::DrillChange& change) const {
    lines.add("drill = \"{}\"\nlasts = {}", change.site, exact(change.lasts));
  }
  void operator()(const replay::DiskChange& change) const {
    lines.add("turn_max = {}", exact(change.turn_max));
  }
  void operator()(const replay::ClockChange& change) const {
    lines.add("clock_forward = {}", exact(change.forward));
  }
  void operator()(const replay::SnapshotChange& change) const {
    lines.add("snapshot = {}", change.snapshot);
  }
  void operator()(const replay::TellingChange& change) const {
    const auto& [what, more] = change.telling;
    lines.add("engine = \"{}\"\ntells = \"{}\"", change.site, replay::to_string(what));
    lines.add("running = {}\nwaiting = {}", more.running, more.waiting);
    if (more.kv_use_ppm) lines.add("kv_use_ppm = {}", *more.kv_use_ppm);
  }
};

void write_attempt(const replay::AttemptScript& script, Lines& lines) {
  const replay::AttemptScript usual;
  lines.add("[[request.attempt]]");
  lines.add("trouble = \"{}\"", replay::to_string(script.trouble));
  lines.add_unless("after_tokens", script.after, usual.after);
  lines.add_unless("slowness", script.slowness, usual.slowness);
  if (script.retry_after) lines.add("retry_after = {}", exact(*script.retry_after));
  lines.add_unless("says_usage", script.says_usage, usual.says_usage);
  if (script.told_again_after) lines.add("told_again_after = {}", exact(*script.told_again_after));
  if (!script.claims) return;
  std::vector<std::string> claims;
  for (const TokenKind kind : kAllTokenKinds) {
    claims.push_back(fmt::format("{} = {}", to_string(kind), (*script.claims)[kind].count()));
  }
  lines.add("claims = {{ {} }}", fmt::join(claims, ", "));
}

void write_request(const PlottedRequest& request, const dispatch::Snapshot& snapshot,
                   Lines& lines) {
  const replay::Asked& asked = request.asked;
  const dispatch::Arrived& arrived = asked.arrived;
  lines.add("\n[[request]]");
  lines.add("at = {}", exact(request.at));
  lines.add("key = \"{}\"", snapshot.tenants.keys[arrived.key].name);
  lines.add("alias = \"{}\"", snapshot.catalog.aliases[arrived.alias].name);
  lines.add("class = \"{}\"", snapshot.catalog.classes[arrived.latency_class].name);
  lines.add("data = \"{}\"", snapshot.labels.print(arrived.labels));
  lines.add("stream = {}", arrived.streamed);
  lines.add_unless("choices", arrived.choices, 1);
  lines.add("prompt_bytes = {}", arrived.prompt_bytes);
  lines.add("prompt_tokens_max = {}", arrived.prompt_tokens_max.count());
  lines.add("prompt_tokens = {}", asked.prompt.count());
  lines.add_unless("cached_tokens", asked.cached, Tokens(0));
  lines.add("output_tokens = {}", asked.output.count());
  lines.add("output_limit = {}", arrived.output_limit.count());
  lines.add("completion = {}", asked.dialect == answer::Dialect::completion);
  lines.add("deterministic = {}", asked.deterministic);
  lines.add("continuable = {}", asked.continuable);
  lines.add("cut = \"{}\"", kCuts[static_cast<std::size_t>(asked.cut)]);
  if (asked.leaves_after) lines.add("leaves_after = {}", exact(*asked.leaves_after));
  if (asked.leaves_after_attempt)
    lines.add("leaves_after_attempt = {}", *asked.leaves_after_attempt);
  if (const auto& reading = asked.reads_slowly) {
    lines.add("reads = {{ tokens = {}, every = {}, stops_after = {}, stops_for = {} }}",
              reading->at_a_time.count(), exact(reading->every), reading->stops_after.count(),
              exact(reading->stops_for));
  }
  for (const replay::AttemptScript& script : request.attempts) write_attempt(script, lines);
}

// --- Reading -----------------------------------------------------------------

template <typename Id, typename Row>
Id find(const Table<Id, Row>& table, Keys& keys, std::string_view key) {
  const std::string name = keys.text(key);
  if (const auto id = table.find(name)) return *id;
  throw Wrong{fmt::format("there is no \"{}\" in this grid", name), keys.get(key).source()};
}

template <typename Word, typename Parse>
Word word(Keys& keys, std::string_view key, Parse parse) {
  const std::string text = keys.text(key);
  if (const std::optional<Word> parsed = parse(text)) return *parsed;
  throw Wrong{fmt::format("\"{}\" is no word for {}", text, key), keys.get(key).source()};
}

MonotonicTime time(Keys& keys, std::string_view key) { return MonotonicTime() + keys.time(key); }

std::optional<limits::Rescue> parse_rescue(std::string_view word) {
  for (const auto rescue :
       {limits::Rescue::never, limits::Rescue::same_variant, limits::Rescue::any_variant}) {
    if (word == to_string(rescue)) return rescue;
  }
  return std::nullopt;
}

Facts read_facts(Keys& keys) {
  Facts facts;
  facts.grid = word<Grid>(keys, "is", parse_grid);
  // The same sites and tenants whatever the other facts are.
  const dispatch::SnapshotRef snapshot = snapshots_of(facts).front();
  const toml::node& continuing = keys.get("continuing");
  if (const toml::array* sites = continuing.as_array()) {
    for (const toml::node& site : *sites) {
      const auto id = snapshot->fleet.sites.find(site.value_or(std::string()));
      if (!id) throw Wrong{"a site of this grid is meant", site.source()};
      facts.continuing |= 1U << id->value();
    }
  }
  keys.in("rescue", [&](Keys& wishes) {
    for (const limits::Tenant& tenant : snapshot->tenants.tenants) {
      facts.rescue.push_back(word<limits::Rescue>(wishes, tenant.name, parse_rescue));
    }
  });
  keys.in("hedge_ppm", [&](Keys& budgets) {
    for (const catalog::LatencyClass& row : snapshot->catalog.classes) {
      facts.hedge_ppm.push_back(static_cast<std::int32_t>(budgets.number(row.name, 0)));
    }
  });
  facts.short_context = Tokens(keys.number("short_context", 0));
  facts.budgets = keys.flag("budgets", false);
  facts.reloads = keys.flag("reloads", false);
  return facts;
}

replay::Telling read_telling(Keys& keys) {
  replay::Telling telling;
  telling.what = word<replay::Telling::What>(keys, "tells", replay::parse_telling);
  telling.more.running = static_cast<std::int32_t>(keys.number("running", 0));
  telling.more.waiting = static_cast<std::int32_t>(keys.number("waiting", 0));
  if (const auto use = keys.maybe_number("kv_use_ppm")) {
    telling.more.kv_use_ppm = static_cast<std::int32_t>(*use);
  }
  return telling;
}

PlottedChange read_change(Keys& keys) {
  PlottedChange change{.at = time(keys, "at"), .what = {}};
  if (keys.find("site") != nullptr) {
    change.what = replay::SiteChange{
        .site = keys.text("site"),
        .becomes = word<replay::Condition>(keys, "becomes", replay::parse_condition)};
  } else if (keys.find("link") != nullptr) {
    change.what =
        replay::LinkChange{.site = keys.text("link"), .slower_by = keys.time("slower_by")};
  } else if (keys.find("drill") != nullptr) {
    change.what = replay::DrillChange{.site = keys.text("drill"), .lasts = keys.time("lasts")};
  } else if (keys.find("engine") != nullptr) {
    change.what = replay::TellingChange{.site = keys.text("engine"), .telling = read_telling(keys)};
  } else if (keys.find("turn_max") != nullptr) {
    change.what = replay::DiskChange{keys.time("turn_max")};
  } else if (keys.find("clock_forward") != nullptr) {
    change.what = replay::ClockChange{keys.time("clock_forward")};
  } else {
    keys.get("snapshot");
    change.what = replay::SnapshotChange{static_cast<std::size_t>(keys.number("snapshot", 0))};
  }
  return change;
}

replay::AttemptScript read_attempt(Keys& keys) {
  replay::AttemptScript script;
  script.trouble = word<replay::Trouble>(keys, "trouble", replay::parse_trouble);
  script.after = Tokens(keys.number("after_tokens", 1));
  script.slowness = keys.number("slowness", 1);
  script.retry_after = keys.maybe_time("retry_after");
  script.says_usage = keys.flag("says_usage", true);
  script.told_again_after = keys.maybe_time("told_again_after");
  keys.in("claims", [&](Keys& claims) {
    script.claims.emplace();
    for (const TokenKind kind : kAllTokenKinds) {
      (*script.claims)[kind] = Tokens(claims.number(to_string(kind), 0));
    }
  });
  return script;
}

PlottedRequest read_request(Keys& keys, const dispatch::Snapshot& snapshot) {
  PlottedRequest request{.at = time(keys, "at"), .asked = {}, .attempts = {}};
  replay::Asked& asked = request.asked;
  dispatch::Arrived& arrived = asked.arrived;
  arrived.key = find(snapshot.tenants.keys, keys, "key");
  arrived.alias = find(snapshot.catalog.aliases, keys, "alias");
  arrived.latency_class = find(snapshot.catalog.classes, keys, "class");
  const auto labels = snapshot.labels.parse(keys.text("data"));
  if (!labels) throw Wrong{labels.error().message, keys.get("data").source()};
  arrived.labels = *labels;
  arrived.streamed = keys.flag("stream", true);
  arrived.choices = static_cast<std::int32_t>(keys.number("choices", 1));
  arrived.prompt_bytes = keys.number("prompt_bytes", 0);
  arrived.prompt_tokens_max = Tokens(keys.number("prompt_tokens_max", 0));
  arrived.output_limit = Tokens(keys.number("output_limit", 0));
  asked.prompt = Tokens(keys.number("prompt_tokens", 0));
  asked.cached = Tokens(keys.number("cached_tokens", 0));
  asked.output = Tokens(keys.number("output_tokens", 0));
  asked.dialect =
      keys.flag("completion", false) ? answer::Dialect::completion : answer::Dialect::chat;
  asked.deterministic = keys.flag("deterministic", true);
  asked.continuable = keys.flag("continuable", true);
  asked.cut =
      word<replay::Cut>(keys, "cut", [](std::string_view text) -> std::optional<replay::Cut> {
        for (std::size_t i = 0; i < kCuts.size(); ++i) {
          if (text == kCuts[i]) return static_cast<replay::Cut>(i);
        }
        return std::nullopt;
      });
  asked.leaves_after = keys.maybe_time("leaves_after");
  if (const auto attempt = keys.maybe_number("leaves_after_attempt")) {
    asked.leaves_after_attempt = static_cast<std::uint8_t>(*attempt);
  }
  keys.in("reads", [&](Keys& item) {
    asked.reads_slowly = {.at_a_time = Tokens(item.number("tokens", 1)),
                          .every = item.time("every"),
                          .stops_after = Tokens(item.number("stops_after", 0)),
                          .stops_for = item.maybe_time("stops_for").value_or(Duration())};
  });
  keys.each("attempt", [&](Keys& item) { request.attempts.push_back(read_attempt(item)); });
  return request;
}

Case read(const toml::table& root) {
  Case read;
  Keys keys(root);
  Plot& plot = read.plot;
  const std::string turns = keys.text("turns");
  std::from_chars(turns.data(), turns.data() + turns.size(), plot.seed, 16);
  plot.starts_at = WallTime(keys.number("starts_at_unix_ns", 0));
  keys.get("grid");
  keys.in("grid", [&](Keys& item) { read.facts = read_facts(item); });
  plot.snapshots = snapshots_of(read.facts);
  keys.in("dispatch", [&](Keys& item) {
    plot.dispatch.requests_max = static_cast<std::uint32_t>(item.number("requests_max", 256));
    plot.dispatch.attempts_max = static_cast<std::uint8_t>(item.number("attempts_max", 4));
    plot.dispatch.queued_max = static_cast<std::uint32_t>(item.number("queued_max", 1'024));
    plot.dispatch.queued_max_per_tenant =
        static_cast<std::uint32_t>(item.number("queued_max_per_tenant", 256));
  });
  keys.in("death", [&](Keys& item) {
    plot.death = {.at = time(item, "at"),
                  .steps = static_cast<std::uint64_t>(item.number("steps", 0)),
                  .written_ppm = static_cast<std::uint32_t>(item.number("written_ppm", 0))};
  });
  keys.each("change", [&](Keys& item) { plot.changes.push_back(read_change(item)); });
  keys.each("request", [&](Keys& item) {
    plot.requests.push_back(read_request(item, *plot.snapshots.front()));
  });
  keys.done();
  return read;
}

}  // namespace

std::string to_text(const Case& drawn, std::string_view about) {
  const dispatch::Snapshot& snapshot = *drawn.plot.snapshots.front();
  Lines lines;
  while (!about.empty()) {
    const std::size_t end = std::min(about.find('\n'), about.size());
    lines.add("# {}", about.substr(0, end));
    about.remove_prefix(std::min(end + 1, about.size()));
  }
  write_head(drawn, snapshot, lines);
  for (const PlottedChange& change : drawn.plot.changes) {
    lines.add("\n[[change]]");
    lines.add("at = {}", exact(change.at));
    std::visit(ChangeLines{lines}, change.what);
  }
  for (const PlottedRequest& request : drawn.plot.requests) write_request(request, snapshot, lines);
  return std::move(lines.text());
}

Result<Case> read_case(const std::filesystem::path& file) {
  try {
    return read(toml::parse_file(file.string()));
  } catch (const Wrong& wrong) {
    return invalid_input(
        fmt::format("{}:{}: {}", file.filename().string(), wrong.where.begin.line, wrong.what));
  } catch (const toml::parse_error& error) {
    return invalid_input(fmt::format("{}:{}: {}", file.filename().string(),
                                     error.source().begin.line, error.description()));
  }
}

}  // namespace hanse::simulation
