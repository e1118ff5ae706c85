// src/adapters/http/testing/peer.h
// A peer that does exactly what a test says, byte by byte, on a blocking
// socket: as a client of ours, or as a site that we call. Every wait has a
// limit, so that a broken test fails instead of hanging.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "adapters/http/endpoint.h"

namespace hanse::http::testing {

class Peer {
 public:
  Peer() = default;
  explicit Peer(int descriptor);
  static Peer connect(const Endpoint& endpoint);
  ~Peer();
  Peer(Peer&& other) noexcept;
  Peer& operator=(Peer&& other) noexcept;

  // False when the other side has gone.
  bool send(std::string_view bytes);
  // Reads until what came contains `marker`, the other side closes, or ten
  // seconds have passed; returns everything read and not yet taken.
  std::string read_until(std::string_view marker);
  // Exactly so many bytes, fewer if the other side closes before.
  std::string read_exactly(std::size_t count);
  // A head and, by its Content-Length or chunks, its body.
  std::string read_message();
  // Everything up to the end. `was_reset` says how it ended.
  std::string read_to_end();
  [[nodiscard]] bool was_reset() const { return reset_; }
  // The other side has closed or reset, and nothing was left to read.
  bool sees_end();

  void shut_sending();
  void close();
  // Closes so that the other side sees a reset.
  void reset();
  // Makes the sockets' buffers small, so that the other side soon stalls.
  void shrink_receive_buffer(int bytes);
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  bool read_more();

  int descriptor_ = -1;
  std::string pending_;
  bool ended_ = false;
  bool reset_ = false;
};

// Listens on a free loopback port.
class PeerListener {
 public:
  PeerListener();
  ~PeerListener();
  PeerListener(const PeerListener&) = delete;
  PeerListener& operator=(const PeerListener&) = delete;

  [[nodiscard]] const Endpoint& endpoint() const { return endpoint_; }
  [[nodiscard]] Origin origin() const;
  // Waits at most ten seconds.
  Peer accept();
  // Wakes a thread that accepts; it gets an unconnected peer.
  void stop();
  // Nobody listens there afterwards.
  void close();

 private:
  int descriptor_ = -1;
  Endpoint endpoint_;
};

// A site on threads of its own: runs `script` on every connection.
class ScriptedUpstream {
 public:
  using Script = std::function<void(Peer&)>;

  explicit ScriptedUpstream(Script script);
  ~ScriptedUpstream();

  [[nodiscard]] Origin origin() const { return listener_.origin(); }
  [[nodiscard]] const Endpoint& endpoint() const { return listener_.endpoint(); }

 private:
  PeerListener listener_;
  Script script_;
  std::vector<std::thread> connections_;
  std::thread acceptor_;
};

}  // namespace hanse::http::testing
