#include "base/json_cursor.h"

#include <charconv>

#include "base/ascii.h"
#include "base/bytes.h"
#include "base/check.h"

namespace hanse {
namespace {

constexpr std::string_view kTooDeep = "the nesting is too deep";
constexpr std::string_view kNotUtf8 = "the bytes are not UTF-8";
constexpr std::string_view kLoneSurrogate = "half of a surrogate pair stands alone";
constexpr std::string_view kBadEscape = "the escape is unknown";
constexpr std::string_view kUnended = "the string has no end";

// Inside a string: bytes that are simply themselves.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

// Marks the bytes that are not plain.
std::uint64_t special_bytes(std::uint64_t word) {
  return bytes_equal(word, '"') | bytes_equal(word, '\\') | bytes_below(word, 0x20) |
         (word & every_byte(0x80));
}

// Passes over plain bytes, eight at a time while there are eight.
const char* skip_plain(const char* p, const char* end) {
  while (end - p >= 8) {
    const std::uint64_t special = special_bytes(first_word({p, 8}));
    if (special != 0) return p + first_marked(special);
    p += 8;
  }
  while (p != end && kPlain[static_cast<unsigned char>(*p)]) ++p;
  return p;
}

bool is_high_surrogate(std::uint32_t unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low_surrogate(std::uint32_t unit) { return unit >= 0xDC00 && unit < 0xE000; }

}  // namespace

JsonPlace json_place(std::string_view text, std::size_t offset) {
  JsonPlace place;
  std::size_t line_begin = 0;
  offset = std::min(offset, text.size());
  for (std::size_t i = 0; i < offset; ++i) {
    if (text[i] == '\n') {
      place.line += 1;
      line_begin = i + 1;
    }
  }
  place.column = offset - line_begin + 1;
  return place;
}

std::optional<std::int64_t> json_integer(std::string_view number) {
  std::int64_t value = 0;
  const char* end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

JsonCursor::JsonCursor(std::string_view text, JsonRules rules)
    : begin_(text.data()), next_(begin_), end_(begin_ + text.size()), rules_(rules) {
  HANSE_CHECK(text.size() <= UINT32_MAX);
  HANSE_CHECK(rules.depth_max <= kDepthMax);
}

bool JsonCursor::fail_there(const char* where, std::string_view what) {
  if (!failed()) error_ = {static_cast<std::size_t>(where - begin_), what};
  // Nothing is read any more, so that loops over members and elements end.
  next_ = end_;
  return false;
}

void JsonCursor::skip_blanks() {
  while (next_ != end_ && (*next_ == ' ' || *next_ == '\n' || *next_ == '\r' || *next_ == '\t')) {
    ++next_;
  }
}

JsonType JsonCursor::peek() {
  skip_blanks();
  if (next_ == end_ || failed()) return JsonType::nothing;
  switch (*next_) {
    case '{': return JsonType::object;
    case '[': return JsonType::array;
    case '"': return JsonType::string;
    case 't':
    case 'f': return JsonType::boolean;
    case 'n': return JsonType::null;
    default: return *next_ == '-' || is_digit(*next_) ? JsonType::number : JsonType::nothing;
  }
}

bool JsonCursor::enter(char bracket) {
  skip_blanks();
  if (next_ == end_ || *next_ != bracket) {
    return fail(bracket == '{' ? "an object was expected" : "an array was expected");
  }
  if (depth_ == rules_.depth_max) return fail(kTooDeep);
  ++depth_;
  ++next_;
  return true;
}

bool JsonCursor::open_object() { return enter('{'); }
bool JsonCursor::open_array() { return enter('['); }

bool JsonCursor::read_name(JsonString& name) {
  skip_blanks();
  if (next_ == end_ || *next_ != '"') return fail("a member's name in quotes was expected");
  if (!read_string(name)) return false;
  skip_blanks();
  if (next_ == end_ || *next_ != ':') return fail("a ':' was expected");
  ++next_;
  return true;
}

bool JsonCursor::next_member(bool& first, JsonString& name) {
  skip_blanks();
  if (failed()) return false;
  if (next_ == end_) return fail("the object has no end");
  if (*next_ == '}') {
    ++next_;
    --depth_;
    return false;
  }
  if (!first) {
    if (*next_ != ',') return fail("a ',' or '}' was expected");
    ++next_;
  }
  first = false;
  return read_name(name);
}

bool JsonCursor::next_element(bool& first) {
  skip_blanks();
  if (failed()) return false;
  if (next_ == end_) return fail("the array has no end");
  if (*next_ == ']') {
    ++next_;
    --depth_;
    return false;
  }
  if (!first) {
    if (*next_ != ',') return fail("a ',' or ']' was expected");
    ++next_;
    skip_blanks();
    // Else `[1,]` would end in the next call.
    if (next_ != end_ && *next_ == ']') return fail("a value was expected");
  }
  first = false;
  return true;
}

bool JsonCursor::read_unit(const char*& p, std::uint32_t& unit) {
  if (end_ - p < 6 || p[0] != '\\' || p[1] != 'u') return fail_there(p, kBadEscape);
  unit = 0;
  for (int i = 2; i < 6; ++i) {
    const int digit = hex_value(p[i]);
    if (digit < 0) return fail_there(p, kBadEscape);
    unit = unit * 16 + static_cast<std::uint32_t>(digit);
  }
  p += 6;
  return true;
}

bool JsonCursor::read_escape(const char*& p) {
  if (end_ - p < 2) return fail_there(p, kUnended);
  switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': p += 2; return true;
    case 'u': break;
    default: return fail_there(p, kBadEscape);
  }
  const char* const escape = p;
  std::uint32_t unit = 0;
  if (!read_unit(p, unit)) return false;
  if (rules_.lone_surrogates_allowed) return true;
  if (is_low_surrogate(unit)) return fail_there(escape, kLoneSurrogate);
  if (!is_high_surrogate(unit)) return true;
  if (end_ - p < 2 || p[0] != '\\' || p[1] != 'u') return fail_there(escape, kLoneSurrogate);
  if (!read_unit(p, unit)) return false;
  return is_low_surrogate(unit) || fail_there(escape, kLoneSurrogate);
}

// One character of two to four bytes. Source: The Unicode Standard, table 3-7:
// no overlong forms, no surrogates, nothing past U+10FFFF.
bool JsonCursor::read_utf8(const char*& p) {
  const auto byte = [&](int i) { return static_cast<unsigned char>(p[i]); };
  const auto follows = [&](int i) { return (byte(i) & 0xC0U) == 0x80; };
  const auto left = end_ - p;
  const unsigned lead = byte(0);
  if (lead >= 0xC2 && lead <= 0xDF && left >= 2 && follows(1)) {
    p += 2;
    return true;
  }
  if (lead >= 0xE0 && lead <= 0xEF && left >= 3 && follows(1) && follows(2)) {
    if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F)) {
      return fail_there(p, kNotUtf8);
    }
    p += 3;
    return true;
  }
  if (lead >= 0xF0 && lead <= 0xF4 && left >= 4 && follows(1) && follows(2) && follows(3)) {
    if ((lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F)) {
      return fail_there(p, kNotUtf8);
    }
    p += 4;
    return true;
  }
  return fail_there(p, kNotUtf8);
}

