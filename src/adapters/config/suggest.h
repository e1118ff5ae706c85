// src/adapters/config/suggest.h
// What to say of a word that is not among the right ones.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace hanse::config {

// "did you mean 'slots'?" when one is near, else "it may be one of a, b, c"
// when they are few, else empty.
std::string suggest(std::string_view word, std::span<const std::string_view> words);

}  // namespace hanse::config
