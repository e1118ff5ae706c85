#include "adapters/http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>

#include "adapters/http/resolver.h"
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
using testing::PeerListener;
using ::testing::StartsWith;

// Writes down what a call is told.
class Teller final : public CallObserver {
 public:
  Notes notes;
  std::function<void()> head = [] {};
  std::function<void()> data = [] {};
  std::function<void()> over = [] {};
  std::string body;
  CallFailure failure;

  void on_connected(const Connected& connected) override {
    notes.add(connected.reused ? "reused" : "fresh");
  }
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

  void make_pool(PoolOptions options = {}) { make_pool(site.origin(), options); }
  void make_pool(const Origin& origin, PoolOptions options = {}) {
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

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST_F(ClientTest, ACallSendsItsPiecesWithALength) {
  make_pool();
  const std::string_view pieces[] = {"hel", "", "lo"};
  const HeaderLine lines[] = {{"Content-Type", "text/plain"}, {"Content-Length", "99"}};
  start({.method = "POST", .target = "/v1?x", .headers = lines, .body = pieces});
  Peer peer = site.accept();
  EXPECT_EQ(peer.read_message(),
            "POST /v1?x HTTP/1.1\r\nHost: " + site.origin().authority() +
                "\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
  peer.send(kOk);
  EXPECT_THAT(teller.notes.wait_for(3), ElementsAre("fresh", "head 200", "complete ok"));
}

TEST_F(ClientTest, AConnectionIsKeptAndUsedAgain) {
  make_pool();
  start();
  Peer peer = site.accept();
  for (std::size_t i = 1; i <= 3; ++i) {
    peer.read_message();
    peer.send(kOk);
    teller.notes.wait_for(3 * i);
    if (i < 3) start();
  }
  EXPECT_THAT(teller.notes.all(),
              ElementsAre("fresh", "head 200", "complete ok", "reused", "head 200", "complete ok",
                          "reused", "head 200", "complete ok"));
  EXPECT_EQ(counters().opened, 1U);
  EXPECT_EQ(counters().idle, 1U);
}

TEST_F(ClientTest, ACallStartedInsideTheLastOnesEndUsesItsConnection) {
  make_pool();
  teller.over = [this] {
    teller.over = [] {};
    call->start(*pool, {}, {}, teller);
  };
  start();
  Peer peer = site.accept();
  for (int i = 0; i < 2; ++i) {
    peer.read_message();
    peer.send(kOk);
  }
  EXPECT_THAT(teller.notes.wait_for(6),
              ElementsAre("fresh", "head 200", "complete ok", "reused", "head 200", "complete ok"));
}

TEST_F(ClientTest, AChunkedStreamArrivesAsItComes) {
  make_pool();
  Notes pieces;
  teller.data = [&] { pieces.add(teller.body); };
  start();
  Peer peer = site.accept();
  peer.read_message();
  peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  EXPECT_THAT(pieces.wait_for(1), ElementsAre("abc"));
  peer.send("2\r\nde\r\n1\r\nf\r\n");
  EXPECT_THAT(pieces.wait_for(2), ElementsAre("abc", "abcdef")) << "one read, one call";
  peer.send("0\r\n\r\n");
  EXPECT_THAT(teller.notes.wait_for(3), ElementsAre("fresh", "head 200", "complete abcdef"));
}

TEST_F(ClientTest, AnAnswerEndedByClosingIsComplete) {
  make_pool();
  start();
  Peer peer = site.accept();
  peer.read_message();
  peer.send("HTTP/1.1 200 OK\r\n\r\nabc");
  peer.close();
  EXPECT_THAT(teller.notes.wait_for(3), ElementsAre("fresh", "head 200", "complete abc"));
  EXPECT_EQ(counters().open, 0U);
}

TEST_F(ClientTest, AnAnswerEndedByAResetIsCut) {
  make_pool();
  Notes pieces;
  teller.data = [&] { pieces.add(teller.body); };
  start();
  Peer peer = site.accept();
  peer.read_message();
  peer.send("HTTP/1.1 200 OK\r\n\r\nabc");
  pieces.wait_for(1);
  peer.reset();
  EXPECT_THAT(teller.notes.wait_for(3),
              ElementsAre("fresh", "head 200", "failure closed_early in body"));
}

TEST_F(ClientTest, AnAnswerShorterThanItsLengthIsCut) {
  make_pool();
  start();
  Peer peer = site.accept();
  peer.read_message();
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc");
  peer.close();
  EXPECT_THAT(teller.notes.wait_for(3),
              ElementsAre("fresh", "head 200", "failure closed_early in body"));
  EXPECT_TRUE(teller.failure.request_left);
}

TEST_F(ClientTest, AFreshConnectionThatSaysNothingIsAFailure) {
  make_pool();
  start();
  Peer peer = site.accept();
  peer.read_message();
  peer.close();
  EXPECT_THAT(teller.notes.wait_for(2), ElementsAre("fresh", "failure reset in head"));
}

TEST_F(ClientTest, AKeptConnectionFoundDeadIsReplacedOnce) {
  make_pool();
  start();
  Peer peer = site.accept();
  peer.read_message();
  peer.send(kOk);
  teller.notes.wait_for(3);
  start();
  peer.read_message();
  peer.close();  // as a site does that closes an idle connection while we send
  Peer second = site.accept();
  second.read_message();
  second.send(kOk);
  EXPECT_THAT(teller.notes.wait_for(7), ElementsAre("fresh", "head 200", "complete ok", "reused",
                                                    "fresh", "head 200", "complete ok"));
  EXPECT_EQ(counters().sent_again, 1U);
}

TEST_F(ClientTest, TheReplacementOfADeadConnectionMayFail) {
  make_pool();
  start();
  Peer peer = site.accept();
  peer.read_message();
  peer.send(kOk);
  teller.notes.wait_for(3);
  start();
  peer.read_message();
  peer.reset();
  Peer second = site.accept();
  second.read_message();
  second.close();
  EXPECT_THAT(teller.notes.wait_for(6), ElementsAre("fresh", "head 200", "complete ok", "reused",
                                                    "fresh", "failure reset in head"));
}

TEST_F(ClientTest, AnAnswerThatBeganIsNeverSentAgain) {
  make_pool();
  start();
  Peer peer = site.accept();
  peer.read_message();
  peer.send(kOk);
  teller.notes.wait_for(3);
  start();
  peer.read_message();
  peer.send("HTTP/1.1 2");
  peer.close();
  EXPECT_THAT(teller.notes.wait_for(5), ElementsAre("fresh", "head 200", "complete ok", "reused",
                                                    "failure closed_early in body"));
}

TEST_F(ClientTest, AnIdleConnectionThatTheSiteClosesLeavesThePool) {
  make_pool();
  start();
  Peer peer = site.accept();
  peer.read_message();
  peer.send(kOk);
  teller.notes.wait_for(3);
  peer.close();
  EXPECT_TRUE(thread.eventually([this] { return pool->counters().open == 0; }));
}

TEST_F(ClientTest, AnIdleConnectionThatSpeaksLeavesThePool) {
  make_pool();
  start();
  Peer peer = site.accept();
  peer.read_message();
  peer.send(kOk);
  teller.notes.wait_for(3);
  peer.send("HTTP/1.1 408 Request Timeout\r\n\r\n");
  EXPECT_TRUE(peer.sees_end());
  EXPECT_EQ(counters().open, 0U);
}

TEST_F(ClientTest, BytesAfterACompleteAnswerPoisonTheConnection) {
  make_pool();
  start();
  Peer peer = site.accept();
  peer.read_message();
  peer.send(kOk + kOk);
  EXPECT_THAT(teller.notes.wait_for(3), ElementsAre("fresh", "head 200", "complete ok"));
  EXPECT_EQ(counters().idle, 0U);
  EXPECT_TRUE(peer.sees_end());
}

TEST_F(ClientTest, AnIdleConnectionIsClosedInTime) {
  make_pool({.idle_time = milliseconds(30)});
  start();
  Peer peer = site.accept();
  peer.read_message();
  peer.send(kOk);
  teller.notes.wait_for(3);
  EXPECT_TRUE(peer.sees_end());
  EXPECT_FALSE(peer.was_reset());
}

TEST_F(ClientTest, NobodyListening) {
  make_pool();
  site.close();
  start();
  EXPECT_THAT(teller.notes.wait_for(1), ElementsAre("failure refused in connecting"));
  EXPECT_FALSE(teller.failure.request_left);
  EXPECT_EQ(teller.failure.to_error().retry, Retry::elsewhere);
  EXPECT_EQ(counters().open, 0U);
}

TEST_F(ClientTest, ASilentSiteTimesOutInTheHead) {
  make_pool();
  start({}, {.head = milliseconds(30)});
  Peer peer = site.accept();
  EXPECT_THAT(teller.notes.wait_for(2), ElementsAre("fresh", "failure timed_out in head"));
  peer.read_message();
  EXPECT_TRUE(peer.sees_end()) << "the connection closes, so that the engine stops";
}

TEST_F(ClientTest, AStallingSiteTimesOutInTheBody) {
  make_pool();
  start({}, {.between_bytes = milliseconds(30)});
  Peer peer = site.accept();
  peer.read_message();
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc");
  EXPECT_THAT(teller.notes.wait_for(3),
              ElementsAre("fresh", "head 200", "failure timed_out in body"));
}

TEST_F(ClientTest, AWholeCallHasALimitAlthoughBytesCome) {
  make_pool();
  start({}, {.between_bytes = seconds(10), .whole = milliseconds(50)});
  Peer peer = site.accept();
  peer.read_message();
  peer.send("HTTP/1.1 200 OK\r\n\r\n");
  while (peer.send("x")) {
    if (teller.notes.all().size() > 2) break;
  }
  EXPECT_THAT(teller.notes.wait_for(3),
              ElementsAre("fresh", "head 200", "failure timed_out in body"));
}

TEST_F(ClientTest, ASiteThatDoesNotReadTimesOutInSending) {
  make_pool();
  const std::string large(32U << 20U, 'x');
  const std::string_view pieces[] = {large};
  start({.method = "POST", .body = pieces}, {.between_bytes = milliseconds(50)});
  Peer peer = site.accept();
  EXPECT_THAT(teller.notes.wait_for(2), ElementsAre("fresh", "failure timed_out in sending"));
}

TEST_F(ClientTest, ALargeBodyOfManyPiecesArrivesInOrder) {
  make_pool();
  std::string expected;
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i)
    texts.emplace_back(static_cast<std::size_t>(50'000 + i), static_cast<char>('a' + i % 26));
  std::vector<std::string_view> pieces(texts.begin(), texts.end());
  for (const auto& text : texts) expected += text;
  start({.method = "POST", .body = pieces});
  Peer peer = site.accept();
  const std::string request = peer.read_message();
  peer.send(kOk);
  EXPECT_TRUE(request.ends_with(expected));
  EXPECT_THAT(teller.notes.wait_for(3), ElementsAre("fresh", "head 200", "complete ok"));
}

TEST_F(ClientTest, AnAnswerBeforeTheRequestIsOutIsTakenAndTheConnectionClosed) {
  make_pool();
  const std::string large(32U << 20U, 'x');
  const std::string_view pieces[] = {large};
  start({.method = "POST", .body = pieces});
  Peer peer = site.accept();
  peer.read_until("\r\n\r\n");
  peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
  EXPECT_THAT(teller.notes.wait_for(3), ElementsAre("fresh", "head 413", "complete no"));
  EXPECT_EQ(counters().open, 0U);
}

TEST_F(ClientTest, BadFramingIsTheSitesFailure) {
  make_pool();
  start();
  Peer peer = site.accept();
  peer.read_message();
  peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n");
  EXPECT_THAT(teller.notes.wait_for(3),
              ElementsAre("fresh", "head 200", "failure bad_framing in body"));
  EXPECT_EQ(teller.body, "abc") << "what was sound has been told";
  EXPECT_THAT(teller.failure.message, HasSubstr("bad_chunk"));
  EXPECT_TRUE(peer.sees_end());
}

TEST_F(ClientTest, AHeadTooLargeIsToldApart) {
  make_pool();
  start();
  Peer peer = site.accept();
  peer.read_message();
  peer.send("HTTP/1.1 200 OK\r\nX: " + std::string(40'000, 'x') + "\r\n\r\n");
  EXPECT_THAT(teller.notes.wait_for(2), ElementsAre("fresh", "failure head_too_large in body"));
}

TEST_F(ClientTest, CancellingClosesTheConnectionAtOnce) {
  make_pool();
  start();
  Peer peer = site.accept();
  peer.read_message();
  thread.call([this] { call->cancel(); });
  EXPECT_TRUE(peer.sees_end());
  EXPECT_THAT(teller.notes.all(), ElementsAre("fresh"));
  EXPECT_EQ(counters().open, 0U);
}

TEST_F(ClientTest, ACallMayBeDestroyedInAnyCallback) {
  make_pool();
  for (const int where : {0, 1, 2}) {
    if (where == 0) teller.head = [this] { call.reset(); };
    if (where == 1) teller.data = [this] { call.reset(); };
    if (where == 2) teller.over = [this] { call.reset(); };
    thread.call([this] { call.emplace(); });
    start();
    Peer peer = site.accept();
    peer.read_message();
    peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    EXPECT_TRUE(peer.sees_end());
    EXPECT_TRUE(thread.call([this] { return !call.has_value(); }));
    teller.head = teller.data = teller.over = [] {};
  }
}

TEST_F(ClientTest, ACancelledCallInACallbackMayStartAgain) {
  make_pool();
  teller.data = [this] {
    teller.data = [] {};
    teller.body.clear();
    call->cancel();
    call->start(*pool, {.method = "GET", .target = "/again"}, {}, teller);
  };
  start();
  Peer peer = site.accept();
  peer.read_message();
  peer.send(kOk);
  Peer second = site.accept();
  EXPECT_THAT(second.read_message(), StartsWith("GET /again "));
  second.send(kOk);
  EXPECT_THAT(teller.notes.wait_for(5),
              ElementsAre("fresh", "head 200", "fresh", "head 200", "complete ok"));
}

TEST_F(ClientTest, APausedCallReadsNothingAndDoesNotTimeOut) {
  make_pool();
  teller.data = [this] {
    teller.data = [] {};
    call->pause();
    teller.notes.add("paused");
  };
  start({}, {.between_bytes = milliseconds(20)});
  Peer peer = site.accept();
  peer.read_message();
  peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc");
  teller.notes.wait_for(3);
  peer.send("de");
  Notes later;
  std::optional<Timer> timer;
  thread.call([&] {
    timer.emplace(thread.loop, [&] {
      later.add(teller.body);
      call->resume();
    });
    timer->arm_in(milliseconds(60));
  });
  EXPECT_THAT(later.wait_for(1), ElementsAre("abc"));
  EXPECT_THAT(teller.notes.wait_for(4),
              ElementsAre("fresh", "head 200", "paused", "complete abcde"));
  thread.call([&] { timer.reset(); });
}

TEST_F(ClientTest, CallsBeyondThePoolsConnectionsWaitTheirTurn) {
  make_pool({.connections_max = 1});
  start();
  Peer peer = site.accept();
  peer.read_message();
  Teller other;
  std::optional<Call> second;
  thread.call([&] {
    second.emplace();
    second->start(*pool, {.method = "GET", .target = "/second"}, {}, other);
  });
  EXPECT_EQ(counters().waiting, 1U);
  peer.send(kOk);
  EXPECT_THAT(peer.read_message(), StartsWith("GET /second "));
  peer.send(kOk);
  EXPECT_THAT(other.notes.wait_for(3), ElementsAre("reused", "head 200", "complete ok"));
  thread.call([&] { second.reset(); });
}

TEST_F(ClientTest, AWaitingCallTakesOverWhenAConnectionIsLost) {
  make_pool({.connections_max = 1});
  start();
  Peer peer = site.accept();
  peer.read_message();
  Teller other;
  std::optional<Call> second;
  thread.call([&] {
    second.emplace();
    second->start(*pool, {}, {}, other);
  });
  peer.close();
  Peer next = site.accept();
  next.read_message();
  next.send(kOk);
  EXPECT_THAT(other.notes.wait_for(3), ElementsAre("fresh", "head 200", "complete ok"));
  thread.call([&] { second.reset(); });
}

TEST_F(ClientTest, WaitingForThePoolTimesOutAndIsBounded) {
  make_pool({.connections_max = 1, .waiting_max = 1});
  start();
  Peer peer = site.accept();
  Teller other;
  Teller third;
  std::optional<Call> calls[2];
  thread.call([&] {
    calls[0].emplace();
    calls[0]->start(*pool, {}, {.connect = milliseconds(20)}, other);
    calls[1].emplace();
    calls[1]->start(*pool, {}, {}, third);
    EXPECT_TRUE(third.notes.all().empty()) << "nothing is told inside start()";
  });
  EXPECT_THAT(third.notes.wait_for(1), ElementsAre("failure pool_full in waiting"));
  EXPECT_THAT(other.notes.wait_for(1), ElementsAre("failure timed_out in waiting"));
  thread.call([&] {
    calls[0].reset();
    calls[1].reset();
  });
}

TEST_F(ClientTest, ARequestThatCouldSplitIsNotSent) {
  make_pool();
  const HeaderLine lines[] = {{"X-Bad", "a\r\nX: b"}};
  start({.headers = lines});
  EXPECT_THAT(teller.notes.wait_for(1), ElementsAre("failure invalid_request in waiting"));
  start({.target = "/a b"});
  EXPECT_EQ(teller.notes.wait_for(2).size(), 2U);
}

TEST_F(ClientTest, InterimAnswersAreSkipped) {
  make_pool();
  start();
  Peer peer = site.accept();
  peer.read_message();
  peer.send("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
  peer.send(kOk);
  EXPECT_THAT(teller.notes.wait_for(3), ElementsAre("fresh", "head 200", "complete ok"));
}

TEST_F(ClientTest, NamesAreResolvedAndEveryAddressTried) {
  thread.call([this] {
    thread.loop.resolver().set_ask([](const std::string& host) -> Result<Addresses> {
      EXPECT_EQ(host, "grid.example");
      // Nobody listens on 127.0.0.2 at that port.
      return Addresses{Endpoint::parse("127.0.0.2:0").value(), Endpoint::loopback(0)};
    });
  });
  Origin origin = site.origin();
  origin.host = "grid.example";
  make_pool(origin);
  start();
  Peer peer = site.accept();
  EXPECT_THAT(peer.read_message(), HasSubstr("Host: grid.example:"));
  peer.send(kOk);
  EXPECT_THAT(teller.notes.wait_for(3), ElementsAre("fresh", "head 200", "complete ok"));
}

TEST_F(ClientTest, ANameThatIsNotResolvedIsToldApart) {
  thread.call([this] {
    thread.loop.resolver().set_ask([](const std::string&) -> Result<Addresses> {
      return fail({ErrorCode::unavailable, Fault::upstream, Retry::elsewhere, "no such name"});
    });
  });
  make_pool({.host = "nowhere.example", .port = 80});
  start();
  EXPECT_THAT(teller.notes.wait_for(1), ElementsAre("failure name_not_resolved in resolving"));
}

TEST_F(ClientTest, DestroyingAPoolCancelsItsCalls) {
  make_pool();
  start();
  Peer peer = site.accept();
  peer.read_message();
  thread.call([this] { pool.reset(); });
  EXPECT_TRUE(peer.sees_end());
  EXPECT_FALSE(thread.call([this] { return call->active(); }));
}

}  // namespace
}  // namespace hanse::http
