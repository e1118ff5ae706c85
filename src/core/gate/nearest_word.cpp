#include "core/gate/nearest_word.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace hanse::gate {
namespace {

constexpr std::size_t kLengthMax = 64;

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// Levenshtein's distance. Requires: both are at most kLengthMax long.
std::size_t edits(std::string_view a, std::string_view b) {
  std::array<std::size_t, kLengthMax + 1> row{};
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string_view nearest_word(std::string_view word, std::span<const std::string_view> words) {
  if (word.empty() || word.size() > kLengthMax) return {};
  std::string_view nearest;
  // Of one or two letters, one wrong leaves nothing to go by.
  std::size_t fewest = word.size() < 3 ? 1 : word.size() / 3 + 1;
  for (const std::string_view candidate : words) {
    if (candidate.size() > kLengthMax) continue;
    const std::size_t distance = edits(word, candidate);
    if (distance >= fewest) continue;
    nearest = candidate;
    fewest = distance;
  }
  return nearest;
}

}  // namespace hanse::gate
