// src/adapters/http/client.h
// The HTTP/1.1 side that inference sites see: calls over pools of kept
// connections.
//
// A site may be slow, dead, or answer nonsense; each way of failing is told
// apart, because what may be tried next depends on it. An answer is complete
// only when its framing says so; everything else is cut, also when the site
// merely closed.
//
// A kept connection that turns out to be dead before any byte of the response
// came is no failure of the site (it closed an idle connection while we sent):
// the call is sent once more, on a fresh connection, and nobody is told.
//
// No callback runs inside start(), cancel(), pause() or resume(). Inside a
// callback everything is allowed: cancel or destroy the call, start another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "adapters/http/endpoint.h"
#include "adapters/http/framing_limits.h"
#include "adapters/http/loop.h"
#include "adapters/http/message.h"
#include "adapters/http/tls.h"

namespace hanse::http {

class Call;
class CallState;
class PoolState;

struct PoolOptions {
  // Connections at once, idle ones included; calls beyond wait in order.
  std::size_t connections_max = 256;
  std::size_t waiting_max = 1024;
  std::size_t idle_max = 64;
  // Shorter than the site's own, so that we close first: llama.cpp closes
  // after 5 s.
  Duration idle_time = seconds(4);
  FramingLimits limits{};
  // Needed when the origin says tls; the system's roots when empty.
  std::shared_ptr<const TlsContext> tls{};
};

// The connections to one origin. Belongs to the loop's thread.
class Pool {
 public:
  Pool(Loop& loop, Origin origin, PoolOptions options = {});
  // Calls that are still active are cancelled. Not inside a callback of one of
  // its calls.
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  [[nodiscard]] const Origin& origin() const;
  // Closes idle connections; those in use close when their call is done.
  void close_idle();

  struct Counters {
    std::size_t open = 0;  // connections, connecting ones included
    std::size_t idle = 0;
    std::size_t waiting = 0;  // calls without a connection
    std::uint64_t opened = 0;
    std::uint64_t reused = 0;
    std::uint64_t sent_again = 0;  // calls moved off a dead kept connection
  };
  [[nodiscard]] const Counters& counters() const;

 private:
  friend class Call;

  std::unique_ptr<PoolState> state_;
};

struct CallRequest {
  std::string_view method = "GET";
  std::string_view target = "/";
  // Beside Host, Content-Length and Connection, which are the call's own.
  HeaderLines headers{};
  // Sent end to end. The list and its bytes must stay until the call is over.
  std::span<const std::string_view> body{};
};

// kForever means no limit of that kind.
struct CallLimits {
  Duration connect = seconds(5);         // waiting for a connection, name, TCP, TLS
  Duration head = seconds(60);           // from the request sent to the first byte of the response
  Duration between_bytes = seconds(60);  // within sending, and within the response
  Duration whole = kForever;             // from start() to the end
};

enum class CallPhase : std::uint8_t {
  waiting,
  resolving,
  connecting,
  handshake,
  sending,
  head,
  body
};

enum class CallTrouble : std::uint8_t {
  invalid_request,  // the call itself may not be sent (a header with control bytes)
  pool_full,        // too many calls wait already, or no memory in the budget
  name_not_resolved,
  refused,       // nobody listens there
  unreachable,   // no route, or the network says no
  tls,           // handshake or certificate
  reset,         // before any byte of the response, on a fresh connection
  closed_early,  // the response began and was cut
  bad_framing,   // the response breaks the rules of framing.h
  head_too_large,
  timed_out,  // the phase says in which limit
};

std::string_view to_string(CallPhase phase);
std::string_view to_string(CallTrouble trouble);

struct CallFailure {
  CallPhase phase = CallPhase::waiting;
  CallTrouble trouble = CallTrouble::reset;
  std::string message{};
  // Whether any byte of the request may have reached the site: if not, the
  // site cannot have begun to work on it.
  bool request_left = false;

  [[nodiscard]] Error to_error() const;
};

// How a call got its connection.
struct Connected {
  bool reused = false;
  Duration waited{};   // for a place in the pool and for the name
  Duration connect{};  // TCP; zero when reused
  Duration tls{};      // handshake; zero when reused or plain
};

// A call ends with exactly one on_complete() or on_failure(), unless it is
// cancelled; nothing is told afterwards.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  // Again, when the call moved off a dead kept connection.
  virtual void on_connected(const Connected& connected) { static_cast<void>(connected); }
  // The request has been sent for good, so that its body is not looked at any
  // more. May come inside start(); must not end the call. Does not come when
  // the response is there before the request is out.
  virtual void on_request_done() {}
  // `head` lives until the callback returns.
  virtual void on_head(const ResponseHead& head) = 0;
  // Decoded body bytes, alive until the callback returns. Everything one read
  // brought comes in one call, so that it can go out in one write.
  virtual void on_data(std::string_view bytes) = 0;
  // The connection is back in the pool already.
  virtual void on_complete() = 0;
  virtual void on_failure(const CallFailure& failure) = 0;
};

class Call {
 public:
  Call();
  // Cancels.
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // Method, target and headers are copied; the body is not. May be called
  // again once the call is over. Requires: not active.
  void start(Pool& pool, const CallRequest& request, const CallLimits& limits,
             CallObserver& observer);
  // Ends the call at once, closes its connection, tells nobody.
  void cancel();
  [[nodiscard]] bool active() const;
  // Stops and resumes reading the response. What was read before the pause is
  // still told; `head` and `between_bytes` do not run while paused.
  void pause();
  void resume();
  [[nodiscard]] bool paused() const;
  // How long this call, or the last one, has been paused in all; the pause that
  // it is in, or ended in, counts until now.
  [[nodiscard]] Duration paused_for() const;

 private:
  std::unique_ptr<CallState> state_;
};

}  // namespace hanse::http
