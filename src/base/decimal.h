// src/base/decimal.h
// Integers that count parts of a unit, written in the unit.
#pragma once

#include <cstdint>
#include <string>

namespace hanse {

// Appends `number` x 10^-decimals exactly and without needless zeros: 1500
// with three decimals is "1.5".
// Requires: decimals is at most 18.
void append_decimal(std::int64_t number, unsigned decimals, std::string& out);

}  // namespace hanse
