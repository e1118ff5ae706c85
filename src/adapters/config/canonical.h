// src/adapters/config/canonical.h
// The one text of a configuration's meaning: what its digest is of, and what a
// snapshot is kept as.
#pragma once

#include <string>

#include "adapters/config/document.h"

namespace hanse::config {

// One value as TOML on one line.
// Requires: it has been conformed.
std::string print_value(const Node& node);

// One line per value, "site.hamburg.slots = 4", in order of the keys. It is
// TOML and loads to the same configuration.
// Requires: `root` has been conformed without an error.
std::string canonical_text(const Node& root);

}  // namespace hanse::config
