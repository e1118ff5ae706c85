#include "case.h"

#include <cctype>

#include "drivers/replay/simulation.h"

namespace hanse::simulation {

Case draw_case(std::uint64_t seed) {
  Case drawn;
  drawn.facts = draw_facts(seed);
  replay::SimulationOptions options = replay::swarm(seed);
  // Three times the sites take three times the work.
  if (drawn.facts.grid == Grid::twelve) options.gap_mean = options.gap_mean / 3;
  drawn.plot = replay::draw(snapshots_of(drawn.facts), options);
  return drawn;
}

std::string rule_of(std::string_view complaint) {
  std::string rule;
  for (const char c : complaint) {
    const bool is_digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
    if (!is_digit) {
      rule += c;
    } else if (rule.empty() || rule.back() != '#') {
      rule += '#';
    }
  }
  return rule;
}

}  // namespace hanse::simulation
