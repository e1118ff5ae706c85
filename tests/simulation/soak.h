// tests/simulation/soak.h
// Many seeds on all cores.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace hanse::simulation {

struct SoakOptions {
  std::uint64_t first = 1;
  std::uint64_t seeds = 1;
  unsigned processes = 1;
  bool stops_at_failure = false;
};

struct Failure {
  std::uint64_t seed = 0;
  std::string complaint;
};

struct SoakReport {
  std::uint64_t passed = 0;
  std::vector<Failure> failures;  // in order of their seeds
};

// Plays each seed, a few processes taking turns; `progress` is called every few
// seconds with how many have been played, and `failed` as soon as one fails.
SoakReport soak(const SoakOptions& options, const std::function<void(std::uint64_t)>& progress,
                const std::function<void(const Failure&)>& failed);

}  // namespace hanse::simulation
