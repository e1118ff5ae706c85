#include "adapters/http/framing_rules.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "adapters/http/message.h"
#include "base/ascii.h"

namespace hanse::http {

namespace {

struct KnownField {
  std::string_view name;
  FieldKind kind;
};

constexpr std::array kKnownFields = {
    KnownField{"host", FieldKind::host},
    KnownField{"content-length", FieldKind::content_length},
    KnownField{"transfer-encoding", FieldKind::transfer_encoding},
    KnownField{"connection", FieldKind::connection},
    KnownField{"expect", FieldKind::expect},
    KnownField{"keep-alive", FieldKind::other_hop_by_hop},
    KnownField{"te", FieldKind::other_hop_by_hop},
    KnownField{"trailer", FieldKind::other_hop_by_hop},
    KnownField{"upgrade", FieldKind::other_hop_by_hop},
    KnownField{"proxy-connection", FieldKind::other_hop_by_hop},
    KnownField{"proxy-authenticate", FieldKind::other_hop_by_hop},
    KnownField{"proxy-authorization", FieldKind::other_hop_by_hop},
    KnownField{"http2-settings", FieldKind::other_hop_by_hop},
};

// One bit for each length that a known field has.
constexpr std::uint32_t kKnownLengths = [] {
  std::uint32_t lengths = 0;
  for (const KnownField& known : kKnownFields) lengths |= 1U << known.name.size();
  return lengths;
}();

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
  return !text.empty() && std::ranges::all_of(text, is_token_character);
}

bool is_field_value(std::string_view text) {
  // Values are nearly always sound: all characters at once, no early end.
  bool sound = true;
  for (const char c : text) sound &= is_value_character(c);
  return sound;
}

bool is_target(std::string_view text) {
  return text.starts_with('/') &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != '#'; });
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
  if (name.size() >= 32 || (kKnownLengths >> name.size() & 1U) == 0) return FieldKind::ordinary;
  for (const KnownField& known : kKnownFields) {
    if (known.name.size() == name.size() && resembles(name, known.name)) {
      return in(name, '_') ? FieldKind::imitation : known.kind;
    }
  }
  return FieldKind::ordinary;
}

}  // namespace hanse::http
