// Plays a scenario on a grid in virtual time and writes down what came of it.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "adapters/config/load.h"
#include "adapters/config/snapshot.h"
#include "base/check.h"
#include "core/limits/latency_class.h"
#include "drivers/replay/virtual_grid.h"
#include "scenario.h"

namespace hanse::scenarios {
namespace {

using dispatch::Dispatch;
using dispatch::Record;
using dispatch::Snapshot;
using dispatch::SnapshotRef;

constexpr WallTime kStartsAt{1'800'014'400'000'000'000};  // 2027-01-15T12:00:00Z

std::string in_quotes(std::string_view text) { return fmt::format("\"{}\"", text); }

std::string list(const std::vector<std::string>& texts) {
  std::vector<std::string> items;
  for (const std::string& text : texts) items.push_back(in_quotes(text));
  return fmt::format("[{}]", fmt::join(items, ", "));
}

// Values are written already; names rise, as those of a file do.
std::string table(const std::map<std::string, std::string>& values) {
  std::vector<std::string> items;
  for (const auto& [name, value] : values) items.push_back(fmt::format("{} = {}", name, value));
  return items.empty() ? "{}" : fmt::format("{{ {} }}", fmt::join(items, ", "));
}

// --- What came of a request --------------------------------------------------

std::string attempts_of(const Record& record, const fleet::Fleet& fleet) {
  std::vector<std::string> texts;
  for (const auto& attempt : record.attempts) {
    std::string& text = texts.emplace_back(fleet.sites[attempt.site].name);
    if (attempt.failure != answer::Failure::none) {
      text += fmt::format(": {}", answer::to_string(attempt.failure));
    }
    if (attempt.outrun) text += ": outrun";
    if (attempt.take_up != answer::TakeUp::anew) {
      text += fmt::format(" {}", answer::to_string(attempt.take_up));
    }
    if (attempt.hedge) text += " hedge";
  }
  return list(texts);
}

std::string refused_by(const Dispatch& dispatch, dispatch::RequestRef request) {
  const fleet::Fleet& fleet = dispatch.snapshot_of(request).fleet;
  std::map<std::string, std::string> sites;
  for (const gate::Verdict& verdict : dispatch.explain(request)) {
    std::vector<std::string> rules;
    for (const gate::Refusal& refusal : verdict.refusals) rules.push_back(refusal.rule);
    if (!verdict.permitted) sites.emplace(fleet.sites[verdict.site].name, list(rules));
  }
  return table(sites);
}

std::string excluded_of(const Record& record, const fleet::Fleet& fleet) {
  std::vector<std::string> texts;
  for (const auto& exclusion : record.excluded) {
    texts.push_back(fmt::format("{}: {}", fleet.sites[exclusion.site].name,
                                dispatch::to_string(exclusion.why)));
  }
  return list(texts);
}

// Of the first attempt: why the others were not chosen.
std::string not_chosen(const Record& record, const fleet::Fleet& fleet) {
  std::map<std::string, std::string> sites;
  if (record.attempts.empty()) return table(sites);
  const placement::Decision& decision = record.attempts[0].decision;
  for (std::size_t i = 1; i < decision.best.size(); ++i) {
    const placement::Candidate& candidate = decision.best[i];
    sites.emplace(fleet.sites[fleet.offers[candidate.offer].site].name,
                  in_quotes(placement::to_string(candidate.reason)));
  }
  return table(sites);
}

std::string owed_for(const Record& record, const fleet::Fleet& fleet) {
  std::map<std::string, Money> sums;
  for (const auto& attempt : record.attempts) {
    if (attempt.owed != Money()) sums[fleet.sites[attempt.site].name] += attempt.owed;
  }
  std::map<std::string, std::string> sites;
  for (const auto& [site, sum] : sums) sites.emplace(site, in_quotes(to_decimal(sum)));
  return table(sites);
}

std::string usage_of(const Usage& usage) {
  std::map<std::string, std::string> kinds;
  for (const TokenKind kind : kAllTokenKinds) {
    if (usage.tokens[kind] == Tokens(0)) continue;
    kinds.emplace(to_string(kind), fmt::format("{}", usage.tokens[kind].count()));
  }
  return table(kinds);
}

Facts facts_of(const replay::Outcome& outcome, const Dispatch& dispatch,
               dispatch::RequestRef request) {
  const Record& record = dispatch.record(request);
  const fleet::Fleet& fleet = dispatch.snapshot_of(request).fleet;
  Facts facts;
  facts["end"] = in_quotes(dispatch::to_string(record.end));
  facts["told"] = in_quotes(replay::to_string(outcome.told));
  facts["delivered"] = fmt::format("{}", outcome.delivered.count());
  facts["attempts"] = attempts_of(record, fleet);
  facts["refused"] = refused_by(dispatch, request);
  facts["excluded"] = excluded_of(record, fleet);
  facts["not_chosen"] = not_chosen(record, fleet);
  facts["held"] = in_quotes(to_decimal(record.held));
  facts["charged"] = in_quotes(to_decimal(record.charged));
  facts["written_off"] = in_quotes(to_decimal(record.written_off));
  facts["owed"] = owed_for(record, fleet);
  facts["usage"] = usage_of(record.usage);
  facts["last_failure"] = in_quotes(answer::to_string(outcome.last_failure));
  facts["retry_after"] =
      in_quotes(outcome.retry_after ? hanse::to_string(*outcome.retry_after) : "none");
  facts["took"] = in_quotes(hanse::to_string(record.took));
  return facts;
}

// --- The books ---------------------------------------------------------------

std::string decimal(ledger::Sum sum) {
  return in_quotes(to_decimal(Money(static_cast<std::int64_t>(sum))));
}

// The owners of accounts of a kind, with what they owe or are owed; nobody
// with nothing.
std::string balances(const ledger::Ledger& books, std::string_view kind, int sign) {
  std::map<std::string, ledger::Sum> sums;
  const std::string prefix = fmt::format("{}/", kind);
  for (std::size_t i = 0; i < books.accounts(); ++i) {
    const ledger::Account& account = books.account(ledger::AccountNumber(i));
    if (!account.path.starts_with(prefix)) continue;
    const std::string owner = account.path.substr(prefix.size());
    sums[owner.substr(0, owner.find('/'))] += sign * account.balance();
  }
  std::map<std::string, std::string> owners;
  for (const auto& [owner, sum] : sums) {
    if (sum != 0) owners.emplace(owner, decimal(sum));
  }
  return table(owners);
}

Facts books_of(const ledger::Ledger& books) {
  ledger::Sum margin = 0;
  ledger::Sum written_off = 0;
  for (std::size_t i = 0; i < books.accounts(); ++i) {
    const ledger::Account& account = books.account(ledger::AccountNumber(i));
    using enum ledger::AccountKind;
    if (account.kind == revenue || account.kind == cost || account.kind == write_off) {
      margin -= account.balance();
    }
    if (account.kind == write_off) written_off += account.balance();
  }
  return {{"owed_by", balances(books, "receivable", 1)},
          {"owed_to", balances(books, "payable", -1)},
          {"margin", decimal(margin)},
          {"written_off", decimal(written_off)}};
}

// --- The play ----------------------------------------------------------------

class Director final : public replay::Director {
 public:
  explicit Director(const Scenario& scenario)
      : scenario_(scenario), treatments_(scenario.treatments), came_(scenario.asks.size()) {}

