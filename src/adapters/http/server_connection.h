// src/adapters/http/server_connection.h
// One client's connection: requests in, replies out, one after the other.
// Internal to server.h.
//
// A small state machine. Input is read only from the loop's own calls, never
// inside a call of the handler, so that the shared read buffer is never in use
// twice. Whatever a handler's call finds out (a dead socket, an empty buffer)
// is noted and acted on in on_deferred().
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "adapters/http/framing.h"
#include "adapters/http/server.h"
#include "adapters/http/transport.h"
#include "base/bounded.h"

namespace hanse::http {

class ConnectionList;
class ServerState;

class ServerConnection final : public Watch {
 public:
  // The list of the server's that it is in, if any, and its neighbours there.
  ConnectionList* list = nullptr;
  ServerConnection* next = nullptr;
  ServerConnection* previous = nullptr;
  // The place in ServerState's table.
  std::size_t place = 0;
  // Whether there was no room for it.
  bool turned_away = false;

  explicit ServerConnection(ServerState& server);
  ~ServerConnection() override = default;

  void open(int descriptor, const Endpoint& peer);
  // Says that there is no room, and closes. Requires: no TLS.
  void turn_away(int descriptor, const Endpoint& peer);
  // Closes without a word and tells nobody.
  void close_now();
  // The server is draining: closes if idle, else after the present reply; who
  // has not asked yet must hurry.
  void drain();
  // As if the client had left.
  void cut();
  // Its turn to go on with the handshake, see ServerState::ask_for_handshake().
  void handshake_turn();
  [[nodiscard]] bool handshake_begun() const { return handshake_begun_; }
  [[nodiscard]] bool idle() const { return phase_ == Phase::idle; }
  [[nodiscard]] bool closed() const { return phase_ == Phase::closed; }

 private:
  friend class Exchange;

  enum class Phase : std::uint8_t {
    handshake,
    idle,       // between two requests
    head,       // some bytes of a head are in
    body,       // the head is in
    busy,       // the request is in the handler's hands, or being answered
    flushing,   // answered, but the socket has not taken all of it
    lingering,  // all is sent, the rest of the client's bytes is thrown away
    closed,
  };
  // What one system call writes.
  using Pieces = InlineVector<iovec, 32>;
  // How the connection goes on after the present reply.
  enum class After : std::uint8_t { keep, close, linger, reset };

  // False when it had to be closed again.
  bool take(int descriptor, const Endpoint& peer);
  void on_ready(Ready ready) override;
  void on_timer();
  void work();

  // Input (server_connection.cpp).
  void ask_for_handshake();
  void read_input();
  std::size_t feed(std::span<char> bytes);
  void feed_leftover();
  void begin_request();
  void head_done(std::size_t bytes_left);
  void body_bytes(std::string_view bytes);
  void request_done();
  void input_ended();
  void input_broke();
  void discard_input();
  void refuse(const Refusal& refusal);
  [[nodiscard]] bool wants_input() const {
    return phase_ == Phase::idle || phase_ == Phase::head || phase_ == Phase::body;
  }
  void enter_idle();
  void client_gone();
  void tell_gone();

  // Output (server_reply.cpp).
  void reply(int status, HeaderLines headers, std::span<const std::string_view> body);
  void begin_stream(int status, HeaderLines headers);
  bool write(std::span<const std::string_view> pieces);
  void finish(std::string_view last);
  void abort();
  void decide_after();
  void write_reply(int status, HeaderLines headers, std::span<const std::string_view> body);
  void hold(std::string_view bytes);
  void send(const Pieces& pieces);
  void keep_unsent(const Pieces& pieces, std::size_t sent);
  void flush();
  void end_exchange();
  void after_flush();
  void next_request();
  void begin_lingering();
  void fail_later();

  ServerState& server_;
  Transport transport_;
  RequestParser parser_;
  Exchange exchange_;
  ExchangeObserver* observer_ = nullptr;
  Buffer body_;
  Buffer leftover_;  // pipelined bytes that came too early
  Buffer out_;       // what the socket has not taken
  Timer timer_;
  Deferred deferred_;
  MonotonicTime began_at_;
  MonotonicTime body_deadline_;
  std::uint64_t body_bytes_written_ = 0;
  std::size_t input_left_ = 0;  // in head_done(): bytes behind the head, already read
  Phase phase_ = Phase::closed;
  After after_ = After::keep;

  bool handshake_begun_ = false;
  bool may_read_ = false;
  bool may_write_ = false;
  bool peer_closed_ = false;
  bool broken_ = false;     // nothing can be sent any more
  bool in_input_ = false;   // feed() is on the stack
  bool announced_ = false;  // the handler knows the exchange
  bool handed_over_ = false;
  bool ended_ = false;    // ... and is done with it
  bool begun_ = false;    // the reply's head is written
  bool to_head_ = false;  // the request is HEAD
  bool chunked_ = false;
  bool bodiless_ = false;  // HEAD, 204, 304
  bool held_ = false;      // the head waits in out_ for the first bytes
  bool paused_ = false;    // write() has said "pause"
};

}  // namespace hanse::http
