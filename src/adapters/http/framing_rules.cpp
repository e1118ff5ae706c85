#include "adapters/http/framing_rules.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "adapters/http/message.h"
#include "base/ascii.h"
#include "base/bytes.h"

namespace hanse::http {

namespace {

struct KnownField {
  std::string_view name;
  FieldKind kind;
};

// By length, so that a name is compared with one or two of them at most.
constexpr std::array kKnownFields = {
    KnownField{"te", FieldKind::other_hop_by_hop},
    KnownField{"host", FieldKind::host},
    KnownField{"expect", FieldKind::expect},
    KnownField{"trailer", FieldKind::other_hop_by_hop},
    KnownField{"upgrade", FieldKind::other_hop_by_hop},
    KnownField{"connection", FieldKind::connection},
    KnownField{"keep-alive", FieldKind::other_hop_by_hop},
    KnownField{"content-length", FieldKind::content_length},
    KnownField{"http2-settings", FieldKind::other_hop_by_hop},
    KnownField{"proxy-connection", FieldKind::other_hop_by_hop},
    KnownField{"transfer-encoding", FieldKind::transfer_encoding},
    KnownField{"proxy-authenticate", FieldKind::other_hop_by_hop},
    KnownField{"proxy-authorization", FieldKind::other_hop_by_hop},
};
constexpr std::size_t kLongestKnown = kKnownFields.back().name.size();

// Where the names of each length begin; those of the next length end them.
constexpr auto kKnownBegin = [] {
  std::array<std::uint8_t, kLongestKnown + 2> begin{};
  for (std::size_t length = 0; length < begin.size(); ++length) {
    while (begin[length] < kKnownFields.size() &&
           kKnownFields[begin[length]].name.size() < length) {
      ++begin[length];
    }
  }
  return begin;
}();
static_assert(std::ranges::is_sorted(kKnownFields, {},
                                     [](const KnownField& known) { return known.name.size(); }));

constexpr bool in(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }

constexpr bool is_alphanumeric(char c) { return is_letter(c) || is_digit(c); }

constexpr std::array<bool, 256> kTokenCharacters = [] {
  std::array<bool, 256> token{};
  for (std::size_t i = 1; i < token.size(); ++i) {
    const char c = static_cast<char>(i);
    token[i] = is_alphanumeric(c) || in("!#$%&'*+-.^_`|~", c);
  }
  return token;
}();

// Marks control characters, among them the tab; none if there is none.
constexpr std::uint64_t controls_of(std::uint64_t word) {
  return bytes_below(word, 0x20) | bytes_equal(word, 0x7F);
}

// Whether `name`, in small letters and with '-' for '_', is `known`.
bool resembles(std::string_view name, std::string_view known) {
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char folded = name[i] == '_' ? '-' : to_lower(name[i]);
    if (folded != known[i]) return false;
  }
  return true;
}

}  // namespace

bool is_token_character(char c) { return kTokenCharacters[static_cast<unsigned char>(c)]; }

bool is_value_character(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte == '\t') | ((byte >= 0x20) & (byte != 0x7f));
}

bool is_token(std::string_view text) {
  bool sound = !text.empty();
  for (const char c : text) sound &= is_token_character(c);
  return sound;
}

bool is_field_value(std::string_view text) {
  // Values are nearly always sound and without tabs: no early end, and eight
  // characters at a time, the last eight once more.
  if (text.size() >= 8) {
    std::uint64_t marked = controls_of(first_word(text.substr(text.size() - 8)));
    for (std::string_view rest = text; rest.size() >= 8; rest.remove_prefix(8)) {
      marked |= controls_of(first_word(rest));
    }
    if (marked == 0) return true;
  }
  bool sound = true;
  for (const char c : text) sound &= is_value_character(c);
  return sound;
}

bool is_target(std::string_view text) {
  if (!text.starts_with('/')) return false;
  while (text.size() >= 8) {
    const std::uint64_t word = first_word(text);
    if ((bytes_below(word, 0x21) | bytes_equal(word, 0x7F) | bytes_equal(word, '#') |
         (word & every_byte(0x80))) != 0) {
      return false;
    }
    text.remove_prefix(8);
  }
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
}

bool is_host_value(std::string_view text) {
  std::string_view port;
  std::string_view name = text;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    name = text.substr(1, close - 1);
    port = text.substr(close + 1);
    const auto literal = [](char c) { return is_alphanumeric(c) || c == ':' || c == '.'; };
    if (!std::ranges::all_of(name, literal)) return false;
  } else {
    const auto colon = text.find(':');
    if (colon != std::string_view::npos) {
      name = text.substr(0, colon);
      port = text.substr(colon);
    }
    const auto registered = [](char c) { return is_alphanumeric(c) || in("-._~!$&'()*+,;=%", c); };
    if (name.empty() || !std::ranges::all_of(name, registered)) return false;
  }
  if (port.empty()) return true;
  if (port.front() != ':' || port.size() > 6) return false;
  return std::ranges::all_of(port.substr(1), is_digit);
}

MethodKind classify_method(std::string_view method) {
  constexpr std::array<std::string_view, 7> kUsual = {"POST", "GET",   "HEAD",  "OPTIONS",
                                                      "PUT",  "PATCH", "DELETE"};
  return std::ranges::find(kUsual, method) != kUsual.end() ? MethodKind::usual
                                                           : MethodKind::refused;
}

FieldKind classify_field(std::string_view name) {
  if (name.size() > kLongestKnown) return FieldKind::ordinary;
  for (std::size_t i = kKnownBegin[name.size()]; i < kKnownBegin[name.size() + 1]; ++i) {
    const KnownField& known = kKnownFields[i];
    if (resembles(name, known.name)) return in(name, '_') ? FieldKind::imitation : known.kind;
  }
  return FieldKind::ordinary;
}

}  // namespace hanse::http
