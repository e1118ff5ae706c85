// src/base/random.h
// Seeded random numbers, the same on every machine and build. Chance is an
// argument: whoever draws is handed one of these.
#pragma once

#include <cstdint>

namespace hanse {

// SplitMix64 (Steele, Lea, Flood 2014): one add and three mixes a draw, any
// seed is a good seed.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }

  // Uniform in [0, bound). Requires: bound is positive. The bias of the
  // multiply-shift is below bound / 2^64.
  std::uint64_t below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64U);
  }

  // True with a chance of `parts` in a million.
  bool chance_ppm(std::uint64_t parts) { return below(1'000'000) < parts; }

  // A generator for a part of the work, independent of how often this one
  // is drawn from afterwards.
  Random fork() { return Random(next()); }

 private:
  std::uint64_t state_;
};

}  // namespace hanse
