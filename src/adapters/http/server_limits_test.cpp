// A server at its bounds: slow peers, full buffers, too many of everything.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "adapters/http/server.h"
#include "adapters/http/testing/server_fixture.h"

namespace hanse::http {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::kGet;
using testing::LoopThread;
using testing::Notes;
using testing::Peer;
using testing::ServerTest;
using ::testing::StartsWith;

TEST_F(ServerTest, AStreamPausesWhenTheClientDoesNotReadAndGoesOnWhenItDoes) {
  script.hold_requests();
  start();
  Peer client = connect();
  client.send(kGet);
  script.notes.wait_for(1);
  const std::string block(64 << 10, 'x');
  const std::size_t blocks = thread.call([&] {
    script.held->begin_stream(200, {});
    std::size_t n = 1;
    while (script.held->write(block)) ++n;
    return n;
  });
  with_held([](Exchange& exchange) { EXPECT_GT(exchange.unsent_bytes(), 256U << 10U); });
  thread.call([this] { script.drained = [](Exchange& exchange) { exchange.finish("end"); }; });
  const std::string reply = client.read_until("end\r\n0\r\n\r\n");
  EXPECT_THAT(script.notes.all(), ElementsAre("request /a", "drained"));
  EXPECT_GT(reply.size(), blocks * block.size());
  EXPECT_THAT(reply, EndsWith("3\r\nend\r\n0\r\n\r\n"));
  EXPECT_EQ(thread.call([this] { return thread.loop.buffers().in_use(); }), 0U);
}

TEST_F(ServerTest, AProducerThatIgnoresThePauseIsCut) {
  script.hold_requests();
  start({.unsent_max = 1U << 20U});
  Peer client = connect();
  client.send(kGet);
  script.notes.wait_for(1);
  const std::string block(256 << 10, 'x');
  with_held([&](Exchange& exchange) {
    exchange.begin_stream(200, {});
    for (int i = 0; i < 64; ++i) exchange.write(block);
  });
  const auto notes = script.notes.wait_for(2);
  ASSERT_EQ(notes.size(), 2U);
  EXPECT_THAT(notes[1], StartsWith("gone after"));
}

TEST_F(ServerTest, AClientThatDoesNotReadLosesItsStream) {
  script.hold_requests();
  start({.write_stall = milliseconds(50)});
  Peer client = connect();
  client.send(kGet);
  script.notes.wait_for(1);
  const std::string block(64 << 10, 'x');
  with_held([&](Exchange& exchange) {
    exchange.begin_stream(200, {});
    while (exchange.write(block)) {
    }
  });
  EXPECT_EQ(script.notes.wait_for(2).size(), 2U);
  EXPECT_EQ(counters().timed_out, 1U);
}

TEST_F(ServerTest, ASlowHeadTimesOut) {
  start({.head_time = milliseconds(30)});
  Peer client = connect();
  client.send("GET / HTTP/1.1\r\n");
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 408 "));
}

TEST_F(ServerTest, ASlowBodyTimesOut) {
  start({.body_stall = milliseconds(30)});
  Peer client = connect();
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
  EXPECT_THAT(client.read_to_end(), HasSubstr("body_timed_out"));
}

TEST_F(ServerTest, AnIdleConnectionIsClosedWithoutAWord) {
  start({.idle_time = milliseconds(30)});
  Peer client = connect();
  EXPECT_TRUE(client.sees_end());
  EXPECT_EQ(counters().timed_out, 0U);
}

TEST_F(ServerTest, AWaitingRequestHasNoTimeLimitOfOurs) {
  script.hold_requests();
  start({.head_time = milliseconds(10),
         .body_stall = milliseconds(10),
         .idle_time = milliseconds(10)});
  Peer client = connect();
  client.send(kGet);
  script.notes.wait_for(1);
  Notes later;
  std::optional<Timer> timer;
  thread.call([&] {
    timer.emplace(thread.loop, [&] { later.add("later"); });
    timer->arm_in(milliseconds(60));
  });
  later.wait_for(1);
  with_held([](Exchange& exchange) { exchange.reply(200, {}, "ok"); });
  EXPECT_THAT(client.read_message(), EndsWith("ok"));
  thread.call([&] { timer.reset(); });
}

TEST_F(ServerTest, IdleConnectionsMakeRoomForNewOnes) {
  start({.connections_max = 2});
  Peer first = connect();
  first.send(kGet);
  first.read_message();
  Peer second = connect();
  second.send(kGet);
  second.read_message();
  Peer third = connect();
  third.send(kGet);
  EXPECT_THAT(third.read_message(), EndsWith("GET /a "));
  EXPECT_TRUE(first.sees_end()) << "the one that has idled longest goes";
}

TEST_F(ServerTest, PastItsConnectionsTheServerTurnsNewOnesAwayAtOnce) {
  script.hold_requests();
  start({.connections_max = 1, .linger_time = milliseconds(20)});
  Peer first = connect();
  first.send(kGet);
  script.notes.wait_for(1);
  for (int round = 0; round < 3; ++round) {
    Peer next = connect();
    if (round > 0) next.send(kGet);  // whether it has asked already or not
    const std::string told = next.read_to_end();
    EXPECT_THAT(told, StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(told, HasSubstr("Connection: close"));
    EXPECT_THAT(told, HasSubstr("too_many_connections"));
  }
  EXPECT_EQ(counters().turned_away, 3U);
  // Those that linger take nobody's room.
  with_held([](Exchange& exchange) { exchange.reply(200, {}, "ok"); });
  EXPECT_THAT(first.read_message(), EndsWith("ok"));
  Peer last = connect();
  last.send(kGet);
  EXPECT_THAT(script.notes.wait_for(5).back(), "request /a");
  with_held([](Exchange& exchange) { exchange.reply(200, {}, "ok"); });
  EXPECT_THAT(last.read_message(), EndsWith("ok"));
  EXPECT_TRUE(first.sees_end()) << "it was idle and made room";
}

TEST_F(ServerTest, WhoDoesNotLeaveWhenTurnedAwayTakesABoundedRoom) {
  script.hold_requests();
  start({.connections_max = 1, .linger_time = seconds(60)});
  Peer first = connect();
  first.send(kGet);
  script.notes.wait_for(1);
  std::vector<Peer> others;
  for (int i = 0; i < 100; ++i) others.push_back(connect());
  EXPECT_TRUE(thread.eventually([this] { return server->counters().turned_away == 100; }));
  EXPECT_EQ(counters().open, 65U);
  EXPECT_TRUE(others.back().sees_end());
}

// Accepting fails, and the waiting connection keeps the listener ready. Not with
// the undefined-behaviour sanitizer, which needs descriptors of its own.
#if !__has_feature(undefined_behavior_sanitizer)
TEST_F(ServerTest, OutOfDescriptorsTheServerWaitsWithoutSpinning) {
  start();
  const int unconnected = socket(AF_INET, SOCK_STREAM, 0);
  rlimit usual{};
  getrlimit(RLIMIT_NOFILE, &usual);
  rlimit tight = usual;
  tight.rlim_cur = 128;
  setrlimit(RLIMIT_NOFILE, &tight);
  std::vector<int> taken;
  while (true) {
    const int one = dup(unconnected);
    if (one < 0) break;
    taken.push_back(one);
  }
  ASSERT_EQ(::connect(unconnected, endpoint.address(), endpoint.size()), 0);
  Peer client(unconnected);
  client.send(kGet);
  EXPECT_TRUE(thread.eventually([this] { return server->counters().accept_pauses > 0; }));
  EXPECT_TRUE(thread.eventually([this] { return server->counters().accept_pauses == 2; }))
      << "it tries again after a while";
  for (const int one : taken) close(one);
  setrlimit(RLIMIT_NOFILE, &usual);
  EXPECT_THAT(client.read_message(), EndsWith("GET /a "));
}
#endif

TEST_F(ServerTest, DrainingFinishesWhatHasBegunAndClosesTheRest) {
  script.hold_requests();
  start();
  Peer idle = connect();
  EXPECT_TRUE(thread.eventually([this] { return server->counters().open == 1; }));
  Peer busy = connect();
  busy.send(kGet);
  script.notes.wait_for(1);
  thread.call([this] { server->drain(seconds(10), [this] { script.notes.add("done"); }); });
  EXPECT_TRUE(idle.sees_end());
  with_held([](Exchange& exchange) { exchange.reply(200, {}, "ok"); });
  EXPECT_THAT(busy.read_to_end(), HasSubstr("Connection: close"));
  EXPECT_THAT(script.notes.wait_for(2), ElementsAre("request /a", "done"));
}

TEST_F(ServerTest, DrainingDoesNotWaitForRequestsThatDoNotCome) {
  start({.head_time = seconds(600), .body_stall = seconds(600), .drain_grace = milliseconds(30)});
  Peer head = connect();
  head.send("GET / HTTP/1.1\r\n");
  Peer body = connect();
  body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12");
  EXPECT_TRUE(thread.eventually([this] { return server->counters().open == 2; }));
  Peer whole = connect();
  whole.send(kGet);
  EXPECT_THAT(whole.read_message(), EndsWith("GET /a ")) << "both of the others have been read";
  thread.call([this] { server->drain(seconds(600), [this] { script.notes.add("done"); }); });
  for (Peer* late : {&head, &body}) {
    const std::string told = late->read_to_end();
    EXPECT_THAT(told, StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(told, HasSubstr("draining"));
  }
  head.close();
  body.close();
  EXPECT_EQ(script.notes.wait_for(3).back(), "done");
}

TEST_F(ServerTest, DrainingCutsWhatTakesTooLong) {
  script.hold_requests();
  start();
  Peer busy = connect();
  busy.send(kGet);
  script.notes.wait_for(1);
  thread.call([this] { server->drain(milliseconds(20), [this] { script.notes.add("done"); }); });
  EXPECT_THAT(script.notes.wait_for(3), ElementsAre("request /a", "gone after 0", "done"));
}

TEST_F(ServerTest, PastTheMemoryBudgetARequestIsRefused) {
  LoopThread small({.buffers = {.in_use_max = 64U << 10U}});
  Endpoint at;
  std::optional<Server> tight;
  small.call([&] {
    tight.emplace(small.loop, ServerOptions{}, script);
    at = tight->listen(Endpoint::loopback(0)).value();
  });
  Peer client = Peer::connect(at);
  client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n");
  client.send(std::string(200'000, 'x'));
  EXPECT_THAT(client.read_to_end(), StartsWith("HTTP/1.1 503 "));
  small.call([&] { tight.reset(); });
}

TEST_F(ServerTest, AUnixSocketWorksAndAStaleOneIsReplaced) {
  const std::string path =
      ::testing::TempDir() + "hanse_http." + std::to_string(::getpid()) + ".sock";
  const Endpoint unix_endpoint = Endpoint::parse("unix:" + path).value();
  start();
  for (int round = 0; round < 2; ++round) {
    thread.call([&] { ASSERT_TRUE(server->listen(unix_endpoint).has_value()); });
    struct stat file{};
    ASSERT_EQ(stat(path.c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777U, 0600U) << "for its owner only";
    Peer client = Peer::connect(unix_endpoint);
    client.send(kGet);
    EXPECT_THAT(client.read_message(), EndsWith("GET /a "));
    client.close();
    thread.call([&] { server.emplace(thread.loop, ServerOptions{}, script); });
  }
}

TEST_F(ServerTest, AnAddressInUseIsAnError) {
  start();
  const auto again = thread.call([this] { return server->listen(endpoint); });
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, ErrorCode::unavailable);
}

TEST_F(ServerTest, ABodyCanBeKeptBeyondItsExchange) {
  Buffer kept;
  script.request = [&](Exchange& exchange) {
    kept = exchange.take_body();
    exchange.reply(200, {}, "ok");
  };
  start();
  Peer client = connect();
  for (int i = 0; i < 2; ++i) {
    client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    client.read_message();
    thread.call([&] { EXPECT_EQ(kept.view(), "hello"); });
  }
  thread.call([&] { kept.release(); });
}

}  // namespace
}  // namespace hanse::http
