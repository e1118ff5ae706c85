#include "adapters/telemetry/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "adapters/telemetry/testing/example_records.h"
#include "core/ledger/budget.h"

namespace hanse::telemetry {
namespace {

using testing::FourSites;
using ::testing::HasSubstr;
using ::testing::Not;

std::string text_of(const MetricRegistry& registry) {
  std::string text;
  registry.write(text);
  return text;
}

std::string text_of(const GatewayMetrics& metrics) {
  std::string text;
  metrics.write(text);
  return text;
}

TEST(MetricRegistry, WritesCountersGaugesAndHistogramsAsPrometheusReadsThem) {
  MetricRegistry registry;
  const FamilyId requests = registry.add_counters(
      {.name = "requests_total", .help = "All.", .labels = {"site", "outcome"}, .bounds = {}});
  const FamilyId depth =
      registry.add_gauges({.name = "depth", .help = "Deep.", .labels = {}, .bounds = {}});
  const FamilyId wait = registry.add_histograms({.name = "wait_seconds",
                                                 .help = "Long.",
                                                 .labels = {"site"},
                                                 .decimals = 3,
                                                 .bounds = {5, 1'500}});
  registry.counter(requests, {"b", "ok"}).add(2);
  registry.counter(requests, {"a", "ok"}).add();
  registry.gauge(depth, {}).set(-7);
  Histogram histogram = registry.histogram(wait, {"a"});
  histogram.observe(5);
  histogram.observe(6);
  histogram.observe(2'000);
  EXPECT_EQ(histogram.count(), 3U);
  EXPECT_EQ(text_of(registry),
            "# HELP requests_total All.\n"
            "# TYPE requests_total counter\n"
            "requests_total{site=\"a\",outcome=\"ok\"} 1\n"
            "requests_total{site=\"b\",outcome=\"ok\"} 2\n"
            "# HELP depth Deep.\n"
            "# TYPE depth gauge\n"
            "depth -7\n"
            "# HELP wait_seconds Long.\n"
            "# TYPE wait_seconds histogram\n"
            "wait_seconds_bucket{site=\"a\",le=\"0.005\"} 1\n"
            "wait_seconds_bucket{site=\"a\",le=\"1.5\"} 2\n"
            "wait_seconds_bucket{site=\"a\",le=\"+Inf\"} 3\n"
            "wait_seconds_sum{site=\"a\"} 2.011\n"
            "wait_seconds_count{site=\"a\"} 3\n");
}

TEST(MetricRegistry, EscapesLabelValuesAndHelp) {
  MetricRegistry registry;
  const FamilyId family = registry.add_gauges(
      {.name = "odd", .help = "A \\ and a\nline, \"quoted\".", .labels = {"name"}, .bounds = {}});
  registry.gauge(family, {"a\\b\"c\nd"}).set(1);
  EXPECT_EQ(text_of(registry),
            "# HELP odd A \\\\ and a\\nline, \"quoted\".\n"
            "# TYPE odd gauge\n"
            "odd{name=\"a\\\\b\\\"c\\nd\"} 1\n");
}

TEST(MetricRegistry, TheSameLabelsAreTheSameSeries) {
  MetricRegistry registry;
  const FamilyId family =
      registry.add_counters({.name = "n_total", .help = "N.", .labels = {"a"}, .bounds = {}});
  Counter one = registry.counter(family, {"x"});
  Counter two = registry.counter(family, {"x"});
  one.add();
  two.add(4);
  EXPECT_EQ(one.value(), 5U);
}

TEST(MetricRegistry, PastItsBoundAFamilyCountsUnderOther) {
  MetricRegistry registry;
  const FamilyId family = registry.add_counters({.name = "n_total",
                                                 .help = "N.",
                                                 .labels = {"tenant", "outcome"},
                                                 .series_max = 2,
                                                 .bounds = {}});
  for (const std::string_view tenant : {"a", "b", "c", "d", "a"}) {
    registry.counter(family, {tenant, "ok"}).add();
  }
  const std::string text = text_of(registry);
  EXPECT_THAT(text, HasSubstr("n_total{tenant=\"a\",outcome=\"ok\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("n_total{tenant=\"other\",outcome=\"other\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("hanse_metric_overflows_total{family=\"n_total\"} 2\n"));
  EXPECT_THAT(text, Not(HasSubstr("\"c\"")));
}

TEST(MetricRegistry, ATotalThatSomebodyElseKeepsNeverFalls) {
  MetricRegistry registry;
  const FamilyId family =
      registry.add_counters({.name = "n_total", .help = "N.", .labels = {}, .bounds = {}});
  Counter counter = registry.counter(family, {});
  counter.set_total(10);
  counter.set_total(7);
  EXPECT_EQ(counter.value(), 10U);
}

class GatewayMetricsTest : public ::testing::Test {
 protected:
  void observe(const dispatch::Record& record) { metrics.observe(record, grid.snapshot()); }

  FourSites grid;
  GatewayMetrics metrics{
      ledger::Currency{{'E', 'U', 'R'}},
      {.gateway = "north", .version = "0.1.0", .commit = "abc", .build = "release"}};
};

TEST_F(GatewayMetricsTest, AnAnsweredRequestIsCountedEverywhereOnce) {
  observe(testing::answered_record(grid));
  const std::string text = text_of(metrics);
  for (
      const std::string_view line : {
          "hanse_requests_total{alias=\"smollm2\",tenant=\"acme\",outcome=\"answered\"} 1",
          "hanse_request_duration_seconds_sum{alias=\"smollm2\",class=\"interactive\"} 0.642",
          "hanse_time_to_first_token_seconds_sum{alias=\"smollm2\",class=\"interactive\"} 0.16103",
          "hanse_inter_token_latency_seconds_sum{variant=\"smollm2/q4\",site=\"hamburg\"} 0.024",
          R"(hanse_inter_token_latency_seconds_bucket{variant="smollm2/q4",site="hamburg",le="0.025"} 1)",
          "hanse_attempts_total{site=\"hamburg\",outcome=\"answered\"} 1",
          "hanse_attempt_time_to_first_token_seconds_sum{site=\"hamburg\"} 0.161",
          "hanse_first_token_prediction_ratio_sum{site=\"hamburg\"} 1.15",
          "hanse_tokens_total{kind=\"prompt\",site=\"hamburg\"} 38",
          "hanse_tokens_total{kind=\"output\",site=\"hamburg\"} 21",
          "hanse_cost_total{currency=\"EUR\",side=\"tenant\"} 0.00001212",
          "hanse_cost_total{currency=\"EUR\",side=\"supplier\"} 0.00000707",
          "hanse_sites_refused_total 2",
          R"(hanse_build_info{gateway="north",version="0.1.0",commit="abc",build="release"} 1)",
      }) {
    EXPECT_THAT(text, HasSubstr(std::string(line) + "\n"));
  }
  EXPECT_THAT(text, Not(HasSubstr("hanse_tokens_estimated_total{")));
}

TEST_F(GatewayMetricsTest, AFailedAttemptIsCountedAtItsOwnSite) {
  observe(testing::rescued_record(grid));
  const std::string text = text_of(metrics);
  EXPECT_THAT(text, HasSubstr("hanse_attempts_total{site=\"hamburg\",outcome=\"reset\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("hanse_attempts_total{site=\"lyon\",outcome=\"answered\"} 1\n"));
  // The client waited for both: 12.03 ms and 161 ms.
  EXPECT_THAT(text, HasSubstr("hanse_time_to_first_token_seconds_sum{alias=\"smollm2\","
                              "class=\"interactive\"} 0.17303\n"));
}

TEST_F(GatewayMetricsTest, HedgesAreCountedByHowTheyCameOff) {
  dispatch::Record record = testing::answered_record(grid);
  record.attempts.back().hedge = true;
  observe(record);
  EXPECT_THAT(text_of(metrics),
              HasSubstr("hanse_hedges_total{class=\"interactive\",outcome=\"won\"} 1\n"));
}

TEST_F(GatewayMetricsTest, AnAttemptWhoseClientLeftIsCancelled) {
  dispatch::Record record = testing::answered_record(grid);
  record.end = dispatch::End::client_gone;
  observe(record);
  const std::string text = text_of(metrics);
  EXPECT_THAT(text, HasSubstr("hanse_attempts_total{site=\"hamburg\",outcome=\"cancelled\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("outcome=\"client_gone\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("hanse_request_duration_seconds_count{alias=\"smollm2\","
                              "class=\"interactive\"} 0\n"));
}

TEST_F(GatewayMetricsTest, TokensCountedHereAreSaidToBe) {
  dispatch::Record record = testing::answered_record(grid);
  record.attempts[0].usage.estimated = true;
  observe(record);
  EXPECT_THAT(text_of(metrics), HasSubstr("hanse_tokens_estimated_total{site=\"hamburg\"} 59\n"));
}

TEST_F(GatewayMetricsTest, ARuleIsCountedOncePerRequestHoweverManySitesItRefuses) {
  const gate::Refusal rule{.rule = "health-needs-hds", .requirement = "HDS", .facts = {}};
  const gate::Refusal other{.rule = "eu-personal", .requirement = "EU", .facts = {}};
  metrics.observe_refusals({{.site = SiteId(0), .permitted = false, .refusals = {rule, other}},
                            {.site = SiteId(1), .permitted = false, .refusals = {rule}}});
  const std::string text = text_of(metrics);
  EXPECT_THAT(text, HasSubstr("hanse_refusals_total{rule=\"health-needs-hds\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("hanse_refusals_total{rule=\"eu-personal\"} 1\n"));
}

TEST_F(GatewayMetricsTest, TotalsSurviveAChangeOfTheSnapshotByTheirLabels) {
  observe(testing::answered_record(grid));
  // The same names under other ids: the tenants have changed places.
  FourSites changed;
  limits::Tenants& tenants = changed.snapshot().tenants;
  std::swap(tenants.tenants[TenantId(0)], tenants.tenants[TenantId(1)]);
  changed.snapshot().digest = sha256("changed");
  dispatch::Record record = testing::answered_record(changed);
  record.tenant = TenantId(1);
  metrics.observe(record, changed.snapshot());
  // One that began before the change ends after it.
  observe(testing::answered_record(grid));
  EXPECT_THAT(
      text_of(metrics),
      HasSubstr(
          "hanse_requests_total{alias=\"smollm2\",tenant=\"acme\",outcome=\"answered\"} 3\n"));
}

TEST_F(GatewayMetricsTest, JournalAndLogAreSampled) {
  metrics.sample({.entries = 12,
                  .bytes = 3'400,
                  .syncs = 5,
                  .unsynced_entries = 2,
                  .books_lag_entries = 7,
                  .books_lag = milliseconds(1'250)});
  metrics.sample_log(3);
  metrics.observe_rejection("invalid_api_key");
  metrics.observe_snapshot_change();
  metrics.observe_sent_again();
  const std::string text = text_of(metrics);
  for (const std::string_view line :
       {"hanse_journal_entries_total 12", "hanse_journal_bytes_total 3400",
        "hanse_journal_syncs_total 5", "hanse_journal_unsynced_entries 2",
        "hanse_books_lag_entries 7", "hanse_books_lag_seconds 1.25",
        "hanse_log_lines_dropped_total 3", "hanse_snapshot_changes_total 1",
        "hanse_calls_sent_again_total 1", "hanse_rejections_total{code=\"invalid_api_key\"} 1"}) {
    EXPECT_THAT(text, HasSubstr(std::string(line) + "\n"));
  }
}

TEST_F(GatewayMetricsTest, RequestsSentAgainAreCountedInWordsOfTheirOwn) {
  for (const std::string_view outcome : {"new", "joined", "replayed", "replayed"}) {
    metrics.observe_idempotency(outcome);
  }
  metrics.sample(
      telemetry::KeptAnswersSample{.answers = 2, .bytes = 900, .made_room = 3, .too_long = 4});
  const std::string text = text_of(metrics);
  for (const std::string_view line :
       {"hanse_idempotency_requests_total{outcome=\"new\"} 1",
        "hanse_idempotency_requests_total{outcome=\"replayed\"} 2", "hanse_idempotency_answers 2",
        "hanse_idempotency_answer_bytes 900",
        "hanse_idempotency_answers_lost_total{why=\"made_room\"} 3",
        "hanse_idempotency_answers_lost_total{why=\"too_long\"} 4"}) {
    EXPECT_THAT(text, HasSubstr(std::string(line) + "\n"));
  }
}

TEST_F(GatewayMetricsTest, WhatStandsStillIsSampledFromTheDispatch) {
  ledger::Treasurer treasurer;
  ledger::Ledger ledger;
  ASSERT_TRUE(
      ledger.apply({.at = WallTime(1), .body = ledger::EpochStarted{.epoch = ledger::Epoch(1)}})
          .has_value());
  const Instant now{MonotonicTime(1'000), WallTime(1'000)};
  fleet::SlotOwner slots;
  fleet::NobodyElse nobody_else;
  dispatch::Dispatch dispatch(
      grid.shared(), ledger, {.budget = treasurer, .slots = slots, .health = nobody_else}, {}, now);
  dispatch::Actions actions;
  dispatch::Arrived arrived;
  arrived.key = KeyId(0);
  arrived.alias = AliasId(0);
  arrived.latency_class = ClassId(0);
  arrived.prompt_tokens_max = Tokens(100);
  arrived.output_limit = Tokens(64);
  dispatch.on(arrived, now, actions);

  metrics.sample(dispatch, now.monotonic);
  std::string text = text_of(metrics);
  EXPECT_THAT(text, HasSubstr("hanse_open_requests 1\n"));
  EXPECT_THAT(text, HasSubstr("hanse_attempts_open{site=\"ashburn\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("hanse_attempts_open{site=\"lyon\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("hanse_site_queue_depth{site=\"ashburn\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("hanse_site_circuit{site=\"ashburn\",state=\"closed\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("hanse_site_circuit{site=\"ashburn\",state=\"open\"} 0\n"));
  EXPECT_THAT(text, Not(HasSubstr("hanse_outstanding_tokens{site=\"ashburn\"} 0\n")));

  EXPECT_THAT(text, HasSubstr("hanse_site_drilled{site=\"ashburn\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("hanse_domain_suspected{domain=\"country DE\"} 0\n"));
  actions.clear();
  dispatch.on(dispatch::SiteDrilled{.site = SiteId(0), .lasts = seconds(5)}, now, actions);
  for (const std::size_t site : {1U, 2U}) {
    dispatch.on(dispatch::SiteReported{.site = SiteId(site), .finding = fleet::Finding::fails}, now,
                actions);
  }
  metrics.sample(dispatch, now.monotonic);
  text = text_of(metrics);
  EXPECT_THAT(text, HasSubstr("hanse_site_drilled{site=\"ashburn\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("hanse_domain_suspected{domain=\"country DE\"} 1\n"));

  // A change of the snapshot leaves nobody standing at an old value.
  FourSites smaller;
  smaller.snapshot().digest = sha256("smaller");
  smaller.snapshot().fleet.sites[SiteId(0)].name = "ashburn-2";
  actions.clear();
  dispatch.on(dispatch::SnapshotChanged{smaller.shared()}, now, actions);
  metrics.sample(dispatch, now.monotonic);
  text = text_of(metrics);
  EXPECT_THAT(text, HasSubstr("hanse_attempts_open{site=\"ashburn\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("hanse_site_circuit{site=\"ashburn\",state=\"closed\"} 0\n"));
}

}  // namespace
}  // namespace hanse::telemetry
