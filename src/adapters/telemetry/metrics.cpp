#include "adapters/telemetry/metrics.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "adapters/telemetry/attempt_times.h"
#include "base/check.h"
#include "base/usage.h"
#include "core/answer/failure.h"
#include "core/fleet/health.h"

namespace hanse::telemetry {
namespace {

using dispatch::AttemptRecord;
using dispatch::End;
using dispatch::Record;
using dispatch::Snapshot;

constexpr unsigned kNano = 9;
constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::size_t kEnds = static_cast<std::size_t>(End::asked_to_wait) + 1;
constexpr std::size_t kFailures = static_cast<std::size_t>(answer::kLastFailure) + 1;
// How an attempt ended: a failure, `none` standing for answered; or cancelled.
constexpr std::size_t kCancelled = kFailures;
constexpr std::size_t kCircuits = 3;

std::vector<std::int64_t> milliseconds_of(std::initializer_list<std::int64_t> bounds) {
  std::vector<std::int64_t> nanos(bounds);
  for (std::int64_t& bound : nanos) bound *= kMillisecond;
  return nanos;
}

// The bounds of OpenTelemetry's gen_ai.server metrics, with some at either end
// for faster chips and slower sites.
std::vector<std::int64_t> first_token_bounds() {
  return milliseconds_of({1, 5, 10, 20, 40, 60, 80, 100, 250, 500, 750, 1'000, 2'500, 5'000, 7'500,
                          10'000, 20'000, 40'000});
}
std::vector<std::int64_t> token_bounds() {
  auto bounds =
      milliseconds_of({5, 10, 25, 50, 75, 100, 150, 200, 300, 400, 500, 750, 1'000, 2'500});
  bounds.insert(bounds.begin(), kMillisecond * 5 / 2);
  return bounds;
}
std::vector<std::int64_t> duration_bounds() {
  return milliseconds_of({10, 20, 40, 80, 160, 320, 640, 1'280, 2'560, 5'120, 10'240, 20'480,
                          40'960, 81'920, 163'840});
}

std::string_view outcome_name(std::size_t outcome) {
  if (outcome == kCancelled) return "cancelled";
  if (outcome == 0) return "answered";
  return to_string(static_cast<answer::Failure>(outcome));
}

std::size_t outcome_of(const AttemptRecord& attempt, bool cancelled) {
  return cancelled ? kCancelled : static_cast<std::size_t>(attempt.failure);
}

// All that is counted of a site.
struct SiteSeries {
  std::array<Counter, kFailures + 1> attempts;
  std::array<Counter, kTokenKinds> tokens;
  Counter estimated;
  Histogram first_token;
  Histogram prediction_ratio;
};

struct ClassSeries {
  Histogram duration;
  Histogram first_token;
};

using EndSeries = std::array<Counter, kEnds>;

// The handles of one snapshot, by its dense ids. Empty ones are resolved when
// they are first needed.
struct Handles {
  Sha256 digest;
  // By tenant, by alias; null until a tenant has asked for the alias.
  std::vector<std::vector<std::unique_ptr<EndSeries>>> ends;
  std::vector<ClassSeries> classes;  // by alias, by class
  std::vector<SiteSeries> sites;
  std::vector<Histogram> per_token;  // by offer

  explicit Handles(const Snapshot& snapshot)
      : digest(snapshot.digest),
        ends(snapshot.tenants.tenants.size()),
        classes(snapshot.catalog.aliases.size() * snapshot.catalog.classes.size()),
        sites(snapshot.fleet.sites.size()),
        per_token(snapshot.fleet.offers.size()) {}
};

struct FamilyBounds {
  unsigned decimals = 0;
  std::size_t series_max = 10'000;
};

struct SiteGauges {
  Gauge attempts_open;
  Gauge queue_depth;
  Gauge outstanding_tokens;
  Gauge drilled;
  Gauge sign_age, engine_running, engine_waiting, engine_others, kv_cache_use;
  std::array<Gauge, kCircuits> circuit;
};

// `told` is null when the site's engine has told nothing that counts.
void tell_sign(SiteGauges& gauges, const fleet::SignBook::Told* told, MonotonicTime now) {
  const fleet::Sign sign = told == nullptr ? fleet::Sign() : told->sign;
  gauges.sign_age.set(told == nullptr ? -seconds(1).count() : elapsed(told->at, now).count());
  gauges.engine_running.set(sign.running);
  gauges.engine_waiting.set(sign.waiting);
  gauges.engine_others.set(told == nullptr ? 0 : told->others);
  gauges.kv_cache_use.set(sign.kv_use_ppm.value_or(0));
}

}  // namespace

struct GatewayMetrics::State {
  State(ledger::Currency used_currency, const BuildInfo& build);

  Handles& handles_for(const Snapshot& snapshot);
  void observe_attempt(const AttemptRecord& attempt, bool cancelled, const Record& record,
                       const Snapshot& snapshot, Handles& handles);
  void observe_tokens(const Usage& usage, SiteSeries& series, const std::string& site);
  void bind_gauges(const Snapshot& snapshot);

  FamilyId counters(std::string name, std::string help, std::vector<std::string> labels,
                    FamilyBounds bounds = {});
  FamilyId gauges(std::string name, std::string help, std::vector<std::string> labels,
                  FamilyBounds bounds = {});
  FamilyId histograms(std::string name, std::string help, std::vector<std::string> labels,
                      std::vector<std::int64_t> bounds, unsigned decimals = kNano);
  // Of a family without labels.
  Counter counter(std::string name, std::string help) {
    return registry.counter(counters(std::move(name), std::move(help), {}), {});
  }
  Gauge gauge(std::string name, std::string help, FamilyBounds bounds = {}) {
    return registry.gauge(gauges(std::move(name), std::move(help), {}, bounds), {});
  }
  void add_request_families();
  void add_site_families();
  void add_sign_families();
  void bind_signs(SiteGauges& gauges, const std::string& site);
  void add_idempotency_families();
  void add_money_families();

  MetricRegistry registry;
  std::string currency;

  FamilyId requests, rescues, hedges, request_duration, request_queueing, time_to_first_token,
      inter_token_latency;
  FamilyId attempts, attempt_first_token, prediction_ratio;
  FamilyId tokens, tokens_estimated;
  FamilyId refusals, rejections, idempotency;
  FamilyId attempts_open, queue_depth, outstanding_tokens, site_circuit, site_drilled;
  FamilyId domain_suspected;
  FamilyId sign_age, engine_running, engine_waiting, engine_others, kv_cache_use;

  Counter charged, owed, written_off, sites_refused;
  Counter journal_entries, journal_bytes, journal_syncs, log_dropped, snapshot_changes, sent_again;
  Counter answers_made_room, answers_too_long;
  Gauge kept_answers, kept_answer_bytes;
  Gauge open_requests, queued_requests, journal_unsynced, books_lag_entries, books_lag;

  // Requests end under the snapshot they began with, so for a while after a
  // change two are in use.
  std::optional<Handles> now;
  std::optional<Handles> before;

  Sha256 gauges_of;
  std::vector<SiteGauges> site_gauges;  // by the sites of that snapshot
};

GatewayMetrics::State::State(ledger::Currency used_currency, const BuildInfo& build)
    : currency(used_currency.text()) {
  add_request_families();
  add_idempotency_families();
  add_site_families();
  add_sign_families();
  add_money_families();
  const FamilyId info = gauges("hanse_build_info", "1, with the gateway's name and what was built.",
                               {"gateway", "version", "commit", "build"});
  registry.gauge(info, {build.gateway, build.version, build.commit, build.build}).set(1);
}

FamilyId GatewayMetrics::State::counters(std::string name, std::string help,
                                         std::vector<std::string> labels, FamilyBounds bounds) {
  return registry.add_counters({.name = std::move(name),
                                .help = std::move(help),
                                .labels = std::move(labels),
                                .decimals = bounds.decimals,
                                .series_max = bounds.series_max,
                                .bounds = {}});
}

FamilyId GatewayMetrics::State::gauges(std::string name, std::string help,
                                       std::vector<std::string> labels, FamilyBounds bounds) {
  return registry.add_gauges({.name = std::move(name),
                              .help = std::move(help),
                              .labels = std::move(labels),
                              .decimals = bounds.decimals,
                              .series_max = bounds.series_max,
                              .bounds = {}});
}

FamilyId GatewayMetrics::State::histograms(std::string name, std::string help,
                                           std::vector<std::string> labels,
                                           std::vector<std::int64_t> bounds, unsigned decimals) {
  return registry.add_histograms({.name = std::move(name),
                                  .help = std::move(help),
                                  .labels = std::move(labels),
                                  .decimals = decimals,
                                  .series_max = 2'000,
                                  .bounds = std::move(bounds)});
}

void GatewayMetrics::State::add_request_families() {
  requests = counters("hanse_requests_total", "Requests that have ended, by how.",
                      {"alias", "tenant", "outcome"});
  request_duration =
      histograms("hanse_request_duration_seconds", "From arrival to the end of answered requests.",
                 {"alias", "class"}, duration_bounds());
  time_to_first_token = histograms("hanse_time_to_first_token_seconds",
                                   "From arrival to the first token, all attempts included.",
                                   {"alias", "class"}, first_token_bounds());
  request_queueing =
      histograms("hanse_request_queueing_seconds",
                 "How long requests waited for a site that has room, of those that did.",
                 {"alias", "class"}, first_token_bounds());
  refusals = counters("hanse_refusals_total",
                      "Requests without a lawful site, by each rule that refused one.", {"rule"});
  rescues = counters("hanse_rescues_total",
                     "Answers that broke off in mid-stream and were gone on with, by how, and "
                     "whether the client got them whole.",
                     {"how", "outcome"}, {.series_max = 8});
  hedges = counters("hanse_hedges_total",
                    "Second attempts beside one that was late, by the latency class that asks "
                    "for them: whether they answered first (won), the other did or they failed "
                    "(lost), or nobody had when the request ended (dropped).",
                    {"class", "outcome"}, {.series_max = 96});
  rejections = counters("hanse_rejections_total",
                        "Requests turned away before they were placed, by error code.", {"code"},
                        {.series_max = 64});
  sites_refused =
      counter("hanse_sites_refused_total", "Sites that the gate refused, over all requests.");
  open_requests = gauge("hanse_open_requests", "Requests that have arrived and not ended.");
  queued_requests =
      gauge("hanse_queued_requests", "Of them, those that wait for a site that has room.");
  snapshot_changes =
      counter("hanse_snapshot_changes_total", "Configurations put to work after the first.");
  sent_again = counter("hanse_calls_sent_again_total",
                       "Calls that a kept connection lost, sent again on a fresh one.");
  log_dropped = counter("hanse_log_lines_dropped_total",
                        "Lines of the log that were dropped because it could not keep up.");
}

void GatewayMetrics::State::add_idempotency_families() {
  idempotency =
      counters("hanse_idempotency_requests_total",
               "Requests with an Idempotency-Key that counts: new, joined to one under "
               "way, replayed, mismatched (another question) or refused for want of room.",
               {"outcome"}, {.series_max = 8});
  kept_answers = gauge("hanse_idempotency_answers",
                       "Answers of such requests that are being made, kept or read.");
  kept_answer_bytes = gauge("hanse_idempotency_answer_bytes", "Their bytes.");
  const FamilyId lost =
      counters("hanse_idempotency_answers_lost_total",
               "Such answers that were not kept for their time: they made room for others, or "
               "were too long.",
               {"why"}, {.series_max = 4});
  answers_made_room = registry.counter(lost, {"made_room"});
  answers_too_long = registry.counter(lost, {"too_long"});
}

void GatewayMetrics::State::add_site_families() {
  attempts = counters("hanse_attempts_total",
                      "Attempts that have ended: answered, cancelled, or how they failed.",
                      {"site", "outcome"});
  attempt_first_token = histograms("hanse_attempt_time_to_first_token_seconds",
                                   "From the opening of an attempt to its first token.", {"site"},
                                   first_token_bounds());
  inter_token_latency =
      histograms("hanse_inter_token_latency_seconds", "Time per output token after the first.",
                 {"variant", "site"}, token_bounds());
  prediction_ratio =
      histograms("hanse_first_token_prediction_ratio",
                 "Time to first token of an attempt, measured over predicted.", {"site"},
                 {250, 500, 750, 900, 1'100, 1'250, 1'500, 2'000, 4'000, 8'000}, 3);
  tokens =
      counters("hanse_tokens_total", "Tokens that sites were used for, by kind.", {"kind", "site"});
  tokens_estimated = counters("hanse_tokens_estimated_total",
                              "Tokens counted here because the site reported none.", {"site"});
  attempts_open = gauges("hanse_attempts_open", "Attempts under way.", {"site"});
  queue_depth = gauges("hanse_site_queue_depth",
                       "Attempts under way beyond what the site works on at a time.", {"site"});
  outstanding_tokens = gauges("hanse_outstanding_tokens",
                              "Prompt and expected output of all attempts under way.", {"site"});
  site_circuit =
      gauges("hanse_site_circuit", "1 for the state the site's circuit is in.", {"site", "state"});
  site_drilled =
      gauges("hanse_site_drilled", "1 while an operator leaves the site out on purpose.", {"site"});
  domain_suspected =
      gauges("hanse_domain_suspected",
             "1 while a supplier or country is left to trials because its sites failed together.",
             {"domain"});
}

void GatewayMetrics::State::add_sign_families() {
  sign_age = gauges("hanse_site_sign_age_seconds",
                    "Age of what the site's engine last told of itself; -1 when that is nothing "
                    "or too old to count.",
                    {"site"}, {.decimals = kNano});
  engine_running =
      gauges("hanse_site_engine_running", "Sequences that the engine says it works on.", {"site"});
  engine_waiting =
      gauges("hanse_site_engine_waiting", "Sequences that the engine says wait in it.", {"site"});
  engine_others = gauges("hanse_site_engine_others",
                         "Sequences at the engine, by its own count, that are not ours.", {"site"});
  kv_cache_use =
      gauges("hanse_site_kv_cache_use", "Share of its KV cache that the engine says is in use.",
             {"site"}, {.decimals = 6});
}

void GatewayMetrics::State::bind_signs(SiteGauges& gauges, const std::string& site) {
  gauges.sign_age = registry.gauge(sign_age, {site});
  gauges.engine_running = registry.gauge(engine_running, {site});
  gauges.engine_waiting = registry.gauge(engine_waiting, {site});
  gauges.engine_others = registry.gauge(engine_others, {site});
  gauges.kv_cache_use = registry.gauge(kv_cache_use, {site});
}

void GatewayMetrics::State::add_money_families() {
  const FamilyId cost =
      counters("hanse_cost_total",
               "What tenants are charged and what suppliers are owed, in units of the currency.",
               {"currency", "side"}, {.decimals = kNano});
  charged = registry.counter(cost, {currency, "tenant"});
  owed = registry.counter(cost, {currency, "supplier"});
  written_off = registry.counter(
      counters("hanse_written_off_total", "Cost above the hold: ours, never the tenant's.",
               {"currency"}, {.decimals = kNano}),
      {currency});
  journal_entries = counter("hanse_journal_entries_total", "Entries written to the journal.");
  journal_bytes = counter("hanse_journal_bytes_total", "Bytes written to the journal.");
  journal_syncs = counter("hanse_journal_syncs_total", "Times the journal was forced to disk.");
  journal_unsynced =
      gauge("hanse_journal_unsynced_entries", "Entries written that are not known to be on disk.");
  books_lag_entries =
      gauge("hanse_books_lag_entries", "Entries of the journal that are not in the books yet.");
  books_lag = gauge("hanse_books_lag_seconds", "Age of the oldest entry that is not in the books.",
                    {.decimals = kNano});
}

// --- Ended requests --------------------------------------------------------

Handles& GatewayMetrics::State::handles_for(const Snapshot& snapshot) {
  if (now && now->digest == snapshot.digest) return *now;
  if (before && before->digest == snapshot.digest) {
    std::swap(now, before);
    return *now;
  }
  before = std::move(now);
  return now.emplace(snapshot);
}

void GatewayMetrics::State::observe_tokens(const Usage& usage, SiteSeries& series,
                                           const std::string& site) {
  std::uint64_t all = 0;
  for (const TokenKind kind : kAllTokenKinds) {
    const auto count =
        static_cast<std::uint64_t>(std::max<std::int64_t>(usage.tokens[kind].count(), 0));
    if (count == 0) continue;
    Counter& counter = series.tokens[static_cast<std::size_t>(kind)];
    if (!counter.resolved()) counter = registry.counter(tokens, {to_string(kind), site});
    counter.add(count);
    all += count;
  }
  if (!usage.estimated) return;
  if (!series.estimated.resolved()) series.estimated = registry.counter(tokens_estimated, {site});
  series.estimated.add(all);
}

void GatewayMetrics::State::observe_attempt(const AttemptRecord& attempt, bool cancelled,
                                            const Record& record, const Snapshot& snapshot,
                                            Handles& handles) {
  const std::string& site = snapshot.fleet.sites[attempt.site].name;
  SiteSeries& series = handles.sites[attempt.site.value()];
  const std::size_t outcome = outcome_of(attempt, cancelled);
  Counter& ended = series.attempts[outcome];
  if (!ended.resolved()) ended = registry.counter(attempts, {site, outcome_name(outcome)});
  ended.add();

  if (attempt.first_token) {
    if (!series.first_token.resolved()) {
      series.first_token = registry.histogram(attempt_first_token, {site});
      series.prediction_ratio = registry.histogram(prediction_ratio, {site});
    }
    series.first_token.observe(attempt.first_token->count());
    const auto& best = attempt.decision.best;
    const std::int64_t predicted = best.empty() ? 0 : best[0].prediction.first_token.count();
    if (predicted > 0) {
      series.prediction_ratio.observe(static_cast<std::int64_t>(
          static_cast<__int128>(attempt.first_token->count()) * 1'000 / predicted));
    }
  }
  if (const auto per_token = time_per_token(attempt, record.choices)) {
    const OfferId offer = attempt.decision.chosen;
    Histogram& histogram = handles.per_token[offer.value()];
    if (!histogram.resolved()) {
      const VariantId variant = snapshot.fleet.offers[offer].variant;
      histogram =
          registry.histogram(inter_token_latency, {snapshot.catalog.variants[variant].name, site});
    }
    histogram.observe(per_token->count());
  }
  observe_tokens(attempt.usage, series, site);
  owed.add(static_cast<std::uint64_t>(std::max<std::int64_t>(attempt.owed.count(), 0)));
}

GatewayMetrics::GatewayMetrics(ledger::Currency currency, const BuildInfo& build)
    : state_(std::make_unique<State>(currency, build)) {}
GatewayMetrics::~GatewayMetrics() = default;

void GatewayMetrics::observe(const Record& record, const Snapshot& snapshot) {
  State& state = *state_;
  Handles& handles = state.handles_for(snapshot);
  const std::string& alias = snapshot.catalog.aliases[record.alias].name;

  auto& of_tenant = handles.ends[record.tenant.value()];
  if (of_tenant.empty()) of_tenant.resize(snapshot.catalog.aliases.size());
  std::unique_ptr<EndSeries>& ends = of_tenant[record.alias.value()];
  if (ends == nullptr) ends = std::make_unique<EndSeries>();
  Counter& ended = (*ends)[static_cast<std::size_t>(record.end)];
  if (!ended.resolved()) {
    const std::string& tenant = snapshot.tenants.tenants[record.tenant].name;
    ended = state.registry.counter(state.requests, {alias, tenant, to_string(record.end)});
  }
  ended.add();

  ClassSeries& of_class = handles.classes[record.alias.value() * snapshot.catalog.classes.size() +
                                          record.latency_class.value()];
  if (!of_class.duration.resolved()) {
    const std::string& name = snapshot.catalog.classes[record.latency_class].name;
    of_class.duration = state.registry.histogram(state.request_duration, {alias, name});
    of_class.first_token = state.registry.histogram(state.time_to_first_token, {alias, name});
  }
  if (record.end == End::answered) of_class.duration.observe(record.took.count());

  for (const AttemptRecord& attempt : record.attempts) {
    state.observe_attempt(attempt, was_cancelled(record, attempt), record, snapshot, handles);
  }
  if (const auto first = first_token_of(record)) of_class.first_token.observe(first->count());
  if (record.queued > Duration()) {
    const std::string& name = snapshot.catalog.classes[record.latency_class].name;
    state.registry.histogram(state.request_queueing, {alias, name}).observe(record.queued.count());
  }
  if (const auto how = rescue_of(record)) {
    const std::string_view outcome = record.end == End::answered ? "answered" : "lost";
    state.registry.counter(state.rescues, {to_string(*how), outcome}).add();
  }
  if (const dispatch::Hedging hedging = hedging_of(record); hedging != dispatch::Hedging::none) {
    const std::string& name = snapshot.catalog.classes[record.latency_class].name;
    state.registry.counter(state.hedges, {name, to_string(hedging)}).add();
  }
  state.sites_refused.add(record.sites_refused);
  state.charged.add(static_cast<std::uint64_t>(std::max<std::int64_t>(record.charged.count(), 0)));
  state.written_off.add(
      static_cast<std::uint64_t>(std::max<std::int64_t>(record.written_off.count(), 0)));
}

// --- Off the path ----------------------------------------------------------

void GatewayMetrics::observe_refusals(const std::vector<gate::Verdict>& verdicts) {
  std::set<std::string_view> rules;
  for (const gate::Verdict& verdict : verdicts) {
    for (const gate::Refusal& refusal : verdict.refusals) rules.insert(refusal.rule);
  }
  for (const std::string_view rule : rules) {
    state_->registry.counter(state_->refusals, {rule}).add();
  }
}

void GatewayMetrics::observe_rejection(std::string_view code) {
  state_->registry.counter(state_->rejections, {code}).add();
}

void GatewayMetrics::observe_idempotency(std::string_view outcome) {
  state_->registry.counter(state_->idempotency, {outcome}).add();
}

void GatewayMetrics::observe_sent_again() { state_->sent_again.add(); }

void GatewayMetrics::observe_snapshot_change() { state_->snapshot_changes.add(); }

void GatewayMetrics::State::bind_gauges(const Snapshot& snapshot) {
  if (!site_gauges.empty() && gauges_of == snapshot.digest) return;
  // Sites that are gone must not stand still at their last value.
  for (SiteGauges& gauges : site_gauges) {
    for (Gauge* gauge : {&gauges.attempts_open, &gauges.queue_depth, &gauges.outstanding_tokens,
                         &gauges.drilled}) {
      gauge->set(0);
    }
    for (Gauge& state : gauges.circuit) state.set(0);
    tell_sign(gauges, nullptr, MonotonicTime());
  }
  gauges_of = snapshot.digest;
  site_gauges.clear();
  for (const fleet::Site& site : snapshot.fleet.sites) {
    SiteGauges& gauges = site_gauges.emplace_back();
    gauges.attempts_open = registry.gauge(attempts_open, {site.name});
    gauges.queue_depth = registry.gauge(queue_depth, {site.name});
    gauges.outstanding_tokens = registry.gauge(outstanding_tokens, {site.name});
    gauges.drilled = registry.gauge(site_drilled, {site.name});
    bind_signs(gauges, site.name);
    for (std::size_t i = 0; i < kCircuits; ++i) {
      gauges.circuit[i] =
          registry.gauge(site_circuit, {site.name, to_string(static_cast<fleet::Circuit>(i))});
    }
  }
}

void GatewayMetrics::sample(const dispatch::Dispatch& dispatch, MonotonicTime now) {
  const dispatch::World& world = dispatch.world();
  const Snapshot& snapshot = *world.snapshot;
  state_->bind_gauges(snapshot);
  state_->open_requests.set(static_cast<std::int64_t>(dispatch.open_requests()));
  state_->queued_requests.set(static_cast<std::int64_t>(dispatch.queued_requests()));

  std::vector<std::int64_t> tokens(snapshot.fleet.sites.size(), 0);
  snapshot.fleet.offers.for_each([&](OfferId id, const fleet::Offer& offer) {
    tokens[offer.site.value()] += world.placement.loads().of(id).outstanding_tokens.count();
  });
  snapshot.fleet.sites.for_each([&](SiteId id, const fleet::Site& site) {
    SiteGauges& gauges = state_->site_gauges[id.value()];
    const std::int64_t open = dispatch.attempts_at(id);
    gauges.attempts_open.set(open);
    gauges.queue_depth.set(std::max<std::int64_t>(open - site.slots, 0));
    gauges.outstanding_tokens.set(tokens[id.value()]);
    gauges.drilled.set(dispatch.drill_ends(id, now) ? 1 : 0);
    tell_sign(gauges, dispatch.sign_of(id), now);
    const auto circuit = static_cast<std::size_t>(dispatch.health_of(id).circuit);
    for (std::size_t i = 0; i < kCircuits; ++i) gauges.circuit[i].set(i == circuit ? 1 : 0);
  });
  for (const fleet::DomainBook::Domain& domain : dispatch.domains().domains()) {
    state_->registry.gauge(state_->domain_suspected, {domain.name}).set(domain.suspected ? 1 : 0);
  }
}

void GatewayMetrics::sample(const JournalSample& journal) {
  state_->journal_entries.set_total(journal.entries);
  state_->journal_bytes.set_total(journal.bytes);
  state_->journal_syncs.set_total(journal.syncs);
  state_->journal_unsynced.set(static_cast<std::int64_t>(journal.unsynced_entries));
  state_->books_lag_entries.set(static_cast<std::int64_t>(journal.books_lag_entries));
  state_->books_lag.set(journal.books_lag.count());
}

void GatewayMetrics::sample(const KeptAnswersSample& kept) {
  state_->kept_answers.set(static_cast<std::int64_t>(kept.answers));
  state_->kept_answer_bytes.set(static_cast<std::int64_t>(kept.bytes));
  state_->answers_made_room.set_total(kept.made_room);
  state_->answers_too_long.set_total(kept.too_long);
}

void GatewayMetrics::sample_log(std::uint64_t lines_dropped) {
  state_->log_dropped.set_total(lines_dropped);
}

void GatewayMetrics::write(std::string& out) const { state_->registry.write(out); }

MetricRegistry& GatewayMetrics::registry() { return state_->registry; }

}  // namespace hanse::telemetry
