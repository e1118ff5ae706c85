// src/adapters/config/nesting.h
// How deep a TOML text nests, before anyone recurses into it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace hanse::config {

struct DepthPosition {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
};

// Where `text` becomes deeper than any configuration: more brackets open at
// once, or more dots on a line, than a person writes. The TOML library
// recurses once per dot of a key and has no bound of its own, so that a line
// of dots would overflow the stack. Strings and comments do not count; a text
// that is not TOML may be judged either way.
std::optional<DepthPosition> too_deep(std::string_view text);

}  // namespace hanse::config
