// src/adapters/http/endpoint.h
// Where to listen and whom to reach: addresses, origins and URLs.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace hanse::http {

// A socket address: IPv4, IPv6 or the path of a Unix-domain socket.
class Endpoint {
 public:
  Endpoint() = default;
  Endpoint(const sockaddr* address, socklen_t size);

  // "127.0.0.1:8080", "[::1]:8080", ":8080" and "8080" (both loopback, never
  // all interfaces), "localhost:8080", "unix:/run/hanse/admin.sock".
  // Fails: invalid_input for anything else; names are not looked up.
  static Result<Endpoint> parse(std::string_view text);
  static Endpoint loopback(std::uint16_t port);

  [[nodiscard]] bool is_unix() const;
  [[nodiscard]] bool is_loopback() const;
  // Zero for a Unix-domain socket.
  [[nodiscard]] std::uint16_t port() const;
  void set_port(std::uint16_t port);
  // The address alone: "127.0.0.1", "::1", "unix:/path".
  [[nodiscard]] std::string host() const;
  // What parse() reads.
  [[nodiscard]] std::string to_string() const;

  [[nodiscard]] const sockaddr* address() const {
    return reinterpret_cast<const sockaddr*>(&storage_);
  }
  [[nodiscard]] socklen_t size() const { return size_; }
  [[nodiscard]] int family() const { return storage_.ss_family; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

// Whom a pool of connections reaches.
struct Origin {
  std::string host{};  // a name or a literal address, without brackets
  std::uint16_t port = 80;
  bool tls = false;
  std::string unix_path{};  // when set, connections go there; `host` is still what Host says

  // What the Host field carries: the port only when it is not the scheme's.
  [[nodiscard]] std::string authority() const;
  bool operator==(const Origin&) const = default;
};

struct Url {
  Origin origin;
  std::string path;  // begins with '/'; "/" when the URL has none

  // "http://host:port/path", "https://...", "unix:/path/to.sock".
  // Fails: invalid_input; user info, fragments and other schemes are refused.
  static Result<Url> parse(std::string_view text);
};

}  // namespace hanse::http
