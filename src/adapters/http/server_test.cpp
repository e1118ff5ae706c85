#include "adapters/http/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <optional>
#include <string>

#include "adapters/http/testing/loop_thread.h"
#include "adapters/http/testing/peer.h"

namespace hanse::http {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::LoopThread;
using ::testing::Not;
using testing::Notes;
using testing::Peer;
using ::testing::StartsWith;

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
  void on_refused(const Refusal& refusal) override {
    notes.add("refused " + std::string(refusal.code));
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

const std::string kGet = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

TEST_F(ServerTest, AWholeReplyHasALengthAndADate) {
  start();
  Peer client = connect();
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
  const std::string reply = client.read_message();
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(reply, HasSubstr("\r\nDate: "));
  EXPECT_THAT(reply, HasSubstr("\r\nContent-Type: text/plain\r\n"));
  EXPECT_THAT(reply, EndsWith("Content-Length: 13\r\n\r\nPOST /a hello"));
}

TEST_F(ServerTest, AConnectionCarriesManyRequests) {
  start();
  Peer client = connect();
  for (int i = 0; i < 100; ++i) {
    client.send(kGet);
    EXPECT_THAT(client.read_message(), EndsWith("GET /a "));
  }
  EXPECT_EQ(counters().accepted, 1U);
  EXPECT_EQ(counters().requests, 100U);
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  start();
  Peer client = connect();
  client.send(
      "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
      "POST /2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
      "GET /3 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(client.read_message(), EndsWith("GET /1 "));
  EXPECT_THAT(client.read_message(), EndsWith("POST /2 hi"));
  EXPECT_THAT(client.read_message(), EndsWith("GET /3 "));
}

TEST_F(ServerTest, APipelinedRequestWaitsForTheOneBefore) {
  script.hold_requests();
  start();
  Peer client = connect();
  client.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(script.notes.wait_for(1), ElementsAre("request /1"));
  with_held([](Exchange& exchange) { exchange.reply(200, {}, "one"); });
  EXPECT_THAT(script.notes.wait_for(2), ElementsAre("request /1", "request /2"));
  with_held([](Exchange& exchange) { exchange.reply(200, {}, "two"); });
  EXPECT_THAT(client.read_message(), EndsWith("one"));
  EXPECT_THAT(client.read_message(), EndsWith("two"));
}

TEST_F(ServerTest, ARequestMayComeByteByByte) {
  start();
  Peer client = connect();
  const std::string request = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
  for (const char c : request) client.send({&c, 1});
  EXPECT_THAT(client.read_message(), EndsWith("POST /a hello"));
}

TEST_F(ServerTest, ABodyOfMegabytesArrivesWhole) {
  script.request = [](Exchange& exchange) {
    const std::string_view body = exchange.body();
    const bool sound = body.find_first_not_of('x') == std::string_view::npos;
    exchange.reply(sound ? 200 : 500, {}, std::to_string(body.size()));
  };
  start();
  Peer client = connect();
  const std::size_t size = 10U << 20U;
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(size) +
              "\r\n\r\n");
  client.send(std::string(size, 'x'));
  EXPECT_THAT(client.read_message(), EndsWith("\r\n\r\n" + std::to_string(size)));
}

TEST_F(ServerTest, AStreamIsChunked) {
  script.request = [](Exchange& exchange) {
    const HeaderLine lines[] = {{"Content-Type", "text/event-stream"}};
    exchange.begin_stream(200, lines);
    exchange.write("hello");
    const std::string_view pieces[] = {" wor", "ld"};
    exchange.write(pieces);
    exchange.finish("!");
  };
  start();
  Peer client = connect();
  client.send(kGet);
  const std::string reply = client.read_message();
  EXPECT_THAT(reply, HasSubstr("\r\nTransfer-Encoding: chunked\r\n"));
  EXPECT_THAT(reply, Not(HasSubstr("Content-Length")));
  EXPECT_THAT(reply, EndsWith("\r\n\r\n5\r\nhello\r\n6\r\n world\r\n1\r\n!\r\n0\r\n\r\n"));
  client.send(kGet);
  EXPECT_THAT(client.read_message(), EndsWith("0\r\n\r\n")) << "and the connection goes on";
}

TEST_F(ServerTest, AStreamsHeadLeavesEvenWithoutBytes) {
  script.hold_requests();
  start();
  Peer client = connect();
  client.send(kGet);
  script.notes.wait_for(1);
  with_held([](Exchange& exchange) { exchange.begin_stream(200, {}); });
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200 OK"));
  with_held([](Exchange& exchange) { exchange.finish(); });
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "0\r\n\r\n");
}

TEST_F(ServerTest, AStreamToAnOldClientEndsByClosing) {
  script.request = [](Exchange& exchange) {
    exchange.begin_stream(200, {});
    exchange.write("abc");
    exchange.finish();
  };
  start();
  Peer client = connect();
  client.send("GET /a HTTP/1.0\r\n\r\n");
  const std::string reply = client.read_to_end();
  EXPECT_THAT(reply, EndsWith("\r\n\r\nabc"));
  EXPECT_THAT(reply, HasSubstr("Connection: close"));
  EXPECT_THAT(reply, Not(HasSubstr("chunked")));
  EXPECT_FALSE(client.was_reset());
}

TEST_F(ServerTest, AnAbortedChunkedStreamLacksItsLastChunk) {
  script.request = [](Exchange& exchange) {
    exchange.begin_stream(200, {});
    exchange.write("abc");
    exchange.abort();
  };
  start();
  Peer client = connect();
  client.send(kGet);
  EXPECT_THAT(client.read_to_end(), EndsWith("3\r\nabc\r\n"));
}

TEST_F(ServerTest, AnAbortedStreamToAnOldClientIsReset) {
  script.hold_requests();
  start();
  Peer client = connect();
  client.send("GET /a HTTP/1.0\r\n\r\n");
  script.notes.wait_for(1);
  with_held([](Exchange& exchange) {
    exchange.begin_stream(200, {});
    exchange.write("abc");
  });
  client.read_until("abc");
  with_held([](Exchange& exchange) { exchange.abort(); });
  client.read_to_end();
  EXPECT_TRUE(client.was_reset());
}

TEST_F(ServerTest, AClientMayAskToClose) {
  start();
  Peer client = connect();
  client.send("GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string reply = client.read_to_end();
  EXPECT_THAT(reply, HasSubstr("Connection: close"));
  EXPECT_THAT(reply, EndsWith("GET /a "));
  EXPECT_FALSE(client.was_reset());
}

TEST_F(ServerTest, AnOldClientMayAskToStay) {
  start();
  Peer client = connect();
  for (int i = 0; i < 2; ++i) {
    client.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_THAT(client.read_message(), HasSubstr("Connection: keep-alive"));
  }
}

TEST_F(ServerTest, HeadGetsNoBody) {
  start();
  Peer client = connect();
  client.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n" + kGet);
  EXPECT_THAT(client.read_until("\r\n\r\n"), HasSubstr("Content-Length: 8"));
  EXPECT_THAT(client.read_message(), EndsWith("GET /a "));
}

TEST_F(ServerTest, ANoContentReplyHasNoFraming) {
  script.request = [](Exchange& exchange) { exchange.reply(204, {}, "ignored"); };
  start();
  Peer client = connect();
  client.send(kGet);
  const std::string reply = client.read_until("\r\n\r\n");
  EXPECT_THAT(reply, Not(HasSubstr("Content-Length")));
  client.send(kGet);
  EXPECT_THAT(client.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 204"));
}

TEST_F(ServerTest, HeadersThatCouldSplitTheReplyAreDropped) {
  script.request = [](Exchange& exchange) {
    const HeaderLine lines[] = {{"X-Bad", "a\r\nSet-Cookie: b"},
                                {"X Bad", "a"},
                                {"Content-Length", "99"},
                                {"Transfer-Encoding", "chunked"},
                                {"X-Good", "a"}};
    exchange.reply(200, lines, "ok");
  };
  start();
  Peer client = connect();
  client.send(kGet);
  const std::string reply = client.read_message();
  EXPECT_THAT(reply, Not(HasSubstr("Set-Cookie")));
  EXPECT_THAT(reply, Not(HasSubstr("X Bad")));
  EXPECT_THAT(reply, Not(HasSubstr("99")));
  EXPECT_THAT(reply, Not(HasSubstr("chunked")));
  EXPECT_THAT(reply, HasSubstr("X-Good: a"));
}

TEST_F(ServerTest, AnEarlyReplyClosesWhenTheBodyIsNotThere) {
  script.head = [](Exchange& exchange) { exchange.reply(401, {}, "who are you?"); };
  start();
  Peer client = connect();
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
  const std::string reply = client.read_to_end();
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 401 "));
  EXPECT_THAT(reply, HasSubstr("Connection: close"));
  EXPECT_FALSE(client.was_reset()) << "so that the reply is not lost";
  EXPECT_EQ(counters().requests, 0U);
}

TEST_F(ServerTest, AnEarlyReplyKeepsTheConnectionWhenTheBodyIsThere) {
  script.head = [this](Exchange& exchange) {
    script.head = [](Exchange&) {};
    exchange.reply(401, {}, "who are you?");
  };
  start();
  Peer client = connect();
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_THAT(client.read_message(), EndsWith("who are you?"));
  client.send(kGet);
  EXPECT_THAT(client.read_message(), EndsWith("GET /a "));
}

TEST_F(ServerTest, AnExpectingClientIsToldToContinue) {
  start();
  Peer client = connect();
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hi");
  EXPECT_THAT(client.read_message(), EndsWith("POST /a hi"));
}

TEST_F(ServerTest, AnExpectingClientIsRefusedBeforeItSends) {
  script.head = [](Exchange& exchange) { exchange.reply(413, {}, "no"); };
  start();
  Peer client = connect();
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_THAT(client.read_message(), StartsWith("HTTP/1.1 413 "));
}

TEST_F(ServerTest, ARefusedRequestGetsAJsonErrorAndAClose) {
  start();
  Peer client = connect();
  client.send("GET / HTTP/2.0\r\n\r\n");
  const std::string reply = client.read_to_end();
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 505 "));
  EXPECT_THAT(reply, HasSubstr("Content-Type: application/json"));
  EXPECT_THAT(reply, HasSubstr("Connection: close"));
  EXPECT_THAT(reply, HasSubstr(R"("type":"invalid_request_error","code":"version_not_supported")"));
  EXPECT_THAT(script.notes.all(), ElementsAre("refused version_not_supported"));
}

TEST_F(ServerTest, TheErrorBodyCanBeChosen) {
  start(
      {.error_body = [](const Refusal& refusal) { return "<" + std::string(refusal.code) + ">"; }});
  Peer client = connect();
  client.send("nonsense\r\n\r\n");
  EXPECT_THAT(client.read_to_end(), EndsWith("<bad_method>"));
}

TEST_F(ServerTest, ARefusalAfterAGoodRequestComesInOrder) {
  start();
  Peer client = connect();
  client.send(kGet + "GET  / HTTP/1.1\r\n\r\n" + kGet);
  const std::string replies = client.read_to_end();
  EXPECT_THAT(replies, StartsWith("HTTP/1.1 200 OK"));
  EXPECT_THAT(replies, HasSubstr("bad_request_line"));
  EXPECT_THAT(replies, Not(HasSubstr("HTTP/1.1 200 OK\r\n.*HTTP/1.1 200")));
}

TEST_F(ServerTest, ABodyCutShortIsTheClientsFault) {
  start();
  Peer client = connect();
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel");
  client.shut_sending();
  EXPECT_THAT(client.read_to_end(), HasSubstr("request_cut_short"));
}

TEST_F(ServerTest, AClientThatClosesWhileWaitingIsNoticed) {
  script.hold_requests();
  start();
  Peer client = connect();
  client.send(kGet);
  script.notes.wait_for(1);
  client.close();
  EXPECT_THAT(script.notes.wait_for(2), ElementsAre("request /a", "gone after 0"));
  EXPECT_EQ(counters().clients_gone, 1U);
}

TEST_F(ServerTest, AClientThatResetsWhileWaitingIsNoticed) {
  script.hold_requests();
  start();
  Peer client = connect();
  client.send(kGet);
  script.notes.wait_for(1);
  client.reset();
  EXPECT_THAT(script.notes.wait_for(2), ElementsAre("request /a", "gone after 0"));
}

TEST_F(ServerTest, AClientThatShutsItsSendingSideCountsAsGone) {
  script.hold_requests();
  start();
  Peer client = connect();
  client.send(kGet);
  client.shut_sending();
  EXPECT_THAT(script.notes.wait_for(2), ElementsAre("request /a", "gone after 0"));
}

TEST_F(ServerTest, AClientThatLeavesDuringAStreamIsNoticed) {
  script.hold_requests();
  start();
  Peer client = connect();
  client.send(kGet);
  script.notes.wait_for(1);
  with_held([](Exchange& exchange) {
    exchange.begin_stream(200, {});
    exchange.write("abc");
  });
  client.read_until("abc");
  client.close();
  EXPECT_THAT(script.notes.wait_for(2), ElementsAre("request /a", "gone after 3"));
}

TEST_F(ServerTest, AClientThatLeavesBehindPipelinedBytesIsNoticed) {
  script.hold_requests();
  start();
  Peer client = connect();
  client.send(kGet + kGet + "GET /half");
  script.notes.wait_for(1);
  client.close();
  EXPECT_THAT(script.notes.wait_for(2), ElementsAre("request /a", "gone after 0"));
}

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

TEST_F(ServerTest, PastItsConnectionsTheServerLeavesNewOnesInTheBacklog) {
  script.hold_requests();
  start({.connections_max = 1});
  Peer first = connect();
  first.send(kGet);
  script.notes.wait_for(1);
  Peer second = connect();
  second.send(kGet);
  EXPECT_TRUE(thread.eventually([this] { return server->counters().accept_pauses > 0; }));
  with_held([](Exchange& exchange) { exchange.reply(200, {}, "ok"); });
  first.close();
  EXPECT_EQ(script.notes.wait_for(2).size(), 2U);
  with_held([](Exchange& exchange) { exchange.reply(200, {}, "ok"); });
  EXPECT_THAT(second.read_message(), EndsWith("ok"));
}

// Accepting fails, and the waiting connection keeps the listener ready.
TEST_F(ServerTest, OutOfDescriptorsTheServerWaitsWithoutSpinning) {
#if __has_feature(undefined_behavior_sanitizer)
  GTEST_SKIP() << "the sanitizer needs descriptors of its own";
#endif
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
  const std::string path = ::testing::TempDir() + "hanse_http_server_test.sock";
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
