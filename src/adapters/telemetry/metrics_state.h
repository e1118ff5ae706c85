// What GatewayMetrics counts with: the families of series, and the handles to
// those that are in use. Private to metrics*.cpp.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapters/telemetry/metrics.h"
#include "base/usage.h"
#include "core/answer/failure.h"

namespace hanse::telemetry {

inline constexpr unsigned kNano = 9;
inline constexpr std::size_t kEnds = static_cast<std::size_t>(dispatch::End::asked_to_wait) + 1;
inline constexpr std::size_t kFailures = static_cast<std::size_t>(answer::kLastFailure) + 1;
// How an attempt ended: a failure, `none` standing for answered; or cancelled.
inline constexpr std::size_t kCancelled = kFailures;
inline constexpr std::size_t kCircuits = 3;

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

  explicit Handles(const dispatch::Snapshot& snapshot)
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

struct GatewayMetrics::State {
  State(ledger::Currency used_currency, const BuildInfo& build);

  Handles& handles_for(const dispatch::Snapshot& snapshot);
  void observe_attempt(const dispatch::AttemptRecord& attempt, bool cancelled,
                       const dispatch::Record& record, const dispatch::Snapshot& snapshot,
                       Handles& handles);
  void observe_tokens(const Usage& usage, SiteSeries& series, const std::string& site);
  void bind_gauges(const dispatch::Snapshot& snapshot);

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

}  // namespace hanse::telemetry
