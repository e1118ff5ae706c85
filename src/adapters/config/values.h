// src/adapters/config/values.h
// The small languages inside quotes: durations, sizes, addresses, URLs.
//
// Each parser says in half a sentence what is wrong, to stand behind "expected
// a duration such as ..., found the text ...:". Each printer gives the one
// canonical text of a value, which its parser reads back.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "adapters/config/configuration.h"
#include "base/time.h"

namespace hanse::config {

template <typename T>
using Parsed = std::expected<T, std::string>;

// "1500ms", "1.5s": digits, a fraction if it is exact in nanoseconds, and one
// of ns, us, ms, s, m, h, d.
Parsed<Duration> parse_duration(std::string_view text);
std::string print(Duration duration);

// "32KiB", "16MB": whole numbers of B, kB, MB, GB, TB, KiB, MiB, GiB, TiB.
Parsed<Bytes> parse_size(std::string_view text);
std::string print(Bytes size);

// "33.3": above 0, up to 100, at most four decimals; in millionths.
Parsed<std::int64_t> parse_percent(std::string_view text);
std::string print_percent(std::int64_t ppm);

// "127.0.0.1:8411", "[::1]:8411", "localhost:0", "unix:PATH" (left as written).
Parsed<Address> parse_address(std::string_view text);

struct Url {
  bool tls = false;
  std::string host;  // without brackets
  std::uint16_t port = 0;
  std::string prefix;  // "" or "/v1": never a slash at its end

  // Scheme and host in lower case, the port only where it is not the scheme's.
  [[nodiscard]] std::string text() const;
};

// An engine's base address: http or https, a host, no user, query or fragment.
Parsed<Url> parse_url(std::string_view text);
// Whether `text` has a user or password before its host.
bool has_userinfo(std::string_view text);

// Whether a TCP host is this machine only: 127.0.0.0/8, ::1 or localhost.
bool is_loopback(std::string_view host);

// What a person may name a thing: a letter or digit, then letters, digits and
// -._ up to 64 in all; an alias may also hold / : @ + and be 128 long.
bool is_name(std::string_view text);
bool is_alias_name(std::string_view text);

}  // namespace hanse::config
