// src/base/nearest_word.h
// "Did you mean": the word that a misspelt one was most likely meant to be.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace hanse {

// Insertions, deletions, replacements and swaps of neighbours that turn `a`
// into `b` (Damerau-Levenshtein in its optimal string alignment form), where
// only the case of a letter counts as half an edit. Twice the number of edits;
// anything past `limit` may be reported as limit + 1.
std::size_t half_edits(std::string_view a, std::string_view b, std::size_t limit);

// The nearest of `words`, or nothing (empty) when none is near: a third of the
// letters may be wrong. Ties go to the first.
std::string_view nearest_word(std::string_view word, std::span<const std::string_view> words);

}  // namespace hanse
