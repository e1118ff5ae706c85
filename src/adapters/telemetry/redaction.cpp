#include "adapters/telemetry/redaction.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace hanse::telemetry {
namespace {

constexpr std::size_t kNameBytesMax = 128;
// Shorter words that begin like a key are somebody's name for a thing.
constexpr std::size_t kKeyBytesMin = 16;

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_name_character(char c) {
  return is_alphanumeric(c) || std::string_view("._-/:@+[]").find(c) != std::string_view::npos;
}
// What keys and tokens are made of: base 64 of either alphabet, and the dots
// of a JSON web token.
bool is_key_character(char c) {
  return is_alphanumeric(c) || std::string_view("-_.~+/=").find(c) != std::string_view::npos;
}

bool begins_with_word(std::string_view text, std::string_view lower) {
  if (text.size() < lower.size()) return false;
  return std::equal(lower.begin(), lower.end(), text.begin(), [](char wanted, char c) {
    return wanted == (c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
  });
}

std::size_t key_size(std::string_view text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_key_character);
  return static_cast<std::size_t>(end - text.begin());
}

// How many bytes at the front of `text` are a key; zero: none.
std::size_t key_at_front(std::string_view text) {
  if (!begins_with_word(text, "hk-") && !begins_with_word(text, "sk-")) return 0;
  const std::size_t size = key_size(text);
  return size >= kKeyBytesMin ? size : 0;
}

// The bytes of a scheme that says that a secret follows, blank included.
std::size_t scheme_at_front(std::string_view text) {
  for (const std::string_view scheme : {"bearer ", "basic "}) {
    if (begins_with_word(text, scheme) && key_size(text.substr(scheme.size())) > 0) {
      return scheme.size();
    }
  }
  return 0;
}

// The size of the character at the front; zero when it is not UTF-8.
std::size_t character_size(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || size > text.size()) return 0;
  const auto second = static_cast<unsigned char>(text[1]);
  // Overlong forms, surrogates, and what is past the last code point.
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second >= 0xA0) ||
      (first == 0xF0 && second < 0x90) || (first == 0xF4 && second >= 0x90)) {
    return 0;
  }
  for (std::size_t i = 1; i < size; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U) return 0;
  }
  return size;
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

}  // namespace

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax &&
         std::all_of(text.begin(), text.end(), is_name_character) && key_at_front(text) == 0;
}

std::string name_or_withheld(std::string_view text) {
  if (is_name(text)) return std::string(text);
  return fmt::format("(withheld, {} bytes)", text.size());
}

std::string redacted(std::string_view text, std::size_t bytes_max) {
  std::string out;
  bool at_word = true;  // nothing of a word stands before this character
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    std::string_view shown;
    std::size_t taken = character_size(rest);
    const std::size_t scheme = at_word ? scheme_at_front(rest) : 0;
    if (scheme != 0) {
      out.append(rest.substr(0, scheme));
      shown = "[key]";
      taken = scheme + key_size(rest.substr(scheme));
    } else if (const std::size_t key = at_word ? key_at_front(rest) : 0; key != 0) {
      shown = "[key]";
      taken = key;
    } else if (taken == 0) {
      shown = "?";
      taken = 1;
    } else {
      shown = is_control(rest[0]) ? " " : rest.substr(0, taken);
    }
    at_word = !is_alphanumeric(rest[taken - 1]);
    if (out.size() + shown.size() > bytes_max) break;
    out += shown;
    i += taken;
  }
  if (out.size() > bytes_max) out.resize(bytes_max);
  return out;
}

}  // namespace hanse::telemetry
