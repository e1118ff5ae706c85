// src/adapters/http/testing/client_fixture.h
// A pool and a call on a loop of their own, and a site that a test plays by
// hand. For this module's tests.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

#include "adapters/http/client.h"
#include "adapters/http/testing/loop_thread.h"
#include "adapters/http/testing/peer.h"

namespace hanse::http::testing {

// Writes down what a call is told.
class Teller final : public CallObserver {
 public:
  Notes notes;
  std::function<void()> sent = [] {};
  std::function<void()> head = [] {};
  std::function<void()> data = [] {};
  std::function<void()> over = [] {};
  std::string body;
  CallFailure failure;

  void on_connected(const Connected& connected) override {
    notes.add(connected.reused ? "reused" : "fresh");
  }
  void on_request_done() override { sent(); }
  void on_head(const ResponseHead& response) override {
    notes.add("head " + std::to_string(response.status()));
    head();
  }
  void on_data(std::string_view bytes) override {
    body += bytes;
    data();
  }
  void on_complete() override {
    notes.add("complete " + (body.size() < 100 ? body : std::to_string(body.size())));
    body.clear();
    over();
  }
  void on_failure(const CallFailure& what) override {
    failure = what;
    notes.add("failure " + std::string(to_string(what.trouble)) + " in " +
              std::string(to_string(what.phase)));
    over();
  }
};

class ClientTest : public ::testing::Test {
 protected:
  ~ClientTest() override {
    thread.call([this] {
      call.reset();
      pool.reset();
    });
  }

  void make_pool(const PoolOptions& options = {}) { make_pool(site.origin(), options); }
  void make_pool(const Origin& origin, const PoolOptions& options = {}) {
    thread.call([&] {
      pool.emplace(thread.loop, origin, options);
      call.emplace();
    });
  }
  void start(const CallRequest& request = {}, const CallLimits& limits = {}) {
    thread.call([&] { call->start(*pool, request, limits, teller); });
  }
  Pool::Counters counters() {
    return thread.call([this] { return pool->counters(); });
  }

  PeerListener site;
  Teller teller;
  LoopThread thread;
  std::optional<Pool> pool;
  std::optional<Call> call;
};

inline const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

}  // namespace hanse::http::testing
