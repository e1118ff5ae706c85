#include "speed.h"

#include <time.h>

#include <fmt/format.h>

#include "base/check.h"
#include "drivers/replay/simulation.h"
#include "worlds.h"

namespace hanse::simulation {
namespace {

// Of this thread, so that a busy machine does not count.
double cpu_seconds() {
  timespec time{};
  HANSE_CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

replay::SimulationOptions busy_grid() {
  replay::SimulationOptions options;
  options.requests = 12'000;
  options.gap_mean = milliseconds(50);
  for (std::uint32_t& ppm : options.troubles.ppm) ppm = 5'000;
  options.troubles[replay::Trouble::none] = 0;
  options.labels_ppm = 100'000;
  options.client_leaves_ppm = 50'000;
  options.odd_usage_ppm = 10'000;
  options.told_again_ppm = 10'000;
  options.site_good_mean = seconds(120);
  options.domain_good_mean = seconds(300);
  options.drill_every = seconds(120);
  options.slow_link_every = seconds(60);
  options.slow_disk_every = seconds(120);
  options.dispatch.requests_max = 1'024;
  return options;
}

}  // namespace

std::string measure_speed() {
  Facts facts;
  facts.grid = Grid::twelve;
  facts.continuing = 0x5A5U;
  const replay::Plot plot = replay::draw(snapshots_of(facts), busy_grid());
  const double begun = cpu_seconds();
  const replay::SimulationReport report = replay::play(plot);
  const double took = cpu_seconds() - begun;
  HANSE_CHECK(report.holds());
  const auto simulated = static_cast<double>(report.simulated.count()) * 1e-9;
  return fmt::format(
      R"({{"simulated_seconds_per_core_second": {:.0f}, "requests_per_core_second": {:.0f}, )"
      R"("attempts": {}, "tokens": {}, "happenings": {}}})",
      simulated / took, static_cast<double>(report.counts.requests) / took, report.counts.attempts,
      report.delivered.count(), report.counts.happenings);
}

}  // namespace hanse::simulation
