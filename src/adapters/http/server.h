// src/adapters/http/server.h
// The HTTP/1.1 side that clients see.
//
// A client may be slow, gone, hostile or merely old; none of them may hold
// memory, a descriptor or an inference slot for long. Every phase has a time
// limit, everything kept has a bound, and a client that leaves is noticed in
// every phase, at once, also while its request waits for an engine.
//
// Requests of one connection are answered in order: the next pipelined
// request is looked at only after the present one has been answered. Bodies
// are read whole before on_request(), because a request may be sent to a
// second site when the first one fails.
//
// A client that shuts down its sending side counts as gone, as with nginx and
// Envoy: an abandoned request must not keep generating.
//
// No callback runs inside a call of these classes: whatever reply(), write()
// or abort() find out is told later, from the loop.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/http/endpoint.h"
#include "adapters/http/framing_limits.h"
#include "adapters/http/loop.h"
#include "adapters/http/message.h"
#include "adapters/http/tls.h"

namespace hanse::http {

class Exchange;
class ServerConnection;
class ServerState;

// What is said with a refusal's status. Framing headers are the server's.
struct RefusalReply {
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct ServerOptions {
  FramingLimits limits{};

  // Past it the connection that has idled longest makes room for a new one; if
  // none idles, the new one is told so and closed, under TLS without a word.
  std::size_t connections_max = 10'000;
  // Bytes kept for one client because its socket refused them. Past the high
  // mark write() says "pause"; below the low mark on_drained() says "go on";
  // past the most, the stream is cut.
  std::size_t unsent_high = std::size_t{256} << 10U;
  std::size_t unsent_low = std::size_t{64} << 10U;
  std::size_t unsent_max = std::size_t{4} << 20U;

  Duration handshake_time = seconds(10);
  Duration head_time = seconds(15);    // from its first byte to its last
  Duration body_stall = seconds(30);   // between two reads of a body
  Duration body_time = seconds(300);   // for a whole body
  Duration idle_time = seconds(75);    // between two requests
  Duration write_stall = seconds(30);  // a client that does not read
  Duration linger_time = seconds(2);   // after an early close, so the reply arrives
  // While draining: for a handshake, for a head, and between two reads of a body.
  Duration drain_grace = seconds(1);

  // Plain when empty.
  std::shared_ptr<const TlsContext> tls{};
};

// Told about the rest of an exchange that has been handed to on_request().
class ExchangeObserver {
 public:
  virtual ~ExchangeObserver() = default;
  // unsent_bytes() has fallen below the low mark after write() said "pause".
  virtual void on_drained(Exchange& exchange) = 0;
  // The client closed, was reset, or stopped reading for too long. The
  // exchange ends with this call; it must not be touched afterwards.
  virtual void on_client_gone(Exchange& exchange) = 0;
};

// One request and its reply. Lives from on_head() until it is answered
// (reply, finish, abort) or its client is gone; after that the reference must
// not be used.
class Exchange {
 public:
  // Requires: release_head() has not been called.
  [[nodiscard]] const RequestHead& head() const;
  // The whole body. Empty in on_head().
  // Requires: neither take_body() nor release_body() has been called.
  [[nodiscard]] std::string_view body() const;
  // Hands the body to the caller, who may keep it beyond the exchange but not
  // beyond the loop.
  Buffer take_body();
  // Give memory back early, in streams that last.
  void release_head();
  void release_body();

  [[nodiscard]] bool over_tls() const;
  // When the first byte of the request came.
  [[nodiscard]] MonotonicTime began_at() const;

  // May be set in on_head() or later; null means nobody is told.
  void set_observer(ExchangeObserver* observer);

  // A whole reply. Content-Length, Connection and Date are the server's; such
  // lines among `headers` are dropped. The bytes are copied or sent before it
  // returns. Ends the exchange.
  void reply(int status, HeaderLines headers, std::string_view body);
  // The same with a body in pieces, sent as one.
  void reply(int status, HeaderLines headers, std::span<const std::string_view> body);

