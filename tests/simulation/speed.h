// tests/simulation/speed.h
// How fast virtual time goes by on one core.
#pragma once

#include <string>

namespace hanse::simulation {

// Plays ten minutes of twelve sites at 20 requests a second, with every kind
// of trouble, and tells as JSON how many simulated seconds pass in one of this
// core's.
std::string measure_speed();

}  // namespace hanse::simulation
