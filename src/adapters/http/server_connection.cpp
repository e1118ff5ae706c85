#include "adapters/http/server_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <utility>

#include "adapters/http/server_state.h"
#include "base/check.h"

namespace hanse::http {

namespace {

// Reads of one connection before others have their turn.
constexpr int kReadsPerTurn = 4;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
// A body's announced length is believed up to here; beyond, memory follows
// the bytes that really come.
constexpr std::uint64_t kBodyReserveMax = std::uint64_t{64} << 10U;

}  // namespace

ServerConnection::ServerConnection(ServerState& server)
    : Watch(server.loop),
      server_(server),
      parser_(server.loop.heads(), server.options.limits),
      exchange_(*this),
      body_(server.loop.buffers()),
      leftover_(server.loop.buffers()),
      out_(server.loop.buffers()),
      timer_(server.loop, [this] { on_timer(); }),
      deferred_(server.loop, [this] { work(); }) {}

bool ServerConnection::take(int descriptor, const Endpoint& peer) {
  transport_.open(descriptor);
  const int on = 1;
  if (!peer.is_unix()) setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  may_write_ = true;
  phase_ = Phase::handshake;
  if (watch(descriptor)) return true;
  close_now();
  return false;
}

void ServerConnection::turn_away(int descriptor, const Endpoint& peer) {
  turned_away = true;
  if (take(descriptor, peer)) refuse(refusals::kTooManyConnections);
}

void ServerConnection::open(int descriptor, const Endpoint& peer) {
  if (!take(descriptor, peer)) return;
  if (server_.options.tls) {
    timer_.arm_in(server_.options.handshake_time);
  } else {
    enter_idle();
  }
}

void ServerConnection::close_now() {
  if (phase_ == Phase::closed) return;
  server_.leave_list(*this);
  if (phase_ == Phase::handshake && handshake_begun_) server_.handshake_ends();
  if (handed_over_ && !ended_) --server_.counters.busy;
  phase_ = Phase::closed;
  unwatch();
  transport_.close();
  timer_.cancel();
  deferred_.cancel();
  parser_.release_head();
  body_.release();
  leftover_.release();
  out_.release();
  server_.retire(*this);
}

void ServerConnection::drain() {
  after_ = std::max(after_, After::close);
  switch (phase_) {
    case Phase::idle: return close_now();
    case Phase::handshake:
    case Phase::head:
    case Phase::body: {
      const MonotonicTime soon = loop().now().monotonic + server_.options.drain_grace;
      timer_.arm(timer_.armed() ? std::min(timer_.deadline(), soon) : soon);
      return;
    }
    default: return;
  }
}

void ServerConnection::cut() {
  if (phase_ == Phase::closed) return;
  client_gone();
}

void ServerConnection::on_ready(Ready ready) {
  may_read_ = may_read_ || ready.readable;
  may_write_ = may_write_ || ready.writable;
  peer_closed_ = peer_closed_ || ready.peer_closed;
  broken_ = broken_ || ready.broken;
  work();
}

void ServerConnection::work() {
  if (phase_ == Phase::handshake) return ask_for_handshake();
  if (!out_.empty() && may_write_ && !broken_) flush();
  switch (phase_) {
    case Phase::idle:
    case Phase::head:
    case Phase::body: read_input(); break;
    case Phase::busy:
      if (peer_closed_ || broken_) client_gone();
      break;
    case Phase::flushing:
      if (broken_) client_gone();
      break;
    case Phase::lingering: discard_input(); break;
    default: break;
  }
}

void ServerConnection::on_timer() {
  // An idle connection that closes, or a lingering one, is nobody's failure.
  if (phase_ != Phase::idle && phase_ != Phase::lingering) ++server_.counters.timed_out;
  switch (phase_) {
    case Phase::head:
      refuse(server_.draining ? refusals::kDraining : refusals::kHeadTimedOut);
      break;
    case Phase::body:
      refuse(server_.draining ? refusals::kDraining : refusals::kBodyTimedOut);
      break;
    case Phase::busy:
    case Phase::flushing: client_gone(); break;  // it does not read
    default: close_now();
  }
}

void ServerConnection::ask_for_handshake() {
  // Who has said nothing yet costs nothing yet.
  if (may_read_ || peer_closed_ || broken_) server_.ask_for_handshake(*this);
}

void ServerConnection::handshake_turn() {
  if (!handshake_begun_) {
    const auto& tls = server_.options.tls;
    if (!tls || !transport_.begin_tls_server(*tls)) return close_now();
    handshake_begun_ = true;
    server_.handshake_begins();
  }
  std::string why;
  switch (transport_.handshake(why)) {
    case IoResult::Kind::done:
      server_.handshake_ends();
      enter_idle();
      return work();
    case IoResult::Kind::again: return;
    default: ++server_.counters.handshakes_failed; return close_now();
  }
}

void ServerConnection::enter_idle() {
  phase_ = Phase::idle;
  server_.add_idle(*this);
  timer_.arm_in(server_.bounded(server_.options.idle_time));
}

void ServerConnection::read_input() {
  feed_leftover();
  for (int i = 0; i < kReadsPerTurn && may_read_ && wants_input(); ++i) {
    const std::span<char> scratch = loop().read_scratch();
    const IoResult got = transport_.read(scratch);
    if (got.kind == IoResult::Kind::again) {
      may_read_ = false;
      break;
    }
    if (got.kind == IoResult::Kind::closed) return input_ended();
    if (got.kind == IoResult::Kind::failed) return input_broke();
    // A short read has emptied the socket, unless the end is already there.
    if (got.bytes < scratch.size() && !transport_.over_tls() && !peer_closed_) may_read_ = false;
    const std::size_t used = feed(scratch.first(got.bytes));
    if (used == got.bytes || phase_ == Phase::closed) continue;
    if (!leftover_.append({scratch.data() + used, got.bytes - used})) after_ = After::close;
  }
  if (may_read_ && wants_input()) deferred_.schedule();
  if (phase_ == Phase::busy && (peer_closed_ || broken_)) client_gone();
}

void ServerConnection::feed_leftover() {
  if (leftover_.empty()) return;
  Buffer bytes = std::exchange(leftover_, Buffer(loop().buffers()));
  const std::size_t used = feed({bytes.data(), bytes.size()});
  if (phase_ == Phase::closed) return;
  bytes.consume(used);
  leftover_ = std::move(bytes);
}

// Feeds the parser as long as the connection wants input; returns how much
// was used. The bytes belong to nobody else until it returns.
std::size_t ServerConnection::feed(std::span<char> bytes) {
  in_input_ = true;
  std::size_t at = 0;
  bool head = false;
  while (wants_input() && (at < bytes.size() || head)) {
    if (phase_ == Phase::idle) begin_request();
    const Fed fed = parser_.feed(bytes.subspan(at));
    at += fed.used;
    head = fed.event == FramingEvent::head;
    if (!fed.body.empty() && !ended_) body_bytes(fed.body);
    if (!wants_input()) break;
    switch (fed.event) {
      case FramingEvent::more: break;
      case FramingEvent::head: head_done(bytes.size() - at); break;
      case FramingEvent::complete: request_done(); break;
      case FramingEvent::refused: refuse(parser_.refusal()); break;
    }
  }
  in_input_ = false;
  return at;
}

void ServerConnection::begin_request() {
  server_.leave_list(*this);
  phase_ = Phase::head;
  began_at_ = loop().now().monotonic;
  timer_.arm_in(server_.bounded(server_.options.head_time));
}

void ServerConnection::head_done(std::size_t bytes_left) {
  phase_ = Phase::body;
  announced_ = true;
  to_head_ = parser_.head().method() == "HEAD";
  const auto now = loop().now().monotonic;
  body_deadline_ = now + server_.options.body_time;
  timer_.arm(std::min(now + server_.bounded(server_.options.body_stall), body_deadline_));
  if (!parser_.keep_alive()) after_ = std::max(after_, After::close);
  input_left_ = bytes_left;
  server_.handler.on_head(exchange_);
  input_left_ = 0;
  if (ended_ || phase_ != Phase::body) return;
  const bool old = parser_.head().version() == Version::http_1_0;
  if (parser_.has_body() && parser_.expects_continue() && bytes_left == 0 && !old) {
    Pieces pieces;
    pieces.push({.iov_base = const_cast<char*>(kContinue.data()), .iov_len = kContinue.size()});
    send(pieces);
  }
}

void ServerConnection::body_bytes(std::string_view bytes) {
  const auto announced = std::min(parser_.body_bytes_left() + bytes.size(), kBodyReserveMax);
  const bool kept =
      (!body_.empty() || body_.reserve(static_cast<std::size_t>(announced))) && body_.append(bytes);
  if (!kept) return refuse(refusals::kNoMemory);
  const auto now = loop().now().monotonic;
  timer_.arm(std::min(now + server_.bounded(server_.options.body_stall), body_deadline_));
}

void ServerConnection::request_done() {
  timer_.cancel();
  ++server_.counters.requests;
  if (ended_) {  // answered early; the body has been thrown away
    phase_ = Phase::flushing;
    if (out_.empty()) return after_flush();
    return timer_.arm_in(server_.options.write_stall);
  }
  phase_ = Phase::busy;
  handed_over_ = true;
  ++server_.counters.busy;
  server_.handler.on_request(exchange_);
}

// The client has closed its sending side while we were reading.
void ServerConnection::input_ended() {
  may_read_ = false;
  peer_closed_ = true;
  const bool begun = phase_ == Phase::body || (phase_ == Phase::head && parser_.begun());
  if (!begun) return close_now();
  refuse(refusals::kCutShort);
}

void ServerConnection::input_broke() {
  broken_ = true;
  client_gone();
}

void ServerConnection::discard_input() {
  for (int i = 0; i < kReadsPerTurn && may_read_; ++i) {
    const IoResult got = transport_.read(loop().read_scratch());
    if (got.kind == IoResult::Kind::closed || got.kind == IoResult::Kind::failed) {
      return close_now();
    }
    if (got.kind == IoResult::Kind::again) may_read_ = false;
  }
  if (may_read_) deferred_.schedule();
}

void ServerConnection::refuse(const Refusal& refusal) {
  ++server_.counters.refused;
  const bool answered = ended_;
  const RequestHead* const head = announced_ && !answered ? &parser_.head() : nullptr;
  const RefusalReply said = server_.handler.on_refused(refusal, head);
  tell_gone();
  if (phase_ == Phase::closed) return;
  if (broken_) return close_now();
  body_.release();
  after_ = After::linger;
  timer_.cancel();
  phase_ = Phase::flushing;
  if (!answered) {
    std::vector<HeaderLine> lines;
    for (const auto& [name, value] : said.headers) lines.push_back({name, value});
    const std::string_view piece = said.body;
    begun_ = bodiless_ = false;
    write_reply(refusal.status, lines, {&piece, 1});
  }
  ended_ = true;
  if (out_.empty() && !broken_) return after_flush();
  timer_.arm_in(server_.options.write_stall);
}

// The handler's exchange ends without an answer of its own.
void ServerConnection::tell_gone() {
  if (!announced_ || ended_) return;
  ended_ = true;
  if (handed_over_) --server_.counters.busy;
  if (observer_ != nullptr) std::exchange(observer_, nullptr)->on_client_gone(exchange_);
}

void ServerConnection::client_gone() {
  if (phase_ == Phase::busy) ++server_.counters.clients_gone;
  tell_gone();
  if (phase_ == Phase::closed) return;
  const bool unsent = !out_.empty();
  if (unsent) transport_.reset();
  close_now();
}

}  // namespace hanse::http
