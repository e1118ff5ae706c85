// src/adapters/http/tls.h
// Certificates and trust, for both sides, on OpenSSL 3.
//
// A context is immutable; reloading a certificate means making a new context
// and handing it to the server, which uses it from the next connection on.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"

struct ssl_ctx_st;

namespace hanse::http {

struct TlsServerOptions {
  std::string certificate_file{};  // PEM, the chain from the leaf upward
  std::string key_file{};          // PEM
  // When set, clients must show a certificate signed by these authorities.
  std::string client_ca_file{};
};

struct TlsClientOptions {
  // PEM; empty means the system's roots.
  std::string ca_file{};
  // Shown to sites that ask for one; both or neither.
  std::string certificate_file{};
  std::string key_file{};
  // What the certificate must be for and what SNI says; empty means the
  // origin's host.
  std::string server_name{};
  // For tests against throw-away certificates only.
  bool verify = true;
};

class TlsContext {
 public:
  // Fails: invalid_input when a file is missing, unreadable or does not fit
  // the other (a key of another certificate).
  static Result<std::shared_ptr<const TlsContext>> for_server(const TlsServerOptions& options);
  static Result<std::shared_ptr<const TlsContext>> for_client(const TlsClientOptions& options);

  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  [[nodiscard]] ssl_ctx_st* context() const { return context_; }
  [[nodiscard]] bool verifies() const { return verifies_; }
  [[nodiscard]] const std::string& server_name() const { return server_name_; }

 private:
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}

  ssl_ctx_st* context_;
  bool verifies_ = true;
  std::string server_name_;
};

}  // namespace hanse::http
