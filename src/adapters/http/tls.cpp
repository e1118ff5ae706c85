#include "adapters/http/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <string_view>

#include <fmt/format.h>

namespace hanse::http {

namespace {

// ALPN's wire form: a length byte before each name.
constexpr std::string_view kProtocols = "\x08http/1.1";

std::string last_error() {
  const auto code = ERR_get_error();
  ERR_clear_error();
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "unknown error";
}

std::unexpected<Error> bad_file(std::string_view what, const std::string& file) {
  return invalid_input(fmt::format("the {} in {} cannot be used: {}", what, file, last_error()));
}

int choose_protocol(SSL* tls, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned int offered_size, void* argument) {
  static_cast<void>(tls);
  static_cast<void>(argument);
  unsigned char* found = nullptr;
  const auto* ours = reinterpret_cast<const unsigned char*>(kProtocols.data());
  if (SSL_select_next_proto(&found, chosen_size, ours, kProtocols.size(), offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

void set_common(SSL_CTX* context) {
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
}

Status load_identity(SSL_CTX* context, const std::string& certificate, const std::string& key) {
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) {
    return bad_file("certificate", certificate);
  }
  if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return bad_file("private key", key);
  }
  if (SSL_CTX_check_private_key(context) != 1) return bad_file("private key", key);
  return {};
}

}  // namespace

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

Result<std::shared_ptr<const TlsContext>> TlsContext::for_server(const TlsServerOptions& options) {
  ERR_clear_error();
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (context == nullptr) return internal_error(last_error());
  std::shared_ptr<TlsContext> made(new TlsContext(context));
  set_common(context);
  SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
  // Sessions live in the tickets that clients keep, not in our memory.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  constexpr std::string_view kSessionContext = "hanse";
  SSL_CTX_set_session_id_context(context,
                                 reinterpret_cast<const unsigned char*>(kSessionContext.data()),
                                 kSessionContext.size());
  if (auto loaded = load_identity(context, options.certificate_file, options.key_file); !loaded) {
    return std::unexpected(loaded.error());
  }
  if (!options.client_ca_file.empty()) {
    if (SSL_CTX_load_verify_file(context, options.client_ca_file.c_str()) != 1) {
      return bad_file("certificate authority", options.client_ca_file);
    }
    SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(options.client_ca_file.c_str()));
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return made;
}

Result<std::shared_ptr<const TlsContext>> TlsContext::for_client(const TlsClientOptions& options) {
  ERR_clear_error();
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  if (context == nullptr) return internal_error(last_error());
  std::shared_ptr<TlsContext> made(new TlsContext(context));
  set_common(context);
  made->verifies_ = options.verify;
  made->server_name_ = options.server_name;
  SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(kProtocols.data()),
                          kProtocols.size());
  SSL_CTX_set_verify(context, options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (options.ca_file.empty()) {
    if (SSL_CTX_set_default_verify_paths(context) != 1) return internal_error(last_error());
  } else if (SSL_CTX_load_verify_file(context, options.ca_file.c_str()) != 1) {
    return bad_file("certificate authority", options.ca_file);
  }
  if (!options.certificate_file.empty()) {
    if (auto loaded = load_identity(context, options.certificate_file, options.key_file); !loaded) {
      return std::unexpected(loaded.error());
    }
  }
  return made;
}

}  // namespace hanse::http
