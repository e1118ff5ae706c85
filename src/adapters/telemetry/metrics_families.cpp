// The families of series, with what people are told of them.
#include "adapters/telemetry/metrics_state.h"

namespace hanse::telemetry {
namespace {

constexpr std::int64_t kMillisecond = 1'000'000;

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

}  // namespace

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

}  // namespace hanse::telemetry
