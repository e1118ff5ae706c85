// src/adapters/http/testing/server_fixture.h
// A server on a loop of its own, with a handler that a test writes line by
// line. For this module's tests.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

#include "adapters/http/server.h"
#include "adapters/http/testing/loop_thread.h"
#include "adapters/http/testing/peer.h"

namespace hanse::http::testing {

// A handler made of the functions a test gives it; by default it echoes.
class Script final : public Handler, public ExchangeObserver {
 public:
  std::function<void(Exchange&)> head = [](Exchange&) {};
  std::function<void(Exchange&)> request = [](Exchange& exchange) {
    const HeaderLine lines[] = {{"Content-Type", "text/plain"}};
    const std::string body = std::string(exchange.head().method()) + " " +
                             std::string(exchange.head().target()) + " " +
                             std::string(exchange.body());
    exchange.reply(200, lines, body);
  };
  std::function<void(Exchange&)> drained = [](Exchange&) {};
  std::function<RefusalReply(const Refusal&, const RequestHead*)> refused;  // else the default
  Notes notes;
  Exchange* held = nullptr;  // of a request that nobody has answered

  // Keeps the exchange for later.
  void hold_requests() {
    request = [this](Exchange& exchange) {
      held = &exchange;
      exchange.set_observer(this);
      notes.add("request " + std::string(exchange.head().target()));
    };
  }

  void on_head(Exchange& exchange) override { head(exchange); }
  void on_request(Exchange& exchange) override { request(exchange); }
  RefusalReply on_refused(const Refusal& refusal, const RequestHead* head_read) override {
    notes.add("refused " + std::string(refusal.code));
    return refused ? refused(refusal, head_read) : Handler::on_refused(refusal, head_read);
  }
  void on_drained(Exchange& exchange) override {
    notes.add("drained");
    drained(exchange);
  }
  void on_client_gone(Exchange& exchange) override {
    notes.add("gone after " + std::to_string(exchange.body_bytes_written()));
    held = nullptr;
  }
};

class ServerTest : public ::testing::Test {
 protected:
  ~ServerTest() override {
    thread.call([this] { server.reset(); });
  }

  void start(ServerOptions options = {}) {
    endpoint = thread.call([&] {
      server.emplace(thread.loop, options, script);
      return server->listen(Endpoint::loopback(0)).value();
    });
  }
  Peer connect() { return Peer::connect(endpoint); }
  Server::Counters counters() {
    return thread.call([this] { return server->counters(); });
  }
  // Runs on the loop's thread, with the held exchange.
  void with_held(const std::function<void(Exchange&)>& act) {
    thread.call([&] { act(*script.held); });
  }

  LoopThread thread;
  Script script;
  std::optional<Server> server;
  Endpoint endpoint;
};

inline const std::string kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

}  // namespace hanse::http::testing
