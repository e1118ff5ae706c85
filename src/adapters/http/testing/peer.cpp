#include "adapters/http/testing/peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/check.h"

namespace hanse::http::testing {

namespace {

constexpr int kPatienceMilliseconds = 10'000;

bool wait_for(int descriptor, short what) {
  pollfd waiting{.fd = descriptor, .events = what, .revents = 0};
  return poll(&waiting, 1, kPatienceMilliseconds) == 1;
}

std::size_t body_length(const std::string& head) {
  const auto at = head.find("ontent-Length: ");
  return at == std::string::npos ? 0 : std::stoul(head.substr(at + 15));
}

}  // namespace

Peer::Peer(int descriptor) : descriptor_(descriptor) {
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

Peer Peer::connect(const Endpoint& endpoint) {
  const int descriptor = socket(endpoint.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  HANSE_CHECK(descriptor >= 0);
  HANSE_CHECK(::connect(descriptor, endpoint.address(), endpoint.size()) == 0);
  return Peer(descriptor);
}

Peer::~Peer() { close(); }

Peer::Peer(Peer&& other) noexcept { *this = std::move(other); }

Peer& Peer::operator=(Peer&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(pending_, other.pending_);
  std::swap(ended_, other.ended_);
  std::swap(reset_, other.reset_);
  return *this;
}

bool Peer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    if (!wait_for(descriptor_, POLLOUT)) return false;
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool Peer::read_more() {
  if (ended_ || !wait_for(descriptor_, POLLIN)) return false;
  char buffer[65536];
  const ssize_t got = recv(descriptor_, buffer, sizeof buffer, 0);
  if (got <= 0) {
    ended_ = true;
    reset_ = got < 0;
    return false;
  }
  pending_.append(buffer, static_cast<std::size_t>(got));
  return true;
}

std::string Peer::read_until(std::string_view marker) {
  while (pending_.find(marker) == std::string::npos && read_more()) {
  }
  const auto at = pending_.find(marker);
  const auto size = at == std::string::npos ? pending_.size() : at + marker.size();
  std::string taken = pending_.substr(0, size);
  pending_.erase(0, size);
  return taken;
}

std::string Peer::read_exactly(std::size_t count) {
  while (pending_.size() < count && read_more()) {
  }
  std::string taken = pending_.substr(0, count);
  pending_.erase(0, taken.size());
  return taken;
}

std::string Peer::read_message() {
  std::string head = read_until("\r\n\r\n");
  if (head.find("hunked") != std::string::npos) return head + read_until("0\r\n\r\n");
  return head + read_exactly(body_length(head));
}

std::string Peer::read_to_end() {
  while (read_more()) {
  }
  return std::exchange(pending_, {});
}

bool Peer::sees_end() { return read_to_end().empty() && ended_; }

void Peer::shut_sending() { shutdown(descriptor_, SHUT_WR); }

void Peer::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

void Peer::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close();
}

void Peer::shrink_receive_buffer(int bytes) {
  setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

PeerListener::PeerListener() {
  endpoint_ = Endpoint::loopback(0);
  descriptor_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  HANSE_CHECK(bind(descriptor_, endpoint_.address(), endpoint_.size()) == 0);
  HANSE_CHECK(listen(descriptor_, 512) == 0);
  sockaddr_in bound{};
  socklen_t size = sizeof bound;
  getsockname(descriptor_, reinterpret_cast<sockaddr*>(&bound), &size);
  endpoint_ = Endpoint(reinterpret_cast<sockaddr*>(&bound), size);
}

PeerListener::~PeerListener() { close(); }

Origin PeerListener::origin() const {
  return {.host = "127.0.0.1", .port = endpoint_.port(), .tls = false, .unix_path = ""};
}

Peer PeerListener::accept() {
  if (!wait_for(descriptor_, POLLIN)) return {};
  return Peer(::accept(descriptor_, nullptr, nullptr));
}

void PeerListener::stop() { shutdown(descriptor_, SHUT_RDWR); }

void PeerListener::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

ScriptedUpstream::ScriptedUpstream(Script script)
    : script_(std::move(script)), acceptor_([this] {
        while (true) {
          Peer peer = listener_.accept();
          if (peer.descriptor() < 0) return;
          connections_.emplace_back(
              [this, connection = std::move(peer)]() mutable { script_(connection); });
        }
      }) {}

ScriptedUpstream::~ScriptedUpstream() {
  listener_.stop();
  acceptor_.join();
  for (std::thread& connection : connections_) connection.join();
}

}  // namespace hanse::http::testing
