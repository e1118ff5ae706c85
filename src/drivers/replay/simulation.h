// src/drivers/replay/simulation.h
// Plots drawn from a seed: who asks what and when, and all that goes wrong.
//
// The same snapshots and options give the same plot, and it is played action
// for action alike, in every build: what is drawn is integers only. A run that
// breaks a rule says which one, and its seed is all that is needed to see it
// again.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/time.h"
#include "core/dispatch/dispatch.h"
#include "drivers/replay/plot.h"
#include "drivers/replay/trouble.h"

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
  std::uint32_t labels_ppm = 600'000;  // requests that carry labels of their own
  std::uint32_t client_leaves_ppm = 0;
  std::uint32_t slow_readers_ppm = 0;  // clients that take a stream slowly
  std::uint32_t odd_usage_ppm = 0;     // absent, too much, or absurd
  std::uint32_t told_again_ppm = 0;    // attempts of which news comes once more when they are over
  // How long a site works and does not work, in the mean; a good time of zero
  // says that sites always work.
  Duration site_good_mean;
  Duration site_bad_mean = seconds(10);
  // Of a whole supplier or country, likewise; how long that lasts is as above.
  Duration domain_good_mean;
  // How often these happen, in the mean; zero: never.
  Duration drill_every;
  Duration telling_every;
  Duration slow_link_every;
  Duration slow_disk_every;
  Duration clock_jump_every;
  std::uint32_t dies_ppm = 0;
  WallTime starts_at{1'800'000'000'000'000'000};  // in January 2027
  dispatch::DispatchOptions dispatch;
};

// Options of which a third is on at a time, at rates of their own: bugs that
// need one thing often and another never are found sooner so than by runs
// that are all alike (swarm testing; Groce and others, 2012).
SimulationOptions swarm(std::uint64_t seed);

// Draws what these options say. Changes to the later snapshots come at even
// times.
// Requires: as Plot does of its snapshots; there is one.
Plot draw(std::vector<dispatch::SnapshotRef> snapshots, const SimulationOptions& options);

}  // namespace hanse::replay
