// src/core/fleet/loss.h
// What is gone together when something is, for drills: the sites of a
// supplier, in a country, or that the law of one reaches.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/bitset.h"
#include "base/result.h"
#include "core/fleet/fleet.h"

namespace hanse::fleet {

struct Loss {
  enum class Kind : std::uint8_t {
    site,
    supplier,  // the sites that it operates; not those of whom it controls
    country,   // the sites that stand there
    law,       // the sites that its legal system reaches, see reach_of()
  };

  Kind kind = Kind::site;
  std::string name;

  bool operator==(const Loss&) const = default;
};

std::string_view to_string(Loss::Kind kind);

// The sites of `fleet` that are gone when all `losses` have happened. A site
// that is retired is not among them.
// Fails: not_found for a loss that names nothing in the fleet or no site in
// service, with the nearest word.
Result<BitSet> sites_lost(const Fleet& fleet, std::span<const Loss> losses);

}  // namespace hanse::fleet
