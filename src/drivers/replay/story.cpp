#include "drivers/replay/story.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>

namespace hanse::replay {

void tell(Voice voice, Tokens from, Tokens to, std::string& out) {
  for (std::int64_t i = from.count(); i < to.count(); ++i) {
    fmt::format_to(std::back_inserter(out), "{:x}.{} ", voice, i);
  }
}

Tokens tokens_in(std::string_view text) {
  std::int64_t count = 0;
  for (const char c : text) count += c == ' ' ? 1 : 0;
  return Tokens(count);
}

std::optional<std::string> fault_in(std::string_view text, const StoryRules& rules) {
  std::string_view voice;
  Tokens changes{0};
  for (std::int64_t expected = 0; !text.empty(); ++expected) {
    const std::size_t end = text.find(' ');
    if (end == std::string_view::npos) return std::nullopt;  // cut within a token
    const std::string_view token = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::size_t dot = token.find('.');
    std::int64_t number = -1;
    if (dot != std::string_view::npos) {
      std::from_chars(token.data() + dot + 1, token.data() + token.size(), number);
    }
    if (number != expected) {
      return fmt::format("token {} of the answer reads \"{}\"", expected, token);
    }
    if (expected > 0 && token.substr(0, dot) != voice) changes += Tokens(1);
    voice = token.substr(0, dot);
  }
  if (changes > rules.changes_of_voice_max) {
    return fmt::format("the answer changes its voice {} times", changes.count());
  }
  return std::nullopt;
}

}  // namespace hanse::replay
