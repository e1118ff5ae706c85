// What becomes of a call, and of its connection.

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

using ::testing::_;
using testing::ClientTest;
using ::testing::ElementsAre;
using testing::kOk;
using testing::Notes;
using testing::Peer;
using ::testing::UnorderedElementsAre;

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

// What is kept for a second sending is kept no longer than there may be one.
TEST_F(ClientTest, ARequestIsDoneOnceItCannotBeSentAgain) {
  make_pool();
  teller.sent = [this] { teller.notes.add("sent"); };
  start();
  Peer peer = site.accept();
  peer.read_message();
  EXPECT_THAT(teller.notes.wait_for(2), UnorderedElementsAre("fresh", "sent"));
  peer.send(kOk);
  teller.notes.wait_for(4);
  start();
  peer.read_message();
  peer.send(kOk);
  EXPECT_THAT(teller.notes.wait_for(8), ElementsAre(_, _, "head 200", "complete ok", "reused",
                                                    "sent", "head 200", "complete ok"));
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

}  // namespace
}  // namespace hanse::http
