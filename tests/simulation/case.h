// tests/simulation/case.h
// One run: the grid it is played on and its plot.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/result.h"
#include "drivers/replay/plot.h"
#include "worlds.h"

namespace hanse::simulation {

struct Case {
  Facts facts;
  replay::Plot plot;
};

// All that a seed stands for.
Case draw_case(std::uint64_t seed);

// A complaint without the numbers in it: what is the same for all runs that
// break the rule alike.
std::string rule_of(std::string_view complaint);

// As a file, which `hanse_simulation --case` plays; README.md in this folder
// says what is in it. `about` becomes its first lines.
std::string to_text(const Case& drawn, std::string_view about);

// Fails: invalid_input, naming file, line and what was expected.
Result<Case> read_case(const std::filesystem::path& file);

}  // namespace hanse::simulation
