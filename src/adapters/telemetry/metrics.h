// src/adapters/telemetry/metrics.h
// What the gateway counts, in the field's words. docs: each family's HELP.
//
// A request is counted once, when it has ended, from its record; what stands
// still between two scrapes (circuits, open attempts, the journal's position)
// is sampled when a scrape comes. Nothing here is on the path of a token.
//
//   hanse_requests_total{alias,tenant,outcome}             ended requests
//   hanse_request_duration_seconds{alias,class}            arrival to end, of answered ones
//   hanse_time_to_first_token_seconds{alias,class}         arrival to first token, all attempts
//   hanse_inter_token_latency_seconds{variant,site}        time per output token after the first
//   hanse_attempts_total{site,outcome}                     outcome: answered, cancelled or a
//   failure hanse_attempt_time_to_first_token_seconds{site}        attempt opened to first token
//   hanse_first_token_prediction_ratio{site}               measured over predicted
//   hanse_tokens_total{kind,site}                          as reported by the sites
//   hanse_tokens_estimated_total{site}                     of them, counted by us
//   hanse_cost_total{currency,side}                        side: tenant (charged), supplier (owed)
//   hanse_written_off_total{currency}                      above the hold, ours to bear
//   hanse_refusals_total{rule}                             requests a rule refused at a site or
//   more hanse_sites_refused_total                              by the gate, summed over requests
//   hanse_rejections_total{code}                           turned away before dispatch
//   hanse_idempotency_requests_total{outcome}              with an Idempotency-Key that counts:
//   new, joined (while the answer was made), replayed, mismatched, refused (no room)
//   hanse_idempotency_answers, hanse_idempotency_answer_bytes, made or kept;
//   hanse_idempotency_answers_lost_total{why}              not kept for their time: made_room,
//   too_long
//   hanse_open_requests, hanse_attempts_open{site}, hanse_site_queue_depth{site},
//   hanse_outstanding_tokens{site}, hanse_site_circuit{site,state},
//   hanse_site_drilled{site}, hanse_domain_suspected{domain}
//   hanse_site_sign_age_seconds{site}                      of the engine's own numbers; -1: none
//   hanse_site_engine_running{site}, hanse_site_engine_waiting{site},
//   hanse_site_engine_others{site}, hanse_site_kv_cache_use{site}
//   hanse_journal_entries_total, hanse_journal_bytes_total, hanse_journal_syncs_total,
//   hanse_journal_unsynced_entries, hanse_books_lag_entries, hanse_books_lag_seconds
//   hanse_log_lines_dropped_total, hanse_snapshot_changes_total, hanse_calls_sent_again_total,
//   hanse_metric_overflows_total{family}, hanse_build_info{gateway,version,commit,build}
//
// Labels are names of the configuration, outcomes and rules: never a client's
// word, so their number is bounded by the configuration and by each family's
// own bound.
//
// Belongs to the shard's thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/telemetry/metric_registry.h"
#include "base/digest.h"
#include "base/time.h"
#include "core/dispatch/dispatch.h"
#include "core/dispatch/record.h"
#include "core/dispatch/snapshot.h"
#include "core/gate/gate.h"
#include "core/ledger/account.h"

namespace hanse::telemetry {

// Which process this is, to tell several gateways apart.
struct BuildInfo {
  std::string gateway;  // its name in the configuration
  std::string version;
  std::string commit;
  std::string build;  // "release", "debug"
};

// Where the journal and the books behind it stand.
struct JournalSample {
  std::uint64_t entries = 0;  // written since the process started
  std::uint64_t bytes = 0;
  std::uint64_t syncs = 0;
  std::uint64_t unsynced_entries = 0;   // written, not known to be on disk
  std::uint64_t books_lag_entries = 0;  // written, not in the books
  Duration books_lag;                   // age of the oldest of them
};

// The answers of requests with an Idempotency-Key.
struct KeptAnswersSample {
  std::uint64_t answers = 0;  // being made, kept or read
  std::uint64_t bytes = 0;
  // Not kept for their time, since the process started.
  std::uint64_t made_room = 0;
  std::uint64_t too_long = 0;
};

class GatewayMetrics {
 public:
  GatewayMetrics(ledger::Currency currency, const BuildInfo& build);
  ~GatewayMetrics();

  // Counts an ended request. One array of handles per (tenant, alias) and per
  // site is resolved by text when it is first needed under a snapshot;
  // after that nothing is looked up and nothing allocated.
  // Requires: the record was made under `snapshot`.
  void observe(const dispatch::Record& record, const dispatch::Snapshot& snapshot);

  // A request that the gate refused everywhere: which rules did it.
  void observe_refusals(const std::vector<gate::Verdict>& verdicts);
  // A request that never reached dispatch. `code` is a word of ours
  // ("invalid_api_key"), not the client's.
  void observe_rejection(std::string_view code);
  // A request with an Idempotency-Key that counts. `outcome` is a word of ours.
  void observe_idempotency(std::string_view outcome);
  // A call moved off a kept connection that had died.
  void observe_sent_again();
  void observe_snapshot_change();

  // Called when a scrape comes, before write().
  void sample(const dispatch::Dispatch& dispatch, MonotonicTime now);
  void sample(const JournalSample& journal);
  void sample(const KeptAnswersSample& kept);
  void sample_log(std::uint64_t lines_dropped);

  // The answer to a scrape, of type MetricRegistry::kContentType.
  void write(std::string& out) const;

  // For further families of the driver's own.
  MetricRegistry& registry();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hanse::telemetry
