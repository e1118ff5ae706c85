// src/adapters/http/server_state.h
// What the connections of one server share. Internal to server.h.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "adapters/http/head_writer.h"
#include "adapters/http/server.h"

namespace hanse::http {

class ServerConnection;

// One address that is listened on.
class Listener final : public Watch {
 public:
  Listener(ServerState& server, int descriptor, std::string unix_path);
  ~Listener() override;

  Status start();
  // Accepts again after a pause.
  void resume();

 private:
  // Connections taken before others have their turn.
  static constexpr int kAcceptsPerTurn = 16;
  static constexpr Duration kPause = milliseconds(100);

  void on_ready(Ready ready) override;
  void accept_some();
  void pause();

  ServerState& server_;
  int listening_;
  std::string unix_path_;
  Timer retry_;
  Deferred more_;
  bool paused_ = false;
};

// Connections in order of arrival; each is in one list at most.
class ConnectionList {
 public:
  [[nodiscard]] ServerConnection* first() const { return first_; }
  void push_back(ServerConnection& connection);
  void remove(ServerConnection& connection);

 private:
  ServerConnection* first_ = nullptr;
  ServerConnection* last_ = nullptr;
};

class ServerState {
 public:
  ServerState(Loop& loop, ServerOptions options, Handler& handler);
  ~ServerState();

  Result<Endpoint> listen(const Endpoint& endpoint);
  void drain(Duration limit, std::function<void()> done);

  // Takes a new connection, or turns it away.
  void accept(int descriptor, const Endpoint& peer);
  // How long a phase before the handler's may last, now.
  [[nodiscard]] Duration bounded(Duration limit) const {
    return draining ? std::min(limit, options.drain_grace) : limit;
  }
  // The connection is closed; it goes when nobody can be using it any more.
  void retire(ServerConnection& connection);

  void add_idle(ServerConnection& connection);
  // Handshakes are computed a few at a time: thousands at once would hold up
  // every stream for seconds, and their memory, once given back, lies between
  // that of the streams where nobody else can use it. So those that have begun
  // go first, and while many wait for their clients, new ones begin slowly; not
  // never, for whoever begins and goes away must not lock others out.
  void ask_for_handshake(ServerConnection& connection);
  void handshake_begins() { ++handshakes_under_way_; }
  void handshake_ends() { --handshakes_under_way_; }
  // Out of whichever list it is in.
  void leave_list(ServerConnection& connection);

  Loop& loop;
  ServerOptions options;
  Handler& handler;
  Server::Counters counters;
  DateText date;
  bool draining = false;

 private:
  // A few milliseconds' worth.
  static constexpr int kHandshakesPerTurn = 8;
  // Past so many, another begins every kHandshakePause.
  static constexpr std::size_t kHandshakesUnderWay = 64;
  static constexpr Duration kHandshakePause = milliseconds(4);

  // Connections that are being told that there is no room, beyond those that
  // there is room for. Past so many more are closed without a word.
  static constexpr std::size_t kTurnedAwayMax = 64;

  [[nodiscard]] bool has_room() const;
  ServerConnection& add_connection();
  void turn_away(int descriptor, const Endpoint& peer);
  void sweep();
  void check_drained();
  void do_handshakes();
  ServerConnection* next_handshake();

  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<ServerConnection>> connections_;
  std::vector<std::unique_ptr<ServerConnection>> retired_;
  ConnectionList idle_;  // longest first
  ConnectionList handshakes_new_;
  ConnectionList handshakes_begun_;
  std::size_t handshakes_under_way_ = 0;
  std::size_t turned_away_ = 0;  // of the open ones
  bool another_may_begin_ = false;
  Timer handshake_pause_;
  Deferred handshakes_;
  Deferred sweep_;
  Timer drain_limit_;
  std::function<void()> drained_;
};

}  // namespace hanse::http
