// Calls that fail, wait, pause, or are given up.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "adapters/http/client.h"
#include "adapters/http/resolver.h"
#include "adapters/http/testing/client_fixture.h"

namespace hanse::http {
namespace {

using testing::ClientTest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::kOk;
using testing::Notes;
using testing::Peer;
using ::testing::StartsWith;
using testing::Teller;

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
  thread.call([&] {
    EXPECT_GE(call->paused_for(), milliseconds(60));
    timer.reset();
  });
  start({}, {});
  thread.call([&] { EXPECT_EQ(call->paused_for(), Duration(0)) << "this one has not been"; });
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

TEST_F(ClientTest, AfterClosingIdleConnectionsNoOldOneIsUsedAgain) {
  make_pool();
  start();
  Peer peer = site.accept();
  peer.read_message();
  thread.call([this] { pool->close_idle(); });
  peer.send(kOk);
  EXPECT_THAT(teller.notes.wait_for(3), ElementsAre("fresh", "head 200", "complete ok"));
  EXPECT_TRUE(peer.sees_end());
  EXPECT_EQ(counters().open, 0U);
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
