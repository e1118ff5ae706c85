#include "adapters/http/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <charconv>
#include <cstddef>
#include <cstring>
#include <optional>

#include <fmt/format.h>

namespace hanse::http {

namespace {

constexpr std::string_view kUnixPrefix = "unix:";

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, port);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return port;
}

std::optional<Endpoint> from_literal(std::string_view host, std::uint16_t port) {
  const std::string text(host);
  sockaddr_in v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    return Endpoint(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  }
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    return Endpoint(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  }
  return std::nullopt;
}

std::optional<Endpoint> from_path(std::string_view path) {
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof address.sun_path) return std::nullopt;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const auto size = offsetof(sockaddr_un, sun_path) + path.size() + 1;
  return Endpoint(reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size));
}

struct HostAndPort {
  std::string_view host;
  std::optional<std::string_view> port;
};

// Splits "host:port", "[v6]:port", "host"; the brackets are taken off.
std::optional<HostAndPort> split_authority(std::string_view text) {
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const auto host = text.substr(1, close - 1);
    const auto rest = text.substr(close + 1);
    if (rest.empty()) return HostAndPort{host, std::nullopt};
    if (!rest.starts_with(':')) return std::nullopt;
    return HostAndPort{host, rest.substr(1)};
  }
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return HostAndPort{text, std::nullopt};
  return HostAndPort{text.substr(0, colon), text.substr(colon + 1)};
}

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == ':';
}

bool is_host(std::string_view host) {
  if (host.empty() || host.size() > 255) return false;
  for (const char c : host) {
    if (!is_host_character(c)) return false;
  }
  return true;
}

bool is_target_character(char c) { return c > ' ' && c < 0x7f && c != '#'; }

}  // namespace

Endpoint::Endpoint(const sockaddr* address, socklen_t size) {
  if (size > sizeof storage_) size = sizeof storage_;
  std::memcpy(&storage_, address, size);
  size_ = size;
}

Result<Endpoint> Endpoint::parse(std::string_view text) {
  const auto bad = [text] {
    return invalid_input(fmt::format(
        "\"{}\" is no address; expected one like 127.0.0.1:8080, [::1]:8080 or unix:/path", text));
  };
  if (text.starts_with(kUnixPrefix)) {
    auto endpoint = from_path(text.substr(kUnixPrefix.size()));
    return endpoint ? Result<Endpoint>(*endpoint) : bad();
  }
  if (const auto port = parse_port(text)) return loopback(*port);
  const auto parts = split_authority(text);
  if (!parts || !parts->port) return bad();
  const auto port = parse_port(*parts->port);
  if (!port) return bad();
  if (parts->host.empty() || parts->host == "localhost") return loopback(*port);
  auto endpoint = from_literal(parts->host, *port);
  return endpoint ? Result<Endpoint>(*endpoint) : bad();
}

Endpoint Endpoint::loopback(std::uint16_t port) { return *from_literal("127.0.0.1", port); }

bool Endpoint::is_unix() const { return family() == AF_UNIX; }

bool Endpoint::is_loopback() const {
  if (family() == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage_);
    return (ntohl(v4->sin_addr.s_addr) >> 24U) == 127;
  }
  if (family() == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage_);
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr) != 0;
  }
  return is_unix();
}

std::uint16_t Endpoint::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage_)->sin_port);
  if (family() == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_port);
  }
  return 0;
}

void Endpoint::set_port(std::uint16_t port) {
  if (family() == AF_INET) reinterpret_cast<sockaddr_in*>(&storage_)->sin_port = htons(port);
  if (family() == AF_INET6) reinterpret_cast<sockaddr_in6*>(&storage_)->sin6_port = htons(port);
}

std::string Endpoint::host() const {
  char text[INET6_ADDRSTRLEN] = {};
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(&storage_)->sin_addr, text,
              sizeof text);
    return text;
  }
  if (family() == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(&storage_)->sin6_addr, text,
              sizeof text);
    return text;
  }
  if (!is_unix()) return "";
  // The peer of a Unix-domain connection has no path.
  const bool named = size_ > offsetof(sockaddr_un, sun_path);
  return std::string(kUnixPrefix) +
         (named ? reinterpret_cast<const sockaddr_un*>(&storage_)->sun_path : "");
}

std::string Endpoint::to_string() const {
  if (family() == AF_INET) return fmt::format("{}:{}", host(), port());
  if (family() == AF_INET6) return fmt::format("[{}]:{}", host(), port());
  return host();
}

std::string Origin::authority() const {
  const bool v6 = host.find(':') != std::string::npos;
  std::string name = v6 ? fmt::format("[{}]", host) : host;
  if (!unix_path.empty() || port == (tls ? 443 : 80)) return name;
  return fmt::format("{}:{}", name, port);
}

Result<Url> Url::parse(std::string_view text) {
  const auto bad = [text](std::string_view why) {
    return invalid_input(fmt::format("\"{}\" is no usable URL: {}", text, why));
  };
  Url url;
  if (text.starts_with(kUnixPrefix)) {
    const auto path = text.substr(kUnixPrefix.size());
    if (!from_path(path)) return bad("the socket's path is empty or too long");
    url.origin = {.host = "localhost", .port = 80, .tls = false, .unix_path = std::string(path)};
    url.path = "/";
    return url;
  }
  constexpr std::string_view kHttp = "http://";
  constexpr std::string_view kHttps = "https://";
  url.origin.tls = text.starts_with(kHttps);
  if (!url.origin.tls && !text.starts_with(kHttp)) {
    return bad("it must begin with http://, https:// or unix:");
  }
  const auto rest = text.substr(url.origin.tls ? kHttps.size() : kHttp.size());
  const auto slash = rest.find_first_of("/?#");
  const auto authority = rest.substr(0, slash);
  const auto path = slash == std::string_view::npos ? "/" : rest.substr(slash);
  if (authority.find('@') != std::string_view::npos) {
    return bad("credentials do not belong into a URL");
  }
  const auto parts = split_authority(authority);
  if (!parts || !is_host(parts->host)) return bad("its host makes no sense");
  const std::uint16_t usual = url.origin.tls ? 443 : 80;
  const auto port = parts->port ? parse_port(*parts->port) : std::optional(usual);
  if (!port || *port == 0) return bad("its port makes no sense");
  if (!path.starts_with('/')) return bad("its path must begin with a slash");
  for (const char c : path) {
    if (!is_target_character(c)) return bad("its path holds a character that must be escaped");
  }
  url.origin.host = parts->host;
  url.origin.port = *port;
  url.path = path;
  return url;
}

}  // namespace hanse::http
