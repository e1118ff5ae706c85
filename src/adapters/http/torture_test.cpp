// Peers that do anything at any time, on both sides of a small proxy. Nothing
// is asserted about single answers; what counts is that nothing breaks (run it
// under the sanitizers), that whole answers are whole, and that nothing is
// kept at the end.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "adapters/http/client.h"
#include "adapters/http/server.h"
#include "adapters/http/testing/loop_thread.h"
#include "adapters/http/testing/peer.h"
#include "base/random.h"

namespace hanse::http {
namespace {

using testing::LoopThread;
using testing::Peer;
using testing::ScriptedUpstream;

class Proxy;

class Passage final : public CallObserver, public ExchangeObserver {
 public:
  Passage(Proxy& proxy, Exchange& exchange);
  void on_head(const ResponseHead& head) override;
  void on_data(std::string_view bytes) override;
  void on_complete() override;
  void on_failure(const CallFailure& failure) override;
  void on_drained(Exchange&) override { call_.resume(); }
  void on_client_gone(Exchange&) override { end(); }

 private:
  void end();
  // Ends everything at random, as a driver's own limits might.
  bool gives_up();

  Proxy& proxy_;
  Exchange* exchange_;
  Buffer body_;
  std::string_view piece_;
  Call call_;
};

class Proxy final : public Handler {
 public:
  Proxy(Loop& loop, const Origin& origin, std::uint64_t seed)
      : pool(loop, origin, {.connections_max = 4, .waiting_max = 8, .idle_time = milliseconds(20)}),
        random(seed) {}
  void on_head(Exchange& exchange) override {
    switch (random.below(20)) {
      case 0: return exchange.reply(401, {}, "early");
      case 1: return exchange.abort();
      default: break;
    }
  }
  void on_request(Exchange& exchange) override {
    switch (random.below(10)) {
      case 0: return exchange.reply(200, {}, "at once");
      case 1: return exchange.abort();
      default: passages.insert(std::make_unique<Passage>(*this, exchange));
    }
  }

  Pool pool;
  Random random;
  std::set<std::unique_ptr<Passage>, std::less<>> passages;
};

Passage::Passage(Proxy& proxy, Exchange& exchange) : proxy_(proxy), exchange_(&exchange) {
  exchange.set_observer(this);
  body_ = exchange.take_body();
  piece_ = body_.view();
  call_.start(
      proxy.pool, {.method = "POST", .target = exchange.head().target(), .body = {&piece_, 1}},
      {.connect = milliseconds(200), .head = milliseconds(50), .between_bytes = milliseconds(50)},
      *this);
  exchange.release_head();
}

void Passage::end() {
  const auto mine =
      std::ranges::find_if(proxy_.passages, [this](const auto& p) { return p.get() == this; });
  proxy_.passages.erase(mine);
}

bool Passage::gives_up() {
  if (proxy_.random.below(12) != 0) return false;
  exchange_->abort();
  end();
  return true;
}

void Passage::on_head(const ResponseHead& head) {
  if (gives_up()) return;
  exchange_->begin_stream(head.status(), {});
}

void Passage::on_data(std::string_view bytes) {
  if (gives_up()) return;
  if (!exchange_->write(bytes)) call_.pause();
}

void Passage::on_complete() {
  exchange_->finish();
  end();
}

void Passage::on_failure(const CallFailure&) {
  if (exchange_->begun()) {
    exchange_->abort();
  } else {
    exchange_->reply(502, {}, "failed");
  }
  end();
}

void misbehave_as_site(Peer& peer, Random random) {
  while (true) {
    if (peer.read_message().empty()) return;
    switch (random.below(9)) {
      case 0: return peer.reset();
      case 1: return peer.close();
      case 2: peer.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"); return;
      case 3: peer.send("nonsense\r\n\r\n"); return;
      case 4: peer.send("HTTP/1.1 200 OK\r\n\r\nuntil the end"); return peer.close();
      case 5: {
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        const std::string large(40'000, 'x');
        for (auto n = random.below(60); n > 0; --n) {
          if (!peer.send("9c40\r\n" + large + "\r\n")) return;
        }
        if (random.below(2) == 0) return peer.reset();
        peer.send("0\r\n\r\n");
        break;
      }
      case 6: peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokjunk"); break;
      default: peer.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  }
}

void misbehave_as_client(const Endpoint& endpoint, Random random) {
  Peer peer = Peer::connect(endpoint);
  std::string bytes;
  for (auto n = 1 + random.below(3); n > 0; --n) {
    const std::string body(random.below(3000), 'b');
    bytes += "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
             "\r\n\r\n" + body;
  }
  if (random.below(8) == 0) bytes.insert(random.below(bytes.size()), "\r\n\r\n");
  if (random.below(4) == 0) bytes.resize(random.below(bytes.size()));
  while (!bytes.empty()) {
    const auto piece = static_cast<std::size_t>(1 + random.below(2000));
    if (!peer.send(bytes.substr(0, piece))) return;
    bytes.erase(0, piece);
  }
  switch (random.below(5)) {
    case 0: return peer.reset();
    case 1: return peer.close();
    case 2: peer.shut_sending(); break;
    case 3: peer.read_exactly(random.below(100'000)); return peer.reset();
    default: break;
  }
  peer.read_until("HTTP/1.1 ");
}

TEST(Torture, NothingBreaksAndNothingIsKept) {
  constexpr std::uint64_t kSeed = 20261123;
  std::atomic<std::uint64_t> site_seed = kSeed;
  ScriptedUpstream site([&](Peer& peer) { misbehave_as_site(peer, Random(++site_seed)); });
  LoopThread thread({.buffers = {.in_use_max = 8U << 20U, .spare_max = 0}});
  std::optional<Proxy> proxy;
  std::optional<Server> server;
  const Endpoint endpoint = thread.call([&] {
    proxy.emplace(thread.loop, site.origin(), kSeed);
    ServerOptions options;
    options.connections_max = 7;
    options.unsent_high = 32U << 10U;
    options.unsent_low = 8U << 10U;
    options.head_time = options.body_stall = options.idle_time = milliseconds(60);
    options.write_stall = milliseconds(100);
    options.linger_time = milliseconds(20);
    server.emplace(thread.loop, options, *proxy);
    return server->listen(Endpoint::loopback(0)).value();
  });
  std::vector<std::thread> clients;
  for (std::uint64_t i = 0; i < 8; ++i) {
    clients.emplace_back([&, i] {
      Random random(kSeed + i);
      for (int round = 0; round < 100; ++round) misbehave_as_client(endpoint, random.fork());
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_TRUE(thread.eventually([&] { return server->counters().open == 0; }));
  EXPECT_TRUE(thread.eventually([&] { return proxy->pool.counters().open == 0; }));
  thread.call([&] {
    EXPECT_EQ(server->counters().busy, 0U);
    EXPECT_TRUE(proxy->passages.empty());
    EXPECT_EQ(thread.loop.buffers().in_use(), 0U);
    EXPECT_GT(server->counters().requests, 20U);
    server.reset();
    proxy.reset();
  });
}

}  // namespace
}  // namespace hanse::http
