#include "adapters/http/framing_rules.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "adapters/http/message.h"

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

constexpr std::size_t kLongestKnown = 19;

bool in(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool is_token_character(char c) {
  return is_alphanumeric(c) || (c != 0 && in("!#$%&'*+-.^_`|~", c));
}

bool is_value_character(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_token_character);
}

bool is_field_value(std::string_view text) { return std::ranges::all_of(text, is_value_character); }

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
  if (name.size() > kLongestKnown) return FieldKind::ordinary;
  std::array<char, kLongestKnown> folded{};
  bool underscored = false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    underscored = underscored || c == '_';
    folded[i] = c == '_' ? '-' : (c >= 'A' && c <= 'Z') ? static_cast<char>(c + ('a' - 'A')) : c;
  }
  const std::string_view key(folded.data(), name.size());
  for (const KnownField& known : kKnownFields) {
    if (known.name == key) return underscored ? FieldKind::imitation : known.kind;
  }
  return FieldKind::ordinary;
}

}  // namespace hanse::http
