#include "base/nearest_word.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"

namespace hanse {
namespace {

// Names are short; what is longer is no misspelling of one.
constexpr std::size_t kLengthMax = 64;

std::size_t replacing(char a, char b) {
  if (a == b) return 0;
  return to_lower(a) == to_lower(b) ? 1 : 2;
}

}  // namespace

std::size_t half_edits(std::string_view a, std::string_view b, std::size_t limit) {
  if (a.size() > kLengthMax || b.size() > kLengthMax) return limit + 1;
  const std::size_t longer = std::max(a.size(), b.size());
  const std::size_t shorter = std::min(a.size(), b.size());
  if (2 * (longer - shorter) > limit) return limit + 1;

  using Row = std::array<std::size_t, kLengthMax + 1>;
  Row before_last{};
  Row last{};
  Row row{};
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = 2 * j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = 2 * i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 2, row[j - 1] + 2, last[j - 1] + replacing(a[i - 1], b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && a[i - 1] != a[i - 2]) {
        row[j] = std::min(row[j], before_last[j - 2] + 2);
      }
    }
    before_last = last;
    last = row;
  }
  return std::min(last[b.size()], limit + 1);
}

std::string_view nearest_word(std::string_view word, std::span<const std::string_view> words) {
  std::string_view best;
  std::size_t best_edits = 2 * std::max<std::size_t>(1, word.size() / 3) + 1;
  for (const std::string_view candidate : words) {
    // Of a word of one or two letters, each is the word: only case may differ.
    if (word.size() < 3 && !equal_but_for_case(word, candidate)) continue;
    const std::size_t edits = half_edits(word, candidate, best_edits);
    if (edits < best_edits) {
      best = candidate;
      best_edits = edits;
    }
  }
  return best;
}

}  // namespace hanse
