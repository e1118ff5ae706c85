// src/adapters/http/client_state.h
// A call, the pool it goes through and the connection that carries it.
// Internal to client.h.
//
// A call and a connection point at each other while the one is carried by the
// other; whoever ends that first clears both pointers. A failure is always
// told from the loop (CallState::deferred), so that nothing is told inside a
// call of the caller's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/http/client.h"
#include "adapters/http/framing.h"
#include "adapters/http/resolver.h"
#include "adapters/http/transport.h"

namespace hanse::http {

class ClientConnection;

class CallState {
 public:
  explicit CallState(Loop& loop);

  void start(PoolState& pool, const CallRequest& request, const CallLimits& limits,
             CallObserver& observer);
  void cancel();
  void pause();
  void resume();
  [[nodiscard]] Duration paused_for() const;

  // The connection may carry bytes from now on.
  void connected(const Connected& how);
  [[nodiscard]] bool told_connected() const { return !connected_; }
  // Ends the call; told from the loop.
  void fail(CallTrouble trouble, std::string message);
  // Ends the call; told at once.
  void complete();

  // The limit of `phase` runs from now.
  void enter(CallPhase phase);
  // A sooner end of the present phase.
  void limit_present(MonotonicTime deadline);
  // Some bytes moved within the present phase.
  void progress();
  // All is sent, and will not be sent again.
  void request_done();
  // Once more, on a fresh connection.
  void send_again();

  Loop& loop;
  PoolState* pool = nullptr;
  ClientConnection* connection = nullptr;
  CallObserver* observer = nullptr;
  CallState* wait_next = nullptr;
  CallState* wait_previous = nullptr;

  Buffer head;  // the request's, until request_done()
  std::span<const std::string_view> body;
  CallLimits limits;
  MonotonicTime began_at;
  MonotonicTime connect_deadline;
  MonotonicTime whole_deadline;
  CallPhase phase = CallPhase::waiting;
  bool active = false;
  bool waiting = false;  // in the pool's queue
  bool head_only = false;
  bool sent_again = false;
  bool paused = false;
  bool request_left = false;

 private:
  bool write_head(const CallRequest& request);
  void on_timer();
  void on_deferred();
  void arm(Duration limit);

  Timer timer_;
  Deferred deferred_;
  std::optional<Connected> connected_;  // not yet told
  Duration paused_before_;              // in pauses that are over
  MonotonicTime paused_at_;
  std::unique_ptr<CallFailure> failure_;
};

class ClientConnection final : public Watch, private Lookup {
 public:
  std::size_t place = 0;  // in PoolState's table
  std::uint64_t generation = 0;
  MonotonicTime idle_since;

  explicit ClientConnection(PoolState& pool);

  // Connects for `call`.
  void open(CallState& call);
  // Carries another call. Requires: idle.
  void carry(CallState& call);
  // Leaves the call and closes.
  void abandon();
  void close_now();
  void resume_reading() { deferred_.schedule(); }
  [[nodiscard]] CallState* call() const { return call_; }
  // A limit within connecting has passed; false when there is nothing else to
  // try.
  bool try_next_address();

 private:
  enum class Phase : std::uint8_t { resolving, connecting, handshake, idle, busy, closed };

  void on_ready(Ready ready) override;
  void on_resolved(const Result<Addresses>& addresses) override;
  void work();

  void begin_connect(const Addresses& addresses);
  void try_address(Endpoint address);
  void connect_to(const Endpoint& endpoint);
  void connect_finished(int error);
  void begin_handshake();
  void advance_handshake();
  void ready_to_send();
  void send_request();
  bool send_window();
  void read_response();
  void deliver(std::span<char> bytes);
  void response_begins();
  void response_complete(std::size_t bytes_left);
  void closed_by_peer(bool in_order);
  void refused_framing();
  void check_quiet();
  void fail_call(CallTrouble trouble, std::string message);
  [[nodiscard]] bool quiet_after_response();

  PoolState& pool_;
  CallState* call_ = nullptr;
  Transport transport_;
  ResponseParser parser_;
  Deferred deferred_;
  Addresses addresses_;  // still to be tried, last first
  MonotonicTime phase_began_;
  Connected connected_;
  std::uint64_t sent_ = 0;  // of the request, head and body
  std::uint64_t request_size_ = 0;
  Phase phase_ = Phase::closed;
  bool may_read_ = false;
  bool may_write_ = false;
  bool broken_ = false;  // sending has failed
  bool peer_closed_ = false;
  bool reused_ = false;
};

class PoolState {
 public:
  PoolState(Loop& loop, Origin origin, PoolOptions options);
  ~PoolState();

  // Finds `call` a connection, now or later.
  void acquire(CallState& call, bool fresh);
  void stop_waiting(CallState& call);
  // The connection is free; it carries the next waiting call or idles.
  void release(ClientConnection& connection);
  // The connection is closed; it goes when nobody can be using it any more.
  void retire(ClientConnection& connection);
  void leave_idle(ClientConnection& connection);
  void close_idle();

  Loop& loop;
  Origin origin;
  PoolOptions options;
  std::string authority;
  std::optional<Error> tls_error;
  Pool::Counters counters;

 private:
  void open_connection(CallState& call);
  void serve_waiting();
  void expire_idle();

  std::vector<std::unique_ptr<ClientConnection>> connections_;
  std::vector<std::unique_ptr<ClientConnection>> retired_;
  std::vector<ClientConnection*> idle_;  // the last one used is the first one taken
  CallState* wait_first_ = nullptr;
  CallState* wait_last_ = nullptr;
  // Connections of an earlier one are not used again.
  std::uint64_t generation_ = 0;
  Deferred sweep_;
  Timer idle_timer_;
};

}  // namespace hanse::http
