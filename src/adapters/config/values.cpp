#include "adapters/config/values.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <span>

#include "base/ascii.h"

namespace hanse::config {
namespace {

constexpr std::int64_t kInt64Max = std::numeric_limits<std::int64_t>::max();

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

// By falling size, so that printing takes the largest that divides.
constexpr auto kDurationUnits = std::to_array<Unit>({
    {"d", 86'400'000'000'000},
    {"h", 3'600'000'000'000},
    {"m", 60'000'000'000},
    {"s", 1'000'000'000},
    {"ms", 1'000'000},
    {"us", 1'000},
    {"ns", 1},
});

constexpr std::int64_t kKi = 1024;
constexpr auto kSizeUnits = std::to_array<Unit>({
    {"TiB", kKi* kKi* kKi* kKi},
    {"TB", 1'000'000'000'000},
    {"GiB", kKi* kKi* kKi},
    {"GB", 1'000'000'000},
    {"MiB", kKi* kKi},
    {"MB", 1'000'000},
    {"KiB", kKi},
    {"kB", 1'000},
    {"B", 1},
});

// A number of digits with at most one point, as value x 10^-decimals.
struct Decimal {
  std::int64_t value = 0;
  int decimals = 0;
};

std::optional<Decimal> parse_decimal(std::string_view text) {
  Decimal decimal;
  bool point = false;
  if (text.empty() || !is_digit(text.front()) || !is_digit(text.back())) return std::nullopt;
  for (const char c : text) {
    if (c == '.') {
      if (point) return std::nullopt;
      point = true;
      continue;
    }
    if (!is_digit(c) || decimal.value > (kInt64Max - 9) / 10) return std::nullopt;
    decimal.value = decimal.value * 10 + (c - '0');
    if (point) ++decimal.decimals;
  }
  return decimal;
}

std::string list_units(std::span<const Unit> units) {
  std::string list;
  for (auto it = units.rbegin(); it != units.rend(); ++it) {
    fmt::format_to(std::back_inserter(list), "{}{}", list.empty() ? "" : ", ", it->name);
  }
  return list;
}

// A number and a unit, in the base unit.
Parsed<std::int64_t> parse_with_unit(std::string_view text, std::span<const Unit> units) {
  const auto end_of_number =
      std::ranges::find_if(text, [](char c) { return !is_digit(c) && c != '.'; });
  const auto digits = static_cast<std::size_t>(end_of_number - text.begin());
  const auto decimal = parse_decimal(text.substr(0, digits));
  if (!decimal) return std::unexpected("it begins with no number");
  std::string_view name = text.substr(digits);
  if (name.starts_with(' ')) name.remove_prefix(1);
  const auto unit = std::ranges::find(units, name, &Unit::name);
  if (unit == units.end()) {
    return std::unexpected(name.empty() ? fmt::format("it has no unit ({})", list_units(units))
                                        : fmt::format("its unit is none of {}", list_units(units)));
  }
  __int128 value = static_cast<__int128>(decimal->value) * unit->factor;
  for (int i = 0; i < decimal->decimals; ++i) {
    if (value % 10 != 0) return std::unexpected(std::string("it has too many decimals"));
    value /= 10;
  }
  if (value > kInt64Max) return std::unexpected(std::string("it is too large"));
  return static_cast<std::int64_t>(value);
}

template <typename Unit>
Parsed<Unit> in_units(Parsed<std::int64_t> count) {
  if (!count) return std::unexpected(std::move(count.error()));
  return Unit(*count);
}

std::string print_with_unit(std::int64_t value, std::span<const Unit> units) {
  for (const Unit& unit : units) {
    if (value % unit.factor == 0 && (value != 0 || unit.factor == 1)) {
      return fmt::format("{}{}", value / unit.factor, unit.name);
    }
  }
  return {};
}

// "host:port" or "[v6]:port" or "host".
struct HostPort {
  std::string_view host;
  std::optional<std::string_view> port;
  bool bracketed = false;
};

Parsed<HostPort> split_host_port(std::string_view text) {
  HostPort split;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::unexpected("its ']' is missing");
    split.host = text.substr(1, close - 1);
    split.bracketed = true;
    text.remove_prefix(close + 1);
    if (text.empty()) return split;
    if (!text.starts_with(':')) return std::unexpected("what follows ']' is no port");
    split.port = text.substr(1);
    return split;
  }
  if (std::ranges::count(text, ':') > 1) {
    return std::unexpected("an IPv6 address stands in brackets, as in [::1]:8411");
  }
  const std::size_t colon = text.find(':');
  split.host = text.substr(0, colon);
  if (colon != std::string_view::npos) split.port = text.substr(colon + 1);
  return split;
}

Parsed<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, trouble] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (trouble != std::errc() || end != text.data() + text.size()) {
    return std::unexpected(fmt::format("'{}' is no port from 0 to 65535", text));
  }
  return port;
}

bool is_ipv4(std::string_view host) {
  in_addr address{};
  return inet_pton(AF_INET, std::string(host).c_str(), &address) == 1;
}

bool is_ipv6(std::string_view host) {
  in6_addr address{};
  return inet_pton(AF_INET6, std::string(host).c_str(), &address) == 1;
}

// A name as DNS has them: labels of letters, digits and hyphens. A name whose
// last label is of digits would be taken for an IPv4 address by some.
bool is_host_name(std::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  std::string_view label;
  while (true) {
    const std::size_t dot = host.find('.');
    label = host.substr(0, dot);
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') {
      return false;
    }
    if (!std::ranges::all_of(
            label, [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; })) {
      return false;
    }
    if (dot == std::string_view::npos) break;
    host.remove_prefix(dot + 1);
  }
  return !std::ranges::all_of(label, is_digit);
}

bool is_prefix_char(char c) {
  return is_letter(c) || is_digit(c) || std::string_view("/-._~%!$&'()*+,;=:@").contains(c);
}

// The part of a URL behind its scheme.
Parsed<Url> parse_after_scheme(std::string_view rest, bool tls) {
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const auto split = split_host_port(rest.substr(0, slash));
  if (!split) return std::unexpected(split.error());
  Url url{.tls = tls,
          .host = in_lower_case(split->host),
          .port = static_cast<std::uint16_t>(tls ? 443 : 80),
          .prefix = std::string(rest.substr(slash))};
  if (split->bracketed ? !is_ipv6(url.host) : !is_host_name(url.host) && !is_ipv4(url.host)) {
    return std::unexpected(url.host.empty() ? std::string("its host is missing")
                                            : fmt::format("'{}' is no host", url.host));
  }
  if (split->port) {
    const auto port = parse_port(*split->port);
    if (!port || *port == 0) {
      return std::unexpected(fmt::format("'{}' is no port from 1 to 65535", *split->port));
    }
    url.port = *port;
  }
  if (!std::ranges::all_of(url.prefix, is_prefix_char)) {
    return std::unexpected(std::string("its path has characters that a path cannot have"));
  }
  while (url.prefix.ends_with('/')) url.prefix.pop_back();
  return url;
}

}  // namespace

Parsed<Duration> parse_duration(std::string_view text) {
  return in_units<Duration>(parse_with_unit(text, kDurationUnits));
}

std::string print(Duration duration) { return print_with_unit(duration.count(), kDurationUnits); }

Parsed<Bytes> parse_size(std::string_view text) {
  return in_units<Bytes>(parse_with_unit(text, kSizeUnits));
}

std::string print(Bytes size) { return print_with_unit(size.count(), kSizeUnits); }

Parsed<std::int64_t> parse_percent(std::string_view text) {
  auto decimal = parse_decimal(text);
  constexpr int kDecimals = 4;
  if (!decimal || decimal->decimals > kDecimals) return std::unexpected(std::string());
  for (; decimal->decimals < kDecimals; ++decimal->decimals) {
    if (decimal->value > kInt64Max / 10) return std::unexpected(std::string());
    decimal->value *= 10;
  }
  if (decimal->value <= 0 || decimal->value > 1'000'000) return std::unexpected(std::string());
  return decimal->value;
}

std::string print_percent(std::int64_t ppm) {
  std::string text = fmt::format("{}.{:04}", ppm / 10'000, ppm % 10'000);
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

Parsed<Address> parse_address(std::string_view text) {
  Address address;
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with(kUnix)) {
    address.kind = Address::Kind::unix_socket;
    address.path = text.substr(kUnix.size());
    if (address.path.empty()) return std::unexpected(std::string("its path is missing"));
    return address;
  }
  const auto split = split_host_port(text);
  if (!split) return std::unexpected(split.error());
  address.host = in_lower_case(split->host);
  if (split->bracketed ? !is_ipv6(address.host)
                       : !is_ipv4(address.host) && address.host != "localhost") {
    return std::unexpected(address.host.empty()
                               ? std::string("its host is missing; 0.0.0.0 is all of IPv4")
                               : fmt::format("'{}' is no IP address", split->host));
  }
  if (!split->port) return std::unexpected(std::string("its port is missing"));
  const auto port = parse_port(*split->port);
  if (!port) return std::unexpected(port.error());
  address.port = *port;
  return address;
}

std::string Url::text() const {
  const bool default_port = port == (tls ? 443 : 80);
  const bool bracketed = host.contains(':');
  return fmt::format("{}://{}{}{}{}{}", tls ? "https" : "http", bracketed ? "[" : "", host,
                     bracketed ? "]" : "", default_port ? "" : fmt::format(":{}", port), prefix);
}

Parsed<Url> parse_url(std::string_view text) {
  const std::size_t end = text.find("://");
  if (end == std::string_view::npos)
    return std::unexpected("it begins with no http:// or https://");
  const std::string scheme = in_lower_case(text.substr(0, end));
  if (scheme != "http" && scheme != "https") {
    return std::unexpected(fmt::format("its scheme is '{}', not http or https", scheme));
  }
  if (text.find_first_of("?#") != std::string_view::npos) {
    return std::unexpected("it has a query or fragment");
  }
  return parse_after_scheme(text.substr(end + 3), scheme == "https");
}

bool has_userinfo(std::string_view text) {
  const std::size_t scheme = text.find("://");
  if (scheme != std::string_view::npos) text.remove_prefix(scheme + 3);
  return text.substr(0, text.find('/')).contains('@');
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || (is_ipv4(host) && host.starts_with("127."));
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         (is_letter(text.front()) || is_digit(text.front())) &&
         std::ranges::all_of(text, [](char c) {
           return is_letter(c) || is_digit(c) || c == '-' || c == '.' || c == '_';
         });
}

bool is_alias_name(std::string_view text) {
  return !text.empty() && text.size() <= 128 &&
         (is_letter(text.front()) || is_digit(text.front())) &&
         std::ranges::all_of(text, [](char c) {
           return is_letter(c) || is_digit(c) || std::string_view("-._/:@+").contains(c);
         });
}

bool Address::is_local() const { return kind == Kind::unix_socket || is_loopback(host); }

std::string Address::text() const {
  if (kind == Kind::unix_socket) return "unix:" + path.string();
  const bool bracketed = host.contains(':');
  return fmt::format("{}{}{}:{}", bracketed ? "[" : "", host, bracketed ? "]" : "", port);
}

}  // namespace hanse::config
