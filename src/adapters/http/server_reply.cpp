#include <algorithm>
#include <utility>

#include "adapters/http/server_connection.h"
#include "adapters/http/server_state.h"
#include "base/check.h"

// The output side of ServerConnection, and Exchange.

namespace hanse::http {

namespace {

// Half of the write scratch is for heads, half for what OpenSSL must see in
// one piece.
std::span<char> head_space(Loop& loop) {
  return loop.write_scratch().first(loop.write_scratch().size() / 2);
}
std::span<char> gather_space(Loop& loop) {
  return loop.write_scratch().subspan(loop.write_scratch().size() / 2);
}

// Replies in more pieces than this go through the kept bytes.
constexpr std::size_t kPiecesMax = 24;

std::size_t total_size(std::span<const std::string_view> pieces) {
  std::size_t size = 0;
  for (const std::string_view piece : pieces) size += piece.size();
  return size;
}

template <typename Pieces>
void push(Pieces& pieces, std::string_view bytes) {
  if (bytes.empty()) return;
  // writev() reads only.
  pieces.push({.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()});
}

bool is_bodiless(int status) { return status == 204 || status == 304; }

}  // namespace

// Settles, when a reply's head is written, how the connection goes on.
void ServerConnection::decide_after() {
  if (server_.draining) after_ = std::max(after_, After::close);
  if (phase_ != Phase::body || !parser_.has_body()) return;
  // An early answer: the rest of the body is thrown away if it is here
  // already, and else the connection has no future.
  const std::uint64_t left = parser_.body_bytes_left();
  if (left == 0 || left > input_left_) after_ = After::linger;
}

void ServerConnection::write_reply(int status, HeaderLines headers,
                                   std::span<const std::string_view> body) {
  const bool old = announced_ && parser_.head().version() == Version::http_1_0;
  const auto write_head = [&](HeadWriter& head, HeaderLines lines, std::size_t body_size) {
    head.status_line(status);
    head.field("Date", server_.date.at(loop().now().wall));
    head.fields(lines);
    if (chunked_) head.field("Transfer-Encoding", "chunked");
    if (!chunked_ && !begun_ && !is_bodiless(status)) head.field("Content-Length", body_size);
    if (after_ != After::keep) {
      head.field("Connection", "close");
    } else if (old) {
      head.field("Connection", "keep-alive");
    }
    head.end();
  };
  HeadWriter head(head_space(loop()));
  write_head(head, headers, total_size(body));
  if (!head.fits()) {
    // Only headers of our own can be that large.
    head = HeadWriter(head_space(loop()));
    status = 500;
    body = {};
    write_head(head, {}, 0);
  }
  if (bodiless_) body = {};
  if (begun_ || body.size() > kPiecesMax) {
    // A stream's head waits for its first bytes.
    hold(head.view());
    for (const std::string_view piece : body) hold(piece);
    return deferred_.schedule();
  }
  Pieces pieces;
  push(pieces, head.view());
  for (const std::string_view piece : body) push(pieces, piece);
  send(pieces);
}

void ServerConnection::reply(int status, HeaderLines headers,
                             std::span<const std::string_view> body) {
  HANSE_CHECK(announced_ && !ended_ && !begun_);
  HANSE_CHECK(status >= 200 && status <= 599);
  decide_after();
  bodiless_ = is_bodiless(status) || to_head_;
  body_bytes_written_ = bodiless_ ? 0 : total_size(body);
  write_reply(status, headers, body);
  end_exchange();
}

void ServerConnection::begin_stream(int status, HeaderLines headers) {
  HANSE_CHECK(handed_over_ && !ended_ && !begun_);
  HANSE_CHECK(status >= 200 && status <= 599);
  decide_after();
  bodiless_ = is_bodiless(status) || to_head_;
  const bool old = parser_.head().version() == Version::http_1_0;
  if (old) after_ = std::max(after_, After::close);
  chunked_ = !old && !is_bodiless(status);
  begun_ = true;
  write_reply(status, headers, {});
}

bool ServerConnection::write(std::span<const std::string_view> pieces) {
  HANSE_CHECK(begun_ && !ended_);
  const std::size_t size = total_size(pieces);
  if (size == 0 || bodiless_ || broken_) return !paused_;
  body_bytes_written_ += size;
  const ChunkLine line(size);
  Pieces all;
  if (pieces.size() > kPiecesMax) {
    if (chunked_) hold(line.view());
    for (const std::string_view piece : pieces) hold(piece);
  } else {
    if (chunked_) push(all, line.view());
    for (const std::string_view piece : pieces) push(all, piece);
  }
  if (chunked_) push(all, "\r\n");
  send(all);
  if (out_.size() > server_.options.unsent_high) paused_ = true;
  return !paused_;
}

void ServerConnection::finish(std::string_view last) {
  HANSE_CHECK(begun_ && !ended_);
  if (!broken_ && !bodiless_) {
    body_bytes_written_ += last.size();
    const ChunkLine line(last.size());
    Pieces all;
    if (chunked_ && !last.empty()) push(all, line.view());
    push(all, last);
    if (chunked_) push(all, last.empty() ? "0\r\n\r\n" : "\r\n0\r\n\r\n");
    send(all);
  }
  end_exchange();
}

void ServerConnection::abort() {
  HANSE_CHECK(announced_ && !ended_);
  // Without chunks, only a reset tells a cut from an end.
  after_ = begun_ && !chunked_ ? After::reset : std::max(after_, After::close);
  end_exchange();
}

// Keeps bytes in front of those that are sent next.
void ServerConnection::hold(std::string_view bytes) {
  held_ = held_ || out_.empty();
  if (!out_.append(bytes)) fail_later();
}

// Sends what waits and `pieces`, and keeps what the socket refuses.
void ServerConnection::send(const Pieces& pieces) {
  if (broken_) return;
  const bool refused = !may_write_ || (!out_.empty() && !held_);
  if (refused) return keep_unsent(pieces, 0);
  held_ = false;
  Pieces rest;
  push(rest, out_.view());
  for (const iovec& piece : pieces) rest.push(piece);
  std::size_t sent = 0;
  std::size_t first = 0;
  while (first < rest.size()) {
    const IoResult result =
        transport_.write({rest.begin() + first, rest.size() - first}, gather_space(loop()));
    if (result.kind == IoResult::Kind::again) {
      may_write_ = false;
      break;
    }
    if (result.kind != IoResult::Kind::done) return fail_later();
    sent += result.bytes;
    std::size_t moved = result.bytes;
    while (first < rest.size() && moved >= rest[first].iov_len) moved -= rest[first++].iov_len;
    if (first == rest.size()) break;
    rest[first].iov_base = static_cast<char*>(rest[first].iov_base) + moved;
    rest[first].iov_len -= moved;
    // A plain socket that takes a part is full.
    if (!transport_.over_tls()) may_write_ = false;
    if (!may_write_) break;
  }
  keep_unsent(pieces, sent);
}

// `sent` counts from the first byte of out_ on.
void ServerConnection::keep_unsent(const Pieces& pieces, std::size_t sent) {
  const std::size_t of_out = std::min(sent, out_.size());
  out_.consume(of_out);
  std::size_t skip = sent - of_out;
  for (const iovec& piece : pieces) {
    const std::size_t gone = std::min(skip, piece.iov_len);
    skip -= gone;
    const char* rest = static_cast<const char*>(piece.iov_base) + gone;
    if (!out_.append({rest, piece.iov_len - gone})) return fail_later();
  }
  if (out_.empty()) return;
  // A whole reply is in memory anyway, and its client reads as fast as it can;
  // write_stall and the pool's budget bound it. A stream should have paused.
  if (begun_ && out_.size() > server_.options.unsent_max) return fail_later();
  if (phase_ == Phase::busy && !timer_.armed()) timer_.arm_in(server_.options.write_stall);
}

// The socket takes bytes again.
void ServerConnection::flush() {
  held_ = false;
  while (!out_.empty()) {
    const iovec piece{.iov_base = out_.data(), .iov_len = out_.size()};
    const IoResult result = transport_.write({&piece, 1}, {});
    if (result.kind == IoResult::Kind::again) {
      may_write_ = false;
      break;
    }
    if (result.kind != IoResult::Kind::done) {
      broken_ = true;
      return;
    }
    const bool partial = result.bytes < out_.size();
    out_.consume(result.bytes);
    if (phase_ == Phase::busy || phase_ == Phase::flushing) {
      timer_.arm_in(server_.options.write_stall);
    }
    if (partial && !transport_.over_tls()) may_write_ = false;
    if (!may_write_) break;
  }
  if (out_.empty() && phase_ == Phase::flushing) return after_flush();
  if (out_.empty() && phase_ == Phase::busy) timer_.cancel();
  if (paused_ && !ended_ && out_.size() <= server_.options.unsent_low) {
    paused_ = false;
    if (observer_ != nullptr) observer_->on_drained(exchange_);
  }
}

void ServerConnection::end_exchange() {
  ended_ = true;
  observer_ = nullptr;
  if (handed_over_) --server_.counters.busy;
  parser_.release_head();
  body_.release();
  // An early answer on a connection that goes on: the body is read and thrown
  // away first.
  if (phase_ == Phase::body && after_ == After::keep) return;
  phase_ = Phase::flushing;
  if (broken_) return fail_later();
  if (out_.empty()) return after_flush();
  timer_.arm_in(server_.options.write_stall);
}

void ServerConnection::after_flush() {
  timer_.cancel();
  switch (after_) {
    case After::keep: return next_request();
    case After::close:
      // Closing with unread bytes would be a reset that overtakes the reply.
      if (may_read_ || !leftover_.empty()) return begin_lingering();
      return close_now();
    case After::linger: return begin_lingering();
    case After::reset: transport_.reset(); return close_now();
  }
}

void ServerConnection::next_request() {
  if (server_.draining) return close_now();
  parser_.restart();
  body_bytes_written_ = 0;
  announced_ = handed_over_ = ended_ = begun_ = chunked_ = bodiless_ = held_ = paused_ = false;
  enter_idle();
  if ((may_read_ || !leftover_.empty()) && !in_input_) deferred_.schedule();
}

void ServerConnection::begin_lingering() {
  if (peer_closed_ || broken_) return close_now();
  transport_.shut_sending();
  phase_ = Phase::lingering;
  leftover_.release();
  timer_.arm_in(server_.options.linger_time);
  may_read_ = true;
  deferred_.schedule();
}

void ServerConnection::fail_later() {
  broken_ = true;
  deferred_.schedule();
}

const RequestHead& Exchange::head() const { return connection_.parser_.head(); }
std::string_view Exchange::body() const { return connection_.body_.view(); }
Buffer Exchange::take_body() {
  return std::exchange(connection_.body_, Buffer(connection_.loop().buffers()));
}
void Exchange::release_head() { connection_.parser_.release_head(); }
void Exchange::release_body() { connection_.body_.release(); }
bool Exchange::over_tls() const { return connection_.transport_.over_tls(); }
MonotonicTime Exchange::began_at() const { return connection_.began_at_; }
void Exchange::set_observer(ExchangeObserver* observer) { connection_.observer_ = observer; }
bool Exchange::begun() const { return connection_.begun_; }
std::uint64_t Exchange::body_bytes_written() const { return connection_.body_bytes_written_; }
std::size_t Exchange::unsent_bytes() const { return connection_.out_.size(); }

void Exchange::reply(int status, HeaderLines headers, std::string_view body) {
  connection_.reply(status, headers, {&body, 1});
}
void Exchange::reply(int status, HeaderLines headers, std::span<const std::string_view> body) {
  connection_.reply(status, headers, body);
}
void Exchange::begin_stream(int status, HeaderLines headers) {
  connection_.begin_stream(status, headers);
}
bool Exchange::write(std::string_view bytes) { return connection_.write({&bytes, 1}); }
bool Exchange::write(std::span<const std::string_view> pieces) { return connection_.write(pieces); }
void Exchange::finish(std::string_view last) { connection_.finish(last); }
void Exchange::abort() { connection_.abort(); }

}  // namespace hanse::http
