// src/adapters/http/server_state.h
// What the connections of one server share. Internal to server.h.
#pragma once

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
  void pause(bool until_one_closes);

  ServerState& server_;
  int listening_;
  std::string unix_path_;
  Timer retry_;
  Deferred more_;
  bool paused_ = false;
};

class ServerState {
 public:
  ServerState(Loop& loop, ServerOptions options, Handler& handler);
  ~ServerState();

  Result<Endpoint> listen(const Endpoint& endpoint);
  void drain(Duration limit, std::function<void()> done);

  // Counting idle connections as room.
  [[nodiscard]] bool has_room() const;
  // Closes the connection that has idled longest if there is no room else.
  // Requires: has_room().
  void adopt(int descriptor, const Endpoint& peer);
  // The connection is closed; it goes when nobody can be using it any more.
  void retire(ServerConnection& connection);

  void add_idle(ServerConnection& connection);
  void remove_idle(ServerConnection& connection);

  Loop& loop;
  ServerOptions options;
  Handler& handler;
  Server::Counters counters;
  DateText date;
  bool draining = false;

 private:
  void sweep();
  void check_drained();

  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<ServerConnection>> connections_;
  std::vector<std::unique_ptr<ServerConnection>> retired_;
  ServerConnection* idle_first_ = nullptr;
  ServerConnection* idle_last_ = nullptr;
  Deferred sweep_;
  Timer drain_limit_;
  std::function<void()> drained_;
};

}  // namespace hanse::http
