// What a request pays to be counted, recorded and logged, and what a scrape
// holds up the loop for.
#include <benchmark/benchmark.h>

#include <string>

#include "adapters/telemetry/log.h"
#include "adapters/telemetry/metrics.h"
#include "adapters/telemetry/testing/example_records.h"
#include "core/dispatch/record_codec.h"
#include "core/dispatch/recording.h"

namespace {

using namespace hanse;
using dispatch::testing::FourSites;

constexpr ledger::Currency kEuro{{'E', 'U', 'R'}};

dispatch::RecordExtras traced() {
  dispatch::RecordExtras extras;
  extras.trace_id.fill(0x4B);
  return extras;
}

void write_record(benchmark::State& state) {
  const FourSites grid;
  const dispatch::Record record = telemetry::testing::answered_record(grid);
  const dispatch::RecordExtras extras = traced();
  std::string out;
  for (auto _ : state) {
    out.clear();
    dispatch::write_record(record, extras, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.counters["bytes"] = static_cast<double>(out.size());
}
BENCHMARK(write_record);

void read_and_check_record(benchmark::State& state) {
  const FourSites grid;
  std::string bytes;
  dispatch::write_record(telemetry::testing::answered_record(grid), traced(), bytes);
  for (auto _ : state) {
    auto stored = dispatch::read_record(bytes);
    benchmark::DoNotOptimize(dispatch::check_record(stored->record, grid.snapshot()));
  }
}
BENCHMARK(read_and_check_record);

void observe_request(benchmark::State& state) {
  const FourSites grid;
  const dispatch::Record record = telemetry::testing::answered_record(grid);
  telemetry::GatewayMetrics metrics(kEuro, {});
  for (auto _ : state) metrics.observe(record, grid.snapshot());
}
BENCHMARK(observe_request);

void record_event(benchmark::State& state) {
  const FourSites grid;
  dispatch::RecordingStart start;
  start.snapshot = grid.snapshot().digest;
  std::string out;
  dispatch::RecordingWriter writer(out, start);
  writer.snapshot(start.snapshot, "");
  dispatch::Event event = dispatch::Progressed{.request = {1'234, 56}, .output = Tokens(100)};
  Instant now = start.at;
  out.clear();
  std::size_t bytes = 0;
  for (auto _ : state) {
    now.monotonic = now.monotonic + microseconds(100);
    now.wall = now.wall + microseconds(100);
    writer.event(event, now, 0x0123456789ABCDEF);
    bytes = out.size();
    out.clear();
  }
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(record_event);

// A scrape with this many sites, all of which have served.
void scrape(benchmark::State& state) {
  FourSites grid;
  dispatch::Snapshot& snapshot = grid.snapshot();
  const auto sites = static_cast<std::size_t>(state.range(0));
  while (snapshot.fleet.sites.size() < sites) {
    fleet::Site site = snapshot.fleet.sites[SiteId(0)];
    site.name = "site-" + std::to_string(snapshot.fleet.sites.size());
    fleet::Offer offer = snapshot.fleet.offers[OfferId(0)];
    offer.name = site.name + "/smollm2/q4";
    offer.site = snapshot.fleet.sites.add(std::move(site));
    snapshot.fleet.offers.add(std::move(offer));
    snapshot.fleet.links.push_back(snapshot.fleet.links[0]);
  }
  telemetry::GatewayMetrics metrics(kEuro, {});
  dispatch::Record record = telemetry::testing::answered_record(grid);
  snapshot.fleet.offers.for_each([&](OfferId id, const fleet::Offer& offer) {
    record.attempts[0].site = offer.site;
    record.attempts[0].decision.chosen = id;
    metrics.observe(record, snapshot);
  });
  std::string out;
  for (auto _ : state) {
    out.clear();
    metrics.write(out);
  }
  state.counters["bytes"] = static_cast<double>(out.size());
}
BENCHMARK(scrape)->Arg(4)->Arg(100)->Arg(1'000)->Unit(benchmark::kMicrosecond);

void log_line(benchmark::State& state) {
  auto log = telemetry::Log::open(
      {.file = "/dev/null", .now = [] { return WallTime(1'795'408'561'250'000'000); }});
  for (auto _ : state) {
    log->warning("an attempt failed", {telemetry::field::site("hamburg"),
                                       telemetry::field::failure(answer::Failure::reset),
                                       telemetry::field::http_status(502),
                                       telemetry::field::duration("took", microseconds(1'250))});
  }
}
BENCHMARK(log_line);

}  // namespace
