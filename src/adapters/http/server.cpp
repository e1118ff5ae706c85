#include "adapters/http/server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "adapters/http/server_connection.h"
#include "adapters/http/server_state.h"
#include "base/check.h"

namespace hanse::http {

namespace {

constexpr int kBacklog = 4096;

Error system_error(std::string_view what, const Endpoint& endpoint) {
  return {ErrorCode::unavailable, Fault::us, Retry::later,
          fmt::format("cannot {} {}: {}", what, endpoint.to_string(), std::strerror(errno))};
}

std::string socket_path(const Endpoint& endpoint) {
  return endpoint.is_unix() ? endpoint.to_string().substr(std::strlen("unix:")) : "";
}

// Removes a socket file that nobody listens on any more.
void remove_stale_socket(const Endpoint& endpoint) {
  struct stat found{};
  const std::string path = socket_path(endpoint);
  if (lstat(path.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) return;
  auto probe = open_socket(endpoint);
  if (!probe) return;
  if (connect(*probe, endpoint.address(), endpoint.size()) != 0 && errno == ECONNREFUSED) {
    unlink(path.c_str());
  }
  close(*probe);
}

Result<Endpoint> bind_and_listen(int descriptor, const Endpoint& endpoint) {
  const int on = 1;
  if (endpoint.is_unix()) {
    remove_stale_socket(endpoint);
    fchmod(descriptor, S_IRUSR | S_IWUSR);  // the file's mode, on Linux
  } else {
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  }
  if (bind(descriptor, endpoint.address(), endpoint.size()) != 0) {
    return fail(system_error("bind to", endpoint));
  }
  if (::listen(descriptor, kBacklog) != 0) return fail(system_error("listen on", endpoint));
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  getsockname(descriptor, reinterpret_cast<sockaddr*>(&bound), &size);
  return endpoint.is_unix() ? endpoint : Endpoint(reinterpret_cast<sockaddr*>(&bound), size);
}

}  // namespace

Listener::Listener(ServerState& server, int descriptor, std::string unix_path)
    : Watch(server.loop),
      server_(server),
      listening_(descriptor),
      unix_path_(std::move(unix_path)),
      retry_(server.loop, [this] { resume(); }),
      more_(server.loop, [this] { accept_some(); }) {}

Listener::~Listener() {
  unwatch();
  close(listening_);
  if (!unix_path_.empty()) unlink(unix_path_.c_str());
}

Status Listener::start() { return watch(listening_); }

void Listener::on_ready(Ready ready) {
  if (ready.readable && !paused_) accept_some();
}

void Listener::resume() {
  if (!paused_) return;
  paused_ = false;
  retry_.cancel();
  more_.schedule();
}

// Out of descriptors: one that closes resumes it, but whoever else holds them
// will not tell us.
void Listener::pause() {
  paused_ = true;
  ++server_.counters.accept_pauses;
  retry_.arm_in(kPause);
}

void Listener::accept_some() {
  for (int i = 0; i < kAcceptsPerTurn && !paused_; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int descriptor = accept4(listening_, reinterpret_cast<sockaddr*>(&address), &size,
                                   SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      server_.accept(descriptor, Endpoint(reinterpret_cast<sockaddr*>(&address), size));
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) return;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      return pause();
    }
    // That one connection is gone (ECONNABORTED and the like); go on.
  }
  if (!paused_) more_.schedule();
}

ServerState::ServerState(Loop& the_loop, ServerOptions the_options, Handler& the_handler)
    : loop(the_loop),
      options(std::move(the_options)),
      handler(the_handler),
      handshake_pause_(the_loop,
                       [this] {
                         another_may_begin_ = true;
                         handshakes_.schedule();
                       }),
      handshakes_(the_loop, [this] { do_handshakes(); }),
      sweep_(the_loop, [this] { sweep(); }),
      drain_limit_(the_loop, [this] {
        for (std::size_t i = 0; i < connections_.size(); ++i) connections_[i]->cut();
      }) {}

ServerState::~ServerState() {
  listeners_.clear();
  while (!connections_.empty()) connections_.back()->close_now();
}

Result<Endpoint> ServerState::listen(const Endpoint& endpoint) {
  auto descriptor = open_socket(endpoint);
  if (!descriptor) return std::unexpected(descriptor.error());
  auto bound = bind_and_listen(*descriptor, endpoint);
  if (!bound) {
    close(*descriptor);
    return bound;
  }
  auto listener = std::make_unique<Listener>(*this, *descriptor, socket_path(endpoint));
  if (auto started = listener->start(); !started) return std::unexpected(started.error());
  listeners_.push_back(std::move(listener));
  return bound;
}

bool ServerState::has_room() const {
  return counters.open - turned_away_ < options.connections_max;
}

ServerConnection& ServerState::add_connection() {
  ++counters.open;
  connections_.push_back(std::make_unique<ServerConnection>(*this));
  connections_.back()->place = connections_.size() - 1;
  return *connections_.back();
}

void ServerState::accept(int descriptor, const Endpoint& peer) {
  if (!has_room()) {
    if (idle_.first() == nullptr) return turn_away(descriptor, peer);
    idle_.first()->close_now();
  }
  ++counters.accepted;
  add_connection().open(descriptor, peer);
}

void ServerState::turn_away(int descriptor, const Endpoint& peer) {
  ++counters.turned_away;
  // What is said inside TLS would cost its handshake first.
  if (options.tls || turned_away_ == kTurnedAwayMax) {
    close(descriptor);
    return;
  }
  ++turned_away_;
  add_connection().turn_away(descriptor, peer);
}

void ServerState::retire(ServerConnection& connection) {
  --counters.open;
  if (connection.turned_away) --turned_away_;
  const std::size_t place = connection.place;
  std::swap(connections_[place], connections_.back());
  connections_[place]->place = place;
  retired_.push_back(std::move(connections_.back()));
  connections_.pop_back();
  sweep_.schedule();
}

void ServerState::sweep() {
  retired_.clear();
  for (auto& listener : listeners_) listener->resume();
  check_drained();
}

void ServerState::add_idle(ServerConnection& connection) { idle_.push_back(connection); }

void ServerState::leave_list(ServerConnection& connection) {
  if (connection.list != nullptr) connection.list->remove(connection);
}

void ServerState::ask_for_handshake(ServerConnection& connection) {
  if (connection.list != nullptr) return;
  (connection.handshake_begun() ? handshakes_begun_ : handshakes_new_).push_back(connection);
  handshakes_.schedule();
}

ServerConnection* ServerState::next_handshake() {
  if (handshakes_begun_.first() != nullptr) return handshakes_begun_.first();
  if (handshakes_new_.first() == nullptr) return nullptr;
  const bool few = handshakes_under_way_ < kHandshakesUnderWay;
  if (few || std::exchange(another_may_begin_, false)) return handshakes_new_.first();
  if (!handshake_pause_.armed()) handshake_pause_.arm_in(kHandshakePause);
  return nullptr;
}

void ServerState::do_handshakes() {
  for (int i = 0; i < kHandshakesPerTurn; ++i) {
    ServerConnection* const next = next_handshake();
    if (next == nullptr) return;
    leave_list(*next);
    next->handshake_turn();
  }
  handshakes_.schedule();
}

void ConnectionList::push_back(ServerConnection& connection) {
  HANSE_CHECK(connection.list == nullptr);
  connection.list = this;
  connection.previous = last_;
  connection.next = nullptr;
  (last_ != nullptr ? last_->next : first_) = &connection;
  last_ = &connection;
}

void ConnectionList::remove(ServerConnection& connection) {
  HANSE_CHECK(connection.list == this);
  (connection.previous != nullptr ? connection.previous->next : first_) = connection.next;
  (connection.next != nullptr ? connection.next->previous : last_) = connection.previous;
  connection.next = connection.previous = nullptr;
  connection.list = nullptr;
}

void ServerState::drain(Duration limit, std::function<void()> done) {
  draining = true;
  drained_ = std::move(done);
  listeners_.clear();
  // Closing one moves another into its place.
  for (std::size_t i = connections_.size(); i-- > 0;) {
    if (i < connections_.size()) connections_[i]->drain();
  }
  if (limit < kForever) drain_limit_.arm_in(limit);
  sweep_.schedule();
}

void ServerState::check_drained() {
  if (!draining || counters.open > 0 || !drained_) return;
  drain_limit_.cancel();
  std::exchange(drained_, nullptr)();
}

Server::Server(Loop& loop, ServerOptions options, Handler& handler)
    : state_(std::make_unique<ServerState>(loop, std::move(options), handler)) {}
Server::~Server() = default;

Result<Endpoint> Server::listen(const Endpoint& endpoint) { return state_->listen(endpoint); }
void Server::set_tls(std::shared_ptr<const TlsContext> tls) {
  state_->options.tls = std::move(tls);
}
void Server::drain(Duration limit, std::function<void()> done) {
  state_->drain(limit, std::move(done));
}
bool Server::draining() const { return state_->draining; }
const Server::Counters& Server::counters() const { return state_->counters; }

RefusalReply Handler::on_refused(const Refusal& refusal, const RequestHead* head) {
  static_cast<void>(head);
  return {.headers = {{"Content-Type", "text/plain"}},
          .body = fmt::format("{}: {}\n", refusal.code, refusal.message)};
}

}  // namespace hanse::http
