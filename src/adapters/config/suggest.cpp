#include "adapters/config/suggest.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/nearest_word.h"

namespace hanse::config {

std::string suggest(std::string_view word, std::span<const std::string_view> words) {
  constexpr std::size_t kListedMax = 12;
  const std::string_view near = nearest_word(word, words);
  if (!near.empty()) return fmt::format("did you mean '{}'?", near);
  if (words.empty() || words.size() > kListedMax) return {};
  return fmt::format("it may be {}{}", words.size() > 1 ? "one of " : "", fmt::join(words, ", "));
}

}  // namespace hanse::config