bool JsonCursor::read_string(JsonString& out) {
  skip_blanks();
  if (next_ == end_ || *next_ != '"') return fail("a string was expected");
  const char* const text = next_ + 1;
  const char* p = text;
  out.escaped = false;
  for (;;) {
    p = skip_plain(p, end_);
    if (p == end_) return fail(kUnended);
    const auto byte = static_cast<unsigned char>(*p);
    if (byte == '"') break;
    if (byte == '\\') {
      out.escaped = true;
      if (!read_escape(p)) return false;
    } else if (byte >= 0x80) {
      // Text in other scripts comes in runs; leave the search alone for those.
      do {
        if (!read_utf8(p)) return false;
      } while (p != end_ && static_cast<unsigned char>(*p) >= 0x80);
    } else {
      return fail_there(p, "control characters in a string must be escaped");
    }
  }
  out.raw = {text, static_cast<std::size_t>(p - text)};
  next_ = p + 1;
  return true;
}

bool JsonCursor::read_number(std::string_view& out) {
  skip_blanks();
  const char* p = next_;
  const auto digits = [&] {
    const char* const begin = p;
    while (p != end_ && is_digit(*p)) ++p;
    return p != begin;
  };
  if (p != end_ && *p == '-') ++p;
  const char* const integer = p;
  if (!digits()) return fail_there(p, "a number was expected");
  if (*integer == '0' && p - integer > 1)
    return fail_there(integer, "the number begins with a zero");
  if (p != end_ && *p == '.') {
    ++p;
    if (!digits()) return fail_there(p, "a digit was expected");
  }
  if (p != end_ && (*p == 'e' || *p == 'E')) {
    ++p;
    if (p != end_ && (*p == '+' || *p == '-')) ++p;
    if (!digits()) return fail_there(p, "a digit was expected");
  }
  out = {next_, static_cast<std::size_t>(p - next_)};
  next_ = p;
  return true;
}

