#include "adapters/config/nesting.h"

namespace hanse::config {
namespace {

constexpr int kBracketsMax = 32;
constexpr int kDotsOnALineMax = 100;

// The end of the string that begins at `i`, one past its closing quotes.
std::size_t skip_string(std::string_view text, std::size_t i) {
  const char quote = text[i];
  const bool triple = text.substr(i, 3) == std::string_view(quote == '"' ? "\"\"\"" : "'''");
  for (i += triple ? 3 : 1; i < text.size(); ++i) {
    if (text[i] == '\\' && quote == '"') {
      ++i;
    } else if (text[i] == quote) {
      if (!triple) return i + 1;
      if (text.substr(i, 3) == std::string_view(quote == '"' ? "\"\"\"" : "'''")) return i + 3;
    } else if (text[i] == '\n' && !triple) {
      return i;  // not TOML; the next line starts afresh
    }
  }
  return text.size();
}

}  // namespace

std::optional<DepthPosition> too_deep(std::string_view text) {
  std::uint32_t line = 1;
  std::size_t line_start = 0;
  int brackets = 0;
  int dots = 0;
  std::size_t i = 0;
  const auto start_line = [&](std::size_t at) {
    ++line;
    line_start = at;
    dots = 0;
  };
  while (i < text.size()) {
    const char c = text[i];
    if (c == '"' || c == '\'') {
      const std::size_t end = skip_string(text, i);
      for (; i < end; ++i) {
        if (text[i] == '\n') start_line(i + 1);
      }
      continue;
    }
    if (c == '#') {
      while (i < text.size() && text[i] != '\n') ++i;
      continue;
    }
    if (c == '\n') start_line(i + 1);
    if (c == '[' || c == '{') ++brackets;
    if ((c == ']' || c == '}') && brackets > 0) --brackets;
    if (c == '.') ++dots;
    if (brackets > kBracketsMax || dots > kDotsOnALineMax) {
      return DepthPosition{line, static_cast<std::uint32_t>(i - line_start) + 1};
    }
    ++i;
  }
  return std::nullopt;
}

}  // namespace hanse::config
