#include <array>
#include <cstdint>

#include "base/ascii.h"
#include "base/bytes.h"
#include "base/json_cursor.h"

namespace hanse {
namespace {

constexpr std::uint32_t kReplacement = 0xFFFD;

std::uint32_t unit_at(std::string_view raw, std::size_t i) {
  std::uint32_t unit = 0;
  for (const char c : raw.substr(i + 2, 4)) {
    const auto digit = static_cast<std::uint32_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    unit = unit * 16 + digit;
  }
  return unit;
}

std::size_t encode_utf8(std::uint32_t point, std::array<char, 4>& out) {
  const auto set = [&](std::size_t i, std::uint32_t byte) { out[i] = static_cast<char>(byte); };
  if (point < 0x80) {
    set(0, point);
    return 1;
  }
  if (point < 0x800) {
    set(0, 0xC0 | (point >> 6U));
    set(1, 0x80 | (point & 0x3FU));
    return 2;
  }
  if (point < 0x10000) {
    set(0, 0xE0 | (point >> 12U));
    set(1, 0x80 | ((point >> 6U) & 0x3FU));
    set(2, 0x80 | (point & 0x3FU));
    return 3;
  }
  set(0, 0xF0 | (point >> 18U));
  set(1, 0x80 | ((point >> 12U) & 0x3FU));
  set(2, 0x80 | ((point >> 6U) & 0x3FU));
  set(3, 0x80 | (point & 0x3FU));
  return 4;
}

// The code point that the `\u` at `i` begins; `i` moves past it, and past the
// second half of a pair.
std::uint32_t read_point(std::string_view raw, std::size_t& i) {
  const std::uint32_t unit = unit_at(raw, i);
  i += 6;
  if (unit < 0xD800 || unit >= 0xE000) return unit;
  const bool pair = unit < 0xDC00 && raw.substr(i).starts_with("\\u");
  const std::uint32_t low = pair ? unit_at(raw, i) : 0;
  if (low < 0xDC00 || low >= 0xE000) return kReplacement;
  i += 6;
  return 0x10000 + ((unit - 0xD800) << 10U) + (low - 0xDC00);
}

char plain_of(char escape) {
  switch (escape) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return escape;
  }
}

// Calls `append(view)` for each run of bytes that `raw` stands for.
template <typename Append>
void unescape(std::string_view raw, Append&& append) {
  std::size_t i = 0;
  while (i < raw.size()) {
    const std::size_t backslash = std::min(raw.find('\\', i), raw.size());
    if (backslash > i) append(raw.substr(i, backslash - i));
    i = backslash;
    if (i == raw.size()) return;
    if (raw[i + 1] == 'u') {
      std::array<char, 4> bytes{};
      const std::size_t size = encode_utf8(read_point(raw, i), bytes);
      append(std::string_view(bytes.data(), size));
    } else {
      const char plain = plain_of(raw[i + 1]);
      append(std::string_view(&plain, 1));
      i += 2;
    }
  }
}

bool stands_for_itself(char c) { return c >= 0x20 && c < 0x7F && c != '"' && c != '\\'; }

// How many bytes at the front stand for themselves.
std::size_t run_for_itself(std::string_view text) {
  std::size_t run = 0;
  while (text.size() - run >= 8) {
    const std::uint64_t word = first_word(text.substr(run));
    const std::uint64_t special = bytes_equal(word, '"') | bytes_equal(word, '\\') |
                                  bytes_equal(word, 0x7F) | bytes_below(word, 0x20) |
                                  (word & every_byte(0x80));
    if (special != 0) return run + first_marked(special);
    run += 8;
  }
  while (run < text.size() && stands_for_itself(text[run])) ++run;
  return run;
}

// The length of the UTF-8 character at the front of `text`, or 0.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto follow = [&](std::size_t count) {
    if (text.size() <= count) return false;
    for (std::size_t i = 1; i <= count; ++i) {
      if ((byte(i) & 0xC0U) != 0x80) return false;
    }
    return true;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF && follow(1)) return 2;
  if (lead >= 0xE0 && lead <= 0xEF && follow(2)) {
    const bool overlong = lead == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = lead == 0xED && byte(1) > 0x9F;
    return overlong || surrogate ? 0 : 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4 && follow(3)) {
    const bool overlong = lead == 0xF0 && byte(1) < 0x90;
    const bool too_far = lead == 0xF4 && byte(1) > 0x8F;
    return overlong || too_far ? 0 : 4;
  }
  return 0;
}

}  // namespace

bool JsonString::says_escaped(std::string_view plain) const {
  bool same = true;
  unescape(raw, [&](std::string_view part) {
    same = same && plain.starts_with(part);
    if (same) plain.remove_prefix(part.size());
  });
  return same && plain.empty();
}

void append_json_unescaped(std::string_view raw, std::string& out) {
  unescape(raw, [&](std::string_view part) { out.append(part); });
}

std::size_t json_unescaped_size(const JsonString& string) {
  if (!string.escaped) return string.raw.size();
  std::size_t size = 0;
  unescape(string.raw, [&](std::string_view part) { size += part.size(); });
  return size;
}

void append_json_escaped(std::string_view text, std::string& out) {
  while (!text.empty()) {
    const std::size_t plain = run_for_itself(text);
    out.append(text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) return;
    const auto byte = static_cast<unsigned char>(text.front());
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += text.front();
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\u00";
      out += kHexDigits[byte >> 4U];
      out += kHexDigits[byte & 0xFU];
    } else if (const std::size_t length = utf8_length(text); length > 0) {
      out.append(text.substr(0, length));
      text.remove_prefix(length);
      continue;
    } else {
      out += "\xEF\xBF\xBD";
    }
    text.remove_prefix(1);
  }
}

}  // namespace hanse