  std::optional<MonotonicTime> next_arrival() override {
    if (next_ == scenario_.asks.size()) return std::nullopt;
    return MonotonicTime() + scenario_.asks[next_].at;
  }

  replay::Asked ask(const Snapshot& snapshot) override {
    const std::size_t place = next_++;
    auto asked = asked_of(scenario_.asks[place], snapshot);
    HANSE_CHECK(asked.has_value());  // looked at before the play
    asked->tag = place;
    return *std::move(asked);
  }

  replay::AttemptScript script(const replay::Asked&, std::string_view site, std::uint8_t) override {
    for (Treatment& treatment : treatments_) {
      if (treatment.site != site || treatment.times == 0) continue;
      --treatment.times;
      return treatment.script;
    }
    return {};
  }

  void ended(const replay::Asked& asked, const replay::Outcome& outcome, const Dispatch& dispatch,
             dispatch::RequestRef request) override {
    came_[asked.tag] = facts_of(outcome, dispatch, request);
  }

  // Fails: invalid_input for a name that the snapshot does not know.
  static Result<replay::Asked> asked_of(const Ask& ask, const Snapshot& snapshot);

  [[nodiscard]] std::vector<Facts>& came() { return came_; }

 private:
  const Scenario& scenario_;
  std::vector<Treatment> treatments_;
  std::vector<Facts> came_;
  std::size_t next_ = 0;
};

Result<replay::Asked> Director::asked_of(const Ask& ask, const Snapshot& snapshot) {
  const auto key = snapshot.tenants.keys.find(ask.key);
  const auto alias = snapshot.catalog.aliases.find(ask.alias);
  if (!key || !alias) {
    return invalid_input(fmt::format("request \"{}\": there is no key {} or no alias {}", ask.name,
                                     ask.key, ask.alias));
  }
  const limits::Key& row = snapshot.tenants.keys[*key];
  const limits::Tenant& tenant = snapshot.tenants.tenants[row.tenant];
  const auto text = [](const std::string& header) {
    return header.empty() ? std::nullopt : std::optional<std::string_view>(header);
  };
  const auto labels = gate::resolve_labels(snapshot.labels,
                                           {.tenant_default = gate::LabelSet(tenant.default_labels),
                                            .header = text(ask.data),
                                            .may_relax = row.may_relax});
  if (!labels) return std::unexpected(labels.error());
  const auto latency_class =
      limits::resolve_class(snapshot.catalog, row, *alias, text(ask.latency_class));
  if (!latency_class) return std::unexpected(latency_class.error());

  replay::Asked asked;
  asked.arrived = {.request = {},
                   .key = *key,
                   .alias = *alias,
                   .latency_class = *latency_class,
                   .labels = *labels,
                   .prompt_bytes = ask.prompt_bytes,
                   .prompt_tokens_max = ask.prompt_tokens_max.value_or(Tokens(ask.prompt_bytes)),
                   .output_limit = ask.output_limit.value_or(tenant.output_tokens_default),
                   .choices = ask.choices,
                   .prompts = 1,
                   .streamed = ask.stream};
  asked.prompt = ask.prompt_tokens;
  asked.cached = ask.cached_tokens;
  asked.output = ask.output_tokens;
  asked.leaves_after = ask.leaves_after;
  asked.continuable = ask.continuable;
  asked.deterministic = ask.deterministic;
  return asked;
}

// --- The facts ---------------------------------------------------------------

Status replace_all(std::string& text, const std::vector<Replacement>& replacements) {
  for (const Replacement& replacement : replacements) {
    const std::size_t at = text.find(replacement.text);
    if (at == std::string::npos || text.find(replacement.text, at + 1) != std::string::npos) {
      return invalid_input(
          fmt::format("the configuration has not exactly one \"{}\" to replace", replacement.text));
    }
    text.replace(at, replacement.text.size(), replacement.by);
  }
  return {};
}

Result<SnapshotRef> snapshot_of(const std::string& name, const std::string& text, WallTime now) {
  const config::Loaded loaded = config::load_text(name, text, {.now = now});
  if (loaded.configuration == nullptr) {
    return invalid_input(config::render(loaded.diagnostics, config::Colour::off));
  }
  return config::make_snapshot(*loaded.configuration);
}

Status put_into(replay::VirtualGrid& grid, const Scenario& scenario, const Snapshot& snapshot) {
  for (const SiteChange& change : scenario.site_changes) {
    if (!snapshot.fleet.sites.find(change.site)) {
      return invalid_input(fmt::format("there is no site {}", change.site));
    }
    grid.site_becomes(MonotonicTime() + change.at, change.site, change.becomes);
  }
  for (const Drill& drill : scenario.drills) {
    if (!snapshot.fleet.sites.find(drill.site)) {
      return invalid_input(fmt::format("there is no site {}", drill.site));
    }
    grid.site_drilled(MonotonicTime() + drill.at, drill.site, drill.lasts);
  }
  for (const EngineTells& engine : scenario.tellings) {
    if (!snapshot.fleet.sites.find(engine.site)) {
      return invalid_input(fmt::format("there is no site {}", engine.site));
    }
    grid.site_tells(MonotonicTime() + engine.at, engine.site, engine.telling);
  }
  for (const Treatment& treatment : scenario.treatments) {
    if (snapshot.fleet.sites.find(treatment.site)) continue;
    return invalid_input(fmt::format("there is no site {}", treatment.site));
  }
  for (const Ask& ask : scenario.asks) {
    if (auto asked = Director::asked_of(ask, snapshot); !asked) {
      return std::unexpected(std::move(asked.error()));
    }
  }
  return {};
}

}  // namespace

Result<Came> run_scenario(const Scenario& scenario) {
  std::ifstream file(scenario.config);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) return invalid_input("cannot read " + scenario.config.filename().string());
  const WallTime starts_at = scenario.starts_at.value_or(kStartsAt);
  const std::string name = scenario.config.string();
  if (Status done = replace_all(text, scenario.replace); !done)
    return std::unexpected(done.error());
  const auto snapshot = snapshot_of(name, text, starts_at);
  if (!snapshot) return std::unexpected(snapshot.error());

  replay::GridOptions options;
  options.starts_at = starts_at;
  options.dispatch.attempts_max = scenario.attempts_max;
  Director director(scenario);
  replay::VirtualGrid grid(*snapshot, director, options);
  if (Status done = put_into(grid, scenario, **snapshot); !done) {
    return std::unexpected(done.error());
  }
  for (const Reload& reload : scenario.reloads) {
    if (Status done = replace_all(text, reload.replace); !done) {
      return std::unexpected(done.error());
    }
    const auto changed = snapshot_of(name, text, starts_at);
    if (!changed) return std::unexpected(changed.error());
    grid.snapshot_changes(MonotonicTime() + reload.at, *changed);
  }
  grid.run();
  return Came{.asks = std::move(director.came()),
              .books = books_of(grid.books()),
              .complaints = grid.complaints()};
}

}  // namespace hanse::scenarios
