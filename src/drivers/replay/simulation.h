// src/drivers/replay/simulation.h
// A run drawn from a seed: who asks what and when, and all that goes wrong.
//
// The same snapshot and options give the same run, action for action, in
// every build: what is drawn is integers only. A run that breaks a rule says
// which one, and its seed is all that is needed to see it again.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/money.h"
#include "base/time.h"
#include "core/dispatch/dispatch.h"
#include "drivers/replay/trouble.h"
#include "drivers/replay/virtual_grid.h"

namespace hanse::replay {

// How often of a million attempts, by Trouble; what is left goes well.
struct TroubleRates {
  std::array<std::uint32_t, kTroubles> ppm{};

  std::uint32_t& operator[](Trouble trouble) { return ppm[static_cast<std::size_t>(trouble)]; }
  std::uint32_t operator[](Trouble trouble) const { return ppm[static_cast<std::size_t>(trouble)]; }
};

struct SimulationOptions {
  std::uint64_t seed = 1;
  std::uint64_t requests = 200;
  Duration gap_mean = milliseconds(50);  // between two requests
  std::int64_t prompt_tokens_max = 4'000;
  std::int64_t output_tokens_max = 600;
  TroubleRates troubles;
  std::uint32_t client_leaves_ppm = 0;
  std::uint32_t odd_usage_ppm = 0;  // absent, too much, or absurd
  std::uint32_t late_news_ppm = 0;
  // How long a site works and does not work, in the mean; a good time of zero
  // says that sites always work.
  Duration site_good_mean;
  Duration site_bad_mean = seconds(10);
  // Changed to one after the other, at even times.
  std::vector<dispatch::SnapshotRef> later_snapshots;
  WallTime starts_at{1'800'000'000'000'000'000};  // in January 2027
  dispatch::DispatchOptions dispatch;
};

// Options of which a third is on at a time, at rates of their own: bugs that
// need one thing often and another never are found sooner so than by runs
// that are all alike (swarm testing; Groce and others, 2012).
SimulationOptions swarm(std::uint64_t seed);

inline constexpr std::size_t kEnds = 13;  // values of dispatch::End

struct SimulationReport {
  std::uint64_t seed = 0;
  std::uint64_t digest = 0;  // of all actions and their times
  GridCounts counts;
  std::array<std::uint64_t, kEnds> ends{};  // by dispatch::End
  Duration simulated;
  Tokens delivered{0};
  Money charged;
  Money owed;  // to suppliers
  Money written_off;
  // Rules that were broken, as sentences; a run stops at the first.
  std::vector<std::string> complaints;

  [[nodiscard]] bool holds() const { return complaints.empty(); }
};

SimulationReport run_simulation(const dispatch::SnapshotRef& snapshot,
                                const SimulationOptions& options);
// The same, written to `recording` as `serve --record` writes a live run.
SimulationReport run_simulation(const dispatch::SnapshotRef& snapshot,
                                const SimulationOptions& options, std::string& recording,
                                const SnapshotText& text_of);

// A few lines for people.
std::string describe(const SimulationReport& report);

}  // namespace hanse::replay