bool JsonCursor::read_literal(std::string_view literal) {
  if (std::string_view(next_, static_cast<std::size_t>(end_ - next_)).starts_with(literal)) {
    next_ += literal.size();
    return true;
  }
  return fail("a value was expected");
}

bool JsonCursor::read_boolean(bool& out) {
  skip_blanks();
  if (next_ == end_ || (*next_ != 't' && *next_ != 'f')) return fail("true or false was expected");
  out = *next_ == 't';
  return read_literal(out ? "true" : "false");
}

bool JsonCursor::read_null() {
  skip_blanks();
  return read_literal("null");
}

bool JsonCursor::skip_scalar(JsonType type) {
  switch (type) {
    case JsonType::string: {
      JsonString ignored;
      return read_string(ignored);
    }
    case JsonType::number: {
      std::string_view ignored;
      return read_number(ignored);
    }
    case JsonType::boolean: {
      bool ignored = false;
      return read_boolean(ignored);
    }
    case JsonType::null: return read_null();
    default: return fail("a value was expected");
  }
}

bool JsonCursor::skip() {
  // Which of the open brackets are objects, one bit a level: no recursion, so
  // that depth costs no stack.
  std::array<std::uint64_t, kDepthMax / 64> objects{};
  const std::uint32_t outside = depth_;
  const auto is_object = [&] {
    return ((objects[(depth_ - 1) / 64] >> ((depth_ - 1) % 64)) & 1U) != 0;
  };
  bool first = true;
  for (;;) {
    const JsonType type = peek();
    if (type == JsonType::object || type == JsonType::array) {
      if (!enter(type == JsonType::object ? '{' : '[')) return false;
      const std::uint64_t bit = std::uint64_t{1} << ((depth_ - 1) % 64);
      auto& word = objects[(depth_ - 1) / 64];
      word = type == JsonType::object ? word | bit : word & ~bit;
      first = true;
    } else {
      if (!skip_scalar(type)) return false;
      first = false;
    }
    // Onward to the next value, out of all that ends here.
    for (;;) {
      if (depth_ == outside) return true;
      JsonString ignored;
      if (is_object() ? next_member(first, ignored) : next_element(first)) break;
      if (failed()) return false;
      first = false;
    }
  }
}

bool JsonCursor::at_end() {
  skip_blanks();
  if (failed()) return false;
  return next_ == end_ || fail("something follows the end of the JSON");
}

}  // namespace hanse
