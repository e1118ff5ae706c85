// src/core/gate/nearest_word.h
// "Did you mean": the word that a misspelt one was most likely meant to be.
#pragma once

#include <span>
#include <string_view>

namespace hanse::gate {

// The first of the nearest among `words`, case aside; empty when more than a
// third of the letters would have to change.
std::string_view nearest_word(std::string_view word, std::span<const std::string_view> words);

}  // namespace hanse::gate
