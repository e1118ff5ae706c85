// From a file to a Scenario. Unknown keys are errors: a misspelt expectation
// would otherwise never fail.
#include <toml++/toml.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "scenario.h"
#include "toml_keys.h"

namespace hanse::scenarios {
namespace {

// A value in the one spelling in which what came is told, too.
std::string canonical(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return fmt::format("\"{}\"", *text);
  if (const auto number = node.value_exact<std::int64_t>()) return fmt::format("{}", *number);
  if (const toml::array* array = node.as_array()) {
    std::vector<std::string> items;
    for (const toml::node& item : *array) items.push_back(canonical(item));
    return fmt::format("[{}]", fmt::join(items, ", "));
  }
  if (const toml::table* table = node.as_table()) {
    std::vector<std::string> items;
    for (const auto& [key, value] : *table) {
      items.push_back(fmt::format("{} = {}", key.str(), canonical(value)));
    }
    return items.empty() ? "{}" : fmt::format("{{ {} }}", fmt::join(items, ", "));
  }
  throw Wrong{"a text, a whole number, a list or a table is expected here", node.source()};
}

Facts facts(Keys& keys, std::initializer_list<std::string_view> names) {
  Facts facts;
  for (const std::string_view name : names) {
    if (const toml::node* node = keys.find(name)) facts.emplace(name, canonical(*node));
  }
  return facts;
}

WallTime wall_time(const toml::node& node) {
  const auto value = node.value_exact<toml::date_time>();
  if (!value || !value->is_local()) {
    throw Wrong{"a time without offset is expected, such as 2027-01-15T12:00:00; it is UTC",
                node.source()};
  }
  // Days from the civil date (Hinnant, "chrono-compatible low-level date
  // algorithms").
  const int month = value->date.month;
  const int year = value->date.year - (month <= 2 ? 1 : 0);
  const int era = year / 400;
  const int of_era = year - era * 400;
  const int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + value->date.day - 1;
  const int day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
  const std::int64_t days = std::int64_t{era} * 146'097 + day_of_era - 719'468;
  const std::int64_t seconds_of_day =
      (std::int64_t{value->time.hour} * 60 + value->time.minute) * 60 + value->time.second;
  return WallTime((days * 86'400 + seconds_of_day) * 1'000'000'000);
}

std::vector<Replacement> replacements(Keys& keys) {
  std::vector<Replacement> all;
  keys.each("replace",
            [&](Keys& item) { all.push_back({.text = item.text("text"), .by = item.text("by")}); });
  return all;
}

SiteChange site_change(Keys& keys) {
  const std::string word = keys.text("becomes");
  const auto condition = replay::parse_condition(word);
  if (!condition) {
    throw Wrong{fmt::format("a site becomes up, down, hung or cut_off, not \"{}\"", word),
                keys.get("becomes").source()};
  }
  return {.at = keys.time("at"), .site = keys.text("name"), .becomes = *condition};
}

EngineTells engine_tells(Keys& keys) {
  const std::string word = keys.text("tells");
  const auto what = replay::parse_telling(word);
  if (!what) {
    throw Wrong{fmt::format("an engine tells nothing, truth or words, not \"{}\"", word),
                keys.get("tells").source()};
  }
  EngineTells engine{.at = keys.time("at"), .site = keys.text("name"), .telling = {.what = *what}};
  engine.telling.more.running = static_cast<std::int32_t>(keys.number("running", 0));
  engine.telling.more.waiting = static_cast<std::int32_t>(keys.number("waiting", 0));
  if (const auto percent = keys.maybe_number("kv_use_percent")) {
    engine.telling.more.kv_use_ppm = static_cast<std::int32_t>(*percent * 10'000);
  }
  return engine;
}

Treatment treatment(Keys& keys) {
  Treatment treatment;
  treatment.site = keys.text("at_site");
  treatment.times = keys.number("times", 1);
  const std::string word = keys.text("trouble", "none");
  const auto trouble = replay::parse_trouble(word);
  if (!trouble) {
    throw Wrong{fmt::format("there is no trouble \"{}\"", word), keys.get("trouble").source()};
  }
  replay::AttemptScript& script = treatment.script;
  script.trouble = *trouble;
  script.after = Tokens(keys.number("after_tokens", 1));
  script.slowness = keys.number("slowness", 1);
  script.retry_after = keys.maybe_time("retry_after");
  script.says_usage = keys.flag("says_usage", true);
  keys.in("claims", [&](Keys& claims) {
    script.claims.emplace();
    for (const TokenKind kind : kAllTokenKinds) {
      (*script.claims)[kind] = Tokens(claims.number(to_string(kind), 0));
    }
  });
  return treatment;
}

Ask ask(Keys& keys) {
  const auto tokens = [&](std::string_view key) {
    const auto number = keys.maybe_number(key);
    return number ? std::optional(Tokens(*number)) : std::nullopt;
  };
  Ask ask;
  ask.name = keys.text("name");
  ask.at = keys.time("at");
  ask.key = keys.text("key", "acme/web/laptop");
  ask.alias = keys.text("alias", "smollm2");
  ask.data = keys.text("data", "");
  ask.latency_class = keys.text("class", "");
  ask.stream = keys.flag("stream", true);
  ask.continuable = keys.flag("continuable", true);
  ask.deterministic = keys.flag("deterministic", true);
  ask.prompt_bytes = keys.number("prompt_bytes", ask.prompt_bytes);
  ask.prompt_tokens = tokens("prompt_tokens").value_or(ask.prompt_tokens);
  ask.cached_tokens = tokens("cached_tokens").value_or(ask.cached_tokens);
  ask.prompt_tokens_max = tokens("prompt_tokens_max");
  ask.output_tokens = tokens("output_tokens").value_or(ask.output_tokens);
  ask.output_limit = tokens("output_limit");
  ask.choices = static_cast<std::int32_t>(keys.number("choices", 1));
  ask.leaves_after = keys.maybe_time("leaves_after");
  keys.in("expect", [&](Keys& expect) {
    ask.expected = facts(expect, {"end", "told", "delivered", "attempts", "refused", "excluded",
                                  "not_chosen", "held", "charged", "written_off", "owed", "usage",
                                  "last_failure", "retry_after", "took"});
  });
  return ask;
}

Scenario scenario(const toml::table& root, const std::filesystem::path& file) {
  Scenario scenario;
  Keys keys(root);
  scenario.about = keys.text("about");
  scenario.config = file.parent_path() / keys.text("config");
  scenario.replace = replacements(keys);
  if (const toml::node* start = keys.find("starts_at")) scenario.starts_at = wall_time(*start);
  scenario.attempts_max = static_cast<std::uint8_t>(keys.number("attempts_max", 4));
  keys.each("drill", [&](Keys& item) {
    scenario.drills.push_back(
        {.at = item.time("at"), .site = item.text("site"), .lasts = item.time("lasts")});
  });
  keys.each("engine", [&](Keys& item) { scenario.tellings.push_back(engine_tells(item)); });
  keys.each("site", [&](Keys& item) { scenario.site_changes.push_back(site_change(item)); });
  keys.each("reload", [&](Keys& item) {
    scenario.reloads.push_back({.at = item.time("at"), .replace = replacements(item)});
  });
  keys.each("attempt", [&](Keys& item) { scenario.treatments.push_back(treatment(item)); });
  keys.each("request", [&](Keys& item) { scenario.asks.push_back(ask(item)); });
  keys.in("books", [&](Keys& item) {
    scenario.books = facts(item, {"owed_by", "owed_to", "margin", "written_off"});
  });
  keys.done();
  std::ranges::stable_sort(scenario.asks, {}, &Ask::at);
  return scenario;
}

}  // namespace

Result<Scenario> read_scenario(const std::filesystem::path& file) {
  try {
    return scenario(toml::parse_file(file.string()), file);
  } catch (const Wrong& wrong) {
    return invalid_input(
        fmt::format("{}:{}: {}", file.filename().string(), wrong.where.begin.line, wrong.what));
  } catch (const toml::parse_error& error) {
    return invalid_input(fmt::format("{}:{}: {}", file.filename().string(),
                                     error.source().begin.line, error.description()));
  }
}

}  // namespace hanse::scenarios
