#include "adapters/http/transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/check.h"

namespace hanse::http {

namespace {

std::string tls_error() {
  const auto code = ERR_get_error();
  ERR_clear_error();
  if (code == 0) return "the peer closed during the handshake";
  const char* reason = ERR_reason_error_string(code);
  return reason != nullptr ? reason : "unknown TLS error";
}

bool is_literal_address(const std::string& host) {
  in6_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

}  // namespace

void Transport::open(int descriptor) {
  HANSE_CHECK(descriptor_ < 0 && descriptor >= 0);
  descriptor_ = descriptor;
  handshaken_ = tls_broken_ = false;
}

void Transport::close() {
  if (tls_ != nullptr) {
    ERR_clear_error();
    if (handshaken_ && !tls_broken_) SSL_shutdown(tls_);
    ERR_clear_error();
    SSL_free(std::exchange(tls_, nullptr));
  }
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

void Transport::reset() {
  if (descriptor_ < 0) return;
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  tls_broken_ = true;
  close();
}

void Transport::shut_sending() {
  if (tls_ != nullptr && handshaken_ && !tls_broken_) {
    ERR_clear_error();
    SSL_shutdown(tls_);
    ERR_clear_error();
    tls_broken_ = true;
  }
  if (descriptor_ >= 0) shutdown(descriptor_, SHUT_WR);
}

Status Transport::begin_tls_server(const TlsContext& context) {
  tls_ = SSL_new(context.context());
  if (tls_ == nullptr || SSL_set_fd(tls_, descriptor_) != 1) return internal_error(tls_error());
  SSL_set_accept_state(tls_);
  return {};
}

Status Transport::begin_tls_client(const TlsContext& context, const std::string& host) {
  tls_ = SSL_new(context.context());
  if (tls_ == nullptr || SSL_set_fd(tls_, descriptor_) != 1) return internal_error(tls_error());
  SSL_set_connect_state(tls_);
  const std::string& name = context.server_name().empty() ? host : context.server_name();
  const bool literal = is_literal_address(name);
  if (!literal) SSL_set_tlsext_host_name(tls_, name.c_str());
  if (context.verifies()) {
    X509_VERIFY_PARAM* wanted = SSL_get0_param(tls_);
    X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    const int set = literal ? X509_VERIFY_PARAM_set1_ip_asc(wanted, name.c_str())
                            : X509_VERIFY_PARAM_set1_host(wanted, name.c_str(), name.size());
    if (set != 1) return internal_error(tls_error());
  }
  return {};
}

IoResult::Kind Transport::handshake(std::string& why) {
  ERR_clear_error();
  const int returned = SSL_do_handshake(tls_);
  if (returned == 1) {
    handshaken_ = true;
    return IoResult::Kind::done;
  }
  const int error = SSL_get_error(tls_, returned);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return IoResult::Kind::again;
  const long verdict = SSL_get_verify_result(tls_);
  why = verdict != X509_V_OK ? fmt::format("the certificate was not accepted: {}",
                                           X509_verify_cert_error_string(verdict))
                             : tls_error();
  ERR_clear_error();
  tls_broken_ = true;
  return IoResult::Kind::failed;
}

IoResult Transport::read(std::span<char> into) {
  if (tls_ != nullptr) return read_tls(into);
  while (true) {
    const ssize_t got = recv(descriptor_, into.data(), into.size(), 0);
    if (got > 0) return {.kind = IoResult::Kind::done, .bytes = static_cast<std::size_t>(got)};
    if (got == 0) return {.kind = IoResult::Kind::closed};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {};
    return {.kind = IoResult::Kind::failed, .error = errno};
  }
}

IoResult Transport::write(std::span<const iovec> pieces, std::span<char> gather) {
  if (tls_ != nullptr) return write_tls(pieces, gather);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(pieces.data());  // sendmsg() reads it only
  message.msg_iovlen = pieces.size();
  while (true) {
    const ssize_t sent =
        pieces.size() == 1 ? send(descriptor_, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL)
                           : sendmsg(descriptor_, &message, MSG_NOSIGNAL);
    if (sent >= 0) return {.kind = IoResult::Kind::done, .bytes = static_cast<std::size_t>(sent)};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {};
    return {.kind = IoResult::Kind::failed, .error = errno};
  }
}

IoResult Transport::tls_result(int returned) {
  switch (SSL_get_error(tls_, returned)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return {};
    case SSL_ERROR_ZERO_RETURN: return {.kind = IoResult::Kind::closed};
    case SSL_ERROR_SYSCALL: {
      const int error = errno;
      tls_broken_ = true;
      ERR_clear_error();
      return {.kind = IoResult::Kind::failed, .error = error != 0 ? error : ECONNRESET};
    }
    default:
      // An end without close_notify among them: whoever can cut the line could
      // have cut the message.
      tls_broken_ = true;
      ERR_clear_error();
      return {.kind = IoResult::Kind::failed, .error = ECONNRESET};
  }
}

IoResult Transport::read_tls(std::span<char> into) {
  ERR_clear_error();
  errno = 0;
  std::size_t got = 0;
  const int returned = SSL_read_ex(tls_, into.data(), into.size(), &got);
  if (returned == 1) return {.kind = IoResult::Kind::done, .bytes = got};
  return tls_result(returned);
}

IoResult Transport::write_tls(std::span<const iovec> pieces, std::span<char> gather) {
  const char* data = nullptr;
  std::size_t size = 0;
  if (pieces.size() == 1) {
    data = static_cast<const char*>(pieces[0].iov_base);
    size = pieces[0].iov_len;
  } else {
    for (const iovec& piece : pieces) {
      const std::size_t part = std::min(piece.iov_len, gather.size() - size);
      std::memcpy(gather.data() + size, piece.iov_base, part);
      size += part;
      if (size == gather.size()) break;
    }
    data = gather.data();
  }
  if (size == 0) return {.kind = IoResult::Kind::done};
  ERR_clear_error();
  errno = 0;
  std::size_t sent = 0;
  const int returned = SSL_write_ex(tls_, data, size, &sent);
  if (returned == 1) return {.kind = IoResult::Kind::done, .bytes = sent};
  return tls_result(returned);
}

Result<int> open_socket(const Endpoint& endpoint) {
  const int descriptor = socket(endpoint.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    return fail({ErrorCode::at_capacity, Fault::us, Retry::later,
                 fmt::format("no socket: {}", std::strerror(errno))});
  }
  if (!endpoint.is_unix()) {
    const int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  return descriptor;
}

}  // namespace hanse::http
