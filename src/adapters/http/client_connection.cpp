#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "adapters/http/client_state.h"
#include "base/bounded.h"
#include "base/check.h"

namespace hanse::http {

namespace {

// Reads of one connection before others have their turn.
constexpr int kReadsPerTurn = 4;
constexpr std::size_t kPiecesPerWrite = 16;

CallTrouble trouble_of(int error) {
  return error == ECONNREFUSED || error == ENOENT ? CallTrouble::refused : CallTrouble::unreachable;
}

}  // namespace

ClientConnection::ClientConnection(PoolState& pool)
    : Watch(pool.loop),
      pool_(pool),
      parser_(pool.loop.heads(), pool.options.limits),
      deferred_(pool.loop, [this] { work(); }) {}

void ClientConnection::close_now() {
  if (phase_ == Phase::closed) return;
  if (phase_ == Phase::idle) pool_.leave_idle(*this);
  phase_ = Phase::closed;
  stop_waiting();
  unwatch();
  transport_.close();
  deferred_.cancel();
  parser_.release_head();
  pool_.retire(*this);
}

void ClientConnection::abandon() {
  if (call_ != nullptr) {
    call_->connection = nullptr;
    call_ = nullptr;
  }
  close_now();
}

void ClientConnection::fail_call(CallTrouble trouble, std::string message) {
  CallState& call = *call_;
  abandon();
  call.fail(trouble, std::move(message));
}

void ClientConnection::open(CallState& call) {
  call_ = &call;
  call.connection = this;
  reused_ = false;
  phase_ = Phase::resolving;
  phase_began_ = loop().now().monotonic;
  call.enter(CallPhase::resolving);
  if (!pool_.origin.unix_path.empty()) {
    auto endpoint = Endpoint::parse("unix:" + pool_.origin.unix_path);
    if (!endpoint) return fail_call(CallTrouble::invalid_request, endpoint.error().message);
    return begin_connect({*endpoint});
  }
  if (const Addresses* known = loop().resolver().known(pool_.origin.host)) {
    return begin_connect(*known);
  }
  loop().resolver().resolve(pool_.origin.host, *this);
}

void ClientConnection::on_resolved(const Result<Addresses>& addresses) {
  if (!addresses) return fail_call(CallTrouble::name_not_resolved, addresses.error().message);
  begin_connect(*addresses);
}

void ClientConnection::begin_connect(const Addresses& addresses) {
  phase_ = Phase::connecting;
  phase_began_ = loop().now().monotonic;
  connected_ = {.waited = elapsed(call_->began_at, phase_began_)};
  if (addresses.empty()) {
    return fail_call(CallTrouble::unreachable, "there is no address to try");
  }
  // Most sites have one address, which nothing needs to remember.
  addresses_.assign(addresses.rbegin(), addresses.rend() - 1);
  try_address(addresses.front());
}

bool ClientConnection::try_next_address() {
  if (addresses_.empty()) return false;
  const Endpoint endpoint = addresses_.back();
  addresses_.pop_back();
  try_address(endpoint);
  return true;
}

void ClientConnection::try_address(Endpoint address) {
  unwatch();
  transport_.close();
  phase_ = Phase::connecting;
  may_read_ = may_write_ = broken_ = peer_closed_ = false;
  call_->enter(CallPhase::connecting);
  // An address that swallows our packets may not use up all the time.
  if (!addresses_.empty()) {
    const auto now = loop().now().monotonic;
    const auto left = static_cast<std::int64_t>(addresses_.size()) + 1;
    call_->limit_present(now + elapsed(now, call_->connect_deadline) / left);
  }
  address.set_port(pool_.origin.port);
  connect_to(address);
}

void ClientConnection::connect_to(const Endpoint& endpoint) {
  auto descriptor = open_socket(endpoint);
  if (!descriptor) return fail_call(CallTrouble::unreachable, descriptor.error().message);
  transport_.open(*descriptor);
  const int returned = connect(*descriptor, endpoint.address(), endpoint.size());
  const int error = returned == 0 ? 0 : errno;
  if (auto watched = watch(*descriptor); !watched) {
    return fail_call(CallTrouble::unreachable, watched.error().message);
  }
  if (error != EINPROGRESS) connect_finished(error);
}

void ClientConnection::connect_finished(int error) {
  if (error != 0) {
    if (try_next_address()) return;
    return fail_call(trouble_of(error), fmt::format("cannot connect to {}: {}", pool_.authority,
                                                    std::strerror(error)));
  }
  Addresses().swap(addresses_);  // an empty list would keep the memory
  may_write_ = true;
  const auto now = loop().now().monotonic;
  connected_.connect = elapsed(phase_began_, now);
  phase_began_ = now;
  if (pool_.origin.tls) return begin_handshake();
  ready_to_send();
}

void ClientConnection::begin_handshake() {
  phase_ = Phase::handshake;
  call_->enter(CallPhase::handshake);
  if (auto begun = transport_.begin_tls_client(*pool_.options.tls, pool_.origin.host); !begun) {
    return fail_call(CallTrouble::tls, begun.error().message);
  }
  advance_handshake();
}

void ClientConnection::advance_handshake() {
  std::string why;
  const auto kind = transport_.handshake(why);
  if (kind == IoResult::Kind::again) return;
  if (kind == IoResult::Kind::failed) return fail_call(CallTrouble::tls, why);
  connected_.tls = elapsed(phase_began_, loop().now().monotonic);
  may_read_ = true;
  ready_to_send();
}

void ClientConnection::carry(CallState& call) {
  call_ = &call;
  call.connection = this;
  reused_ = true;
  connected_ = {.reused = true, .waited = elapsed(call.began_at, loop().now().monotonic)};
  ready_to_send();
}

void ClientConnection::ready_to_send() {
  phase_ = Phase::busy;
  parser_.restart(call_->head_only);
  sent_ = 0;
  request_size_ = call_->head.size();
  for (const std::string_view piece : call_->body) request_size_ += piece.size();
  call_->connected(connected_);
  call_->enter(CallPhase::sending);
  send_request();
}

void ClientConnection::send_request() {
  const std::uint64_t before = sent_;
  while (sent_ < request_size_ && may_write_ && send_window()) {
  }
  if (broken_) return deferred_.schedule();
  if (sent_ > before) call_->request_left = true;
  if (parser_.begun()) return;  // the answer came before the request was out
  if (sent_ == request_size_) {
    call_->enter(CallPhase::head);
    // What a fresh connection has swallowed is not sent once more.
    if (!reused_) call_->request_done();
    return;
  }
  if (sent_ > before) call_->progress();
}

// Sends up to kPiecesPerWrite pieces from `sent_` on; false when the socket
// takes no more.
bool ClientConnection::send_window() {
  InlineVector<iovec, kPiecesPerWrite> pieces;
  std::uint64_t skip = sent_;
  std::uint64_t size = 0;
  const auto offer = [&](std::string_view bytes) {
    const auto gone = static_cast<std::size_t>(std::min<std::uint64_t>(skip, bytes.size()));
    skip -= gone;
    if (gone == bytes.size() || pieces.full()) return;
    pieces.push(
        {.iov_base = const_cast<char*>(bytes.data() + gone), .iov_len = bytes.size() - gone});
    size += bytes.size() - gone;
  };
  offer(call_->head.view());
  for (const std::string_view piece : call_->body) offer(piece);
  const IoResult result = transport_.write({pieces.begin(), pieces.size()}, loop().write_scratch());
  if (result.kind == IoResult::Kind::again) {
    may_write_ = false;
    return false;
  }
  if (result.kind != IoResult::Kind::done) {
    broken_ = true;
    return false;
  }
  sent_ += result.bytes;
  if (result.bytes < size && !transport_.over_tls()) may_write_ = false;
  return true;
}

void ClientConnection::on_ready(Ready ready) {
  may_read_ = may_read_ || ready.readable;
  may_write_ = may_write_ || ready.writable;
  peer_closed_ = peer_closed_ || ready.peer_closed;
  if (phase_ == Phase::connecting) {
    if (!ready.writable && !ready.broken) return;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(transport_.descriptor(), SOL_SOCKET, SO_ERROR, &error, &size);
    return connect_finished(error);
  }
  work();
}

void ClientConnection::work() {
  switch (phase_) {
    case Phase::handshake: advance_handshake(); break;
    case Phase::idle: check_quiet(); break;
    case Phase::busy:
      if (sent_ < request_size_ && may_write_ && !broken_) send_request();
      if (phase_ == Phase::busy) read_response();
      break;
    default: break;
  }
}

// An idle connection should say nothing; whatever it says ends it.
void ClientConnection::check_quiet() {
  if (may_read_ && !quiet_after_response()) close_now();
}

bool ClientConnection::quiet_after_response() {
  if (!may_read_) return !peer_closed_;
  const IoResult got = transport_.read(loop().read_scratch());
  may_read_ = false;
  return got.kind == IoResult::Kind::again;
}

void ClientConnection::read_response() {
  if (!call_->told_connected()) return deferred_.schedule();
  for (int i = 0; i < kReadsPerTurn && may_read_; ++i) {
    if (call_->paused) return;
    const std::span<char> scratch = loop().read_scratch();
    const IoResult got = transport_.read(scratch);
    if (got.kind == IoResult::Kind::again) {
      may_read_ = false;
      break;
    }
    if (got.kind != IoResult::Kind::done) {
      return closed_by_peer(got.kind == IoResult::Kind::closed);
    }
    // A short read has emptied the socket, unless the end is already there.
    if (got.bytes < scratch.size() && !transport_.over_tls() && !peer_closed_) may_read_ = false;
    CallState* const call = call_;
    deliver(scratch.first(got.bytes));
    if (phase_ != Phase::busy || call_ != call) return;
  }
  if (may_read_) return deferred_.schedule();
  // Nothing more to read, and nobody there to read what we send.
  if (broken_) closed_by_peer(false);
}

// Gives the observer what the bytes say. Any callback may end the call, and
// with it this connection's business.
void ClientConnection::deliver(std::span<char> bytes) {
  if (!parser_.begun()) response_begins();
  call_->progress();
  bool head = false;
  while (!bytes.empty() || head) {
    const Fed fed = parser_.feed(bytes);
    bytes = bytes.subspan(fed.used);
    head = fed.event == FramingEvent::head;
    if (head) {
      call_->observer->on_head(parser_.head());
      if (call_ == nullptr) return;
      parser_.release_head();
    }
    if (!fed.body.empty()) {
      call_->observer->on_data(fed.body);
      if (call_ == nullptr) return;
    }
    if (fed.event == FramingEvent::complete) return response_complete(bytes.size());
    if (fed.event == FramingEvent::refused) return refused_framing();
  }
}

void ClientConnection::response_begins() {
  // From now on the call cannot move to another connection.
  if (sent_ == request_size_) call_->request_done();
  call_->enter(CallPhase::body);
}

void ClientConnection::response_complete(std::size_t bytes_left) {
  CallState& call = *call_;
  call_ = nullptr;
  call.connection = nullptr;
  // An answer to half a request, or more than was asked for, leaves a
  // connection whose next bytes mean nothing.
  const bool reusable = parser_.keep_alive() && bytes_left == 0 && sent_ == request_size_ &&
                        !broken_ && quiet_after_response();
  if (reusable) {
    phase_ = Phase::idle;
    pool_.release(*this);
  } else {
    close_now();
  }
  call.complete();
}

void ClientConnection::closed_by_peer(bool in_order) {
  if (in_order && parser_.finish()) return response_complete(1);
  if (parser_.begun()) {
    return fail_call(CallTrouble::closed_early,
                     in_order ? "the site closed before the end" : "the connection was reset");
  }
  CallState& call = *call_;
  if (reused_ && !call.sent_again) {
    abandon();
    return call.send_again();
  }
  fail_call(CallTrouble::reset, "the site closed the connection without an answer");
}

void ClientConnection::refused_framing() {
  const Refusal refusal = parser_.refusal();
  const bool large =
      refusal.code == refusals::kHeadTooLarge.code || refusal.code == refusals::kTooManyFields.code;
  fail_call(large ? CallTrouble::head_too_large : CallTrouble::bad_framing,
            fmt::format("{}: {}", refusal.code, refusal.message));
}

}  // namespace hanse::http
