// tests/simulation/shrink.h
// Makes a case that breaks a rule smaller for as long as it still breaks the
// same one: fewer requests, fewer changes, less trouble, plainer questions
// (delta debugging; Zeller and Hildebrandt, 2002).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "case.h"

namespace hanse::simulation {

// The first rule that the case breaks, played in a process of its own.
std::optional<std::string> complaint_of(const Case& tried);

struct Shrunk {
  Case smallest;
  std::string complaint;  // its
  std::uint64_t runs = 0;
};

// Requires: `broken` breaks a rule. Ends after `runs_max` runs or before.
Shrunk shrink(const Case& broken, std::string complaint, std::uint64_t runs_max = 4'000);

}  // namespace hanse::simulation
