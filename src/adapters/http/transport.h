// src/adapters/http/transport.h
// A connected descriptor, plain or under TLS, that never blocks.
//
// OpenSSL works on the descriptor itself, without a copy of the stream in
// between, and gives its buffers back when they are empty.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "adapters/http/endpoint.h"
#include "adapters/http/tls.h"
#include "base/result.h"

struct ssl_st;

namespace hanse::http {

class Loop;

struct IoResult {
  enum class Kind : std::uint8_t {
    done,    // `bytes` were moved, at least one
    again,   // the socket refuses for now
    closed,  // the peer has ended its side in order
    failed,  // reset or worse
  };
  Kind kind = Kind::again;
  std::size_t bytes = 0;
  int error = 0;  // errno when failed, if the system said one
};

class Transport {
 public:
  Transport() = default;
  ~Transport() { close(); }
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Takes the descriptor. Requires: it is non-blocking, and nothing is open.
  void open(int descriptor);
  void close();
  // Closes so that the peer sees a reset, not an end.
  void reset();
  // Says that no more will be sent; reading goes on.
  void shut_sending();

  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  [[nodiscard]] int descriptor() const { return descriptor_; }
  [[nodiscard]] bool over_tls() const { return tls_ != nullptr; }

  // After open(): the descriptor's bytes are TLS. `host` is checked against
  // the certificate unless the context says otherwise. Fails: internal, when
  // OpenSSL has no memory.
  Status begin_tls_server(const TlsContext& context);
  Status begin_tls_client(const TlsContext& context, const std::string& host);
  // Repeat on readiness until done or failed; `why` says what went wrong.
  IoResult::Kind handshake(std::string& why);

  IoResult read(std::span<char> into);
  // Moves as much as the socket takes. Over TLS the pieces are gathered in
  // `gather` first.
  IoResult write(std::span<const iovec> pieces, std::span<char> gather);

 private:
  IoResult read_tls(std::span<char> into);
  IoResult write_tls(std::span<const iovec> pieces, std::span<char> gather);
  IoResult tls_result(int returned);

  int descriptor_ = -1;
  ssl_st* tls_ = nullptr;
  bool handshaken_ = false;
  bool tls_broken_ = false;  // no close_notify after a fatal error
};

// A non-blocking socket with the options of this module (close-on-exec, no
// delay). Fails: at_capacity when the process is out of descriptors.
Result<int> open_socket(const Endpoint& endpoint);

}  // namespace hanse::http
