#include "adapters/telemetry/metrics.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "adapters/telemetry/attempt_times.h"
#include "adapters/telemetry/metrics_state.h"
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

std::string_view outcome_name(std::size_t outcome) {
  if (outcome == kCancelled) return "cancelled";
  if (outcome == 0) return "answered";
  return to_string(static_cast<answer::Failure>(outcome));
}

std::size_t outcome_of(const AttemptRecord& attempt, bool cancelled) {
  return cancelled ? kCancelled : static_cast<std::size_t>(attempt.failure);
}

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
      std::int64_t thousandfold = 0;
      if (__builtin_mul_overflow(attempt.first_token->count(), 1'000, &thousandfold)) {
        thousandfold = std::numeric_limits<std::int64_t>::max();
      }
      series.prediction_ratio.observe(thousandfold / predicted);
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

void GatewayMetrics::State::bind_signs(SiteGauges& gauges, const std::string& site) {
  gauges.sign_age = registry.gauge(sign_age, {site});
  gauges.engine_running = registry.gauge(engine_running, {site});
  gauges.engine_waiting = registry.gauge(engine_waiting, {site});
  gauges.engine_others = registry.gauge(engine_others, {site});
  gauges.kv_cache_use = registry.gauge(kv_cache_use, {site});
}

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