  // A reply of unknown length: chunked for HTTP/1.1, ended by closing for 1.0.
  // The head leaves together with the first bytes, at the latest when the
  // present turn is over. Requires: not begun, and on_request() was called.
  void begin_stream(int status, HeaderLines headers);
  // One chunk, sent at once; empty bytes are no chunk. False when more than
  // `unsent_high` bytes wait: pause the source until on_drained(). The bytes
  // are taken in either case. Requires: begun.
  bool write(std::string_view bytes);
  bool write(std::span<const std::string_view> pieces);
  // The end, in one system call with `last`. Ends the exchange.
  void finish(std::string_view last = {});
  // Sends what waits and then cuts the connection so that the client can tell
  // that the reply is not whole (no last chunk; a reset where closing would
  // be the end). Before begin_stream(): closes without a reply. Ends the
  // exchange.
  void abort();

  [[nodiscard]] bool begun() const;
  // Body bytes handed over so far, before framing.
  [[nodiscard]] std::uint64_t body_bytes_written() const;
  // Bytes that the client's socket has not taken yet.
  [[nodiscard]] std::size_t unsent_bytes() const;

 private:
  friend class ServerConnection;
  explicit Exchange(ServerConnection& connection) : connection_(connection) {}

  ServerConnection& connection_;
};

// Body bytes of a stream that the client's socket has taken for sure: framing
// counts as unsent, too.
inline std::uint64_t bytes_taken(const Exchange& exchange) {
  const std::uint64_t written = exchange.body_bytes_written();
  return written - std::min<std::uint64_t>(exchange.unsent_bytes(), written);
}

class Handler {
 public:
  virtual ~Handler() = default;
  // The head is in and sound, the body is not read yet: the place to say 401,
  // 404, 405, 413 or 415, by exchange.reply(). The connection then closes
  // unless the body is already there.
  virtual void on_head(Exchange& exchange) { static_cast<void>(exchange); }
  // Head and body are in. Answer now or later.
  virtual void on_request(Exchange& exchange) = 0;
  // The server refuses a request by itself, for its framing, a limit or a time
  // limit. Returns what to say, which nobody hears if an answer has begun.
  // `head` is null unless it had been read, and not answered, before.
  virtual RefusalReply on_refused(const Refusal& refusal, const RequestHead* head);
};

class Server {
 public:
  // `handler` and `loop` must outlive the server. Destroying it, which a
  // handler may not do inside a callback, cuts what is still open and tells
  // nobody.
  Server(Loop& loop, ServerOptions options, Handler& handler);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Starts to accept; may be called for several addresses. Port 0 takes a
  // free port. A left-over Unix-domain socket file is replaced.
  // Returns the address bound. Fails: unavailable with the system's reason.
  Result<Endpoint> listen(const Endpoint& endpoint);

  // From the next connection on.
  void set_tls(std::shared_ptr<const TlsContext> tls);

  // Stops accepting, closes idle connections, says `Connection: close` on
  // replies, lets exchanges finish, and cuts what remains after `limit`. A
  // request that is not wholly there has `drain_grace` to go on.
  // `done` is called once, from the loop, when no connection is left.
  void drain(Duration limit, std::function<void()> done);
  [[nodiscard]] bool draining() const;

  struct Counters {
    std::uint64_t accepted = 0;
    std::uint64_t requests = 0;
    std::uint64_t refused = 0;       // framing and limits
    std::uint64_t timed_out = 0;     // any phase
    std::uint64_t clients_gone = 0;  // during an exchange
    std::uint64_t handshakes_failed = 0;
    std::uint64_t accept_pauses = 0;  // out of descriptors
    std::uint64_t turned_away = 0;    // at connections_max
    std::size_t open = 0;             // connections
    std::size_t busy = 0;             // connections with a request not yet answered
  };
  [[nodiscard]] const Counters& counters() const;

 private:
  std::unique_ptr<ServerState> state_;
};

}  // namespace hanse::http
