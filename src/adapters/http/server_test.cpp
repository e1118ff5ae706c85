// What a server says, and in which order.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <string>
#include <string_view>
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
using ::testing::Not;
using testing::Notes;
using testing::Peer;
using testing::ServerTest;
using ::testing::StartsWith;

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

TEST_F(ServerTest, ManyPiecesAreOneChunkOrOneBody) {
  std::vector<std::string_view> pieces(100, "ab");
  bool whole = false;
  script.request = [&](Exchange& exchange) {
    if (whole) return exchange.reply(200, {}, pieces);
    exchange.begin_stream(200, {});
    exchange.write(pieces);
    exchange.write(pieces);
    exchange.finish();
  };
  start();
  Peer client = connect();
  std::string joined;
  for (const auto piece : pieces) joined += piece;
  client.send(kGet);
  EXPECT_THAT(client.read_message(),
              EndsWith("\r\n\r\nc8\r\n" + joined + "\r\nc8\r\n" + joined + "\r\n0\r\n\r\n"));
  thread.call([&] { whole = true; });
  client.send(kGet);
  EXPECT_THAT(client.read_message(), EndsWith("Content-Length: 200\r\n\r\n" + joined));
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

TEST_F(ServerTest, ARefusedRequestGetsAReasonAndAClose) {
  start();
  Peer client = connect();
  client.send("GET / HTTP/2.0\r\n\r\n");
  const std::string reply = client.read_to_end();
  EXPECT_THAT(reply, StartsWith("HTTP/1.1 505 "));
  EXPECT_THAT(reply, HasSubstr("Connection: close"));
  EXPECT_THAT(reply,
              EndsWith("version_not_supported: Only HTTP/1.1 and HTTP/1.0 are spoken here.\n"));
  EXPECT_THAT(script.notes.all(), ElementsAre("refused version_not_supported"));
}

// The head is handed on when it was read, so that the reply can refer to it.
TEST_F(ServerTest, WhatIsSaidOfARefusalIsTheHandlers) {
  script.refused = [](const Refusal& refusal, const RequestHead* head) -> RefusalReply {
    return {.headers = {{"X-Code", std::string(refusal.code)}},
            .body = head == nullptr ? "<no head>" : "<" + std::string(head->target()) + ">"};
  };
  start();
  Peer nobody = connect();
  nobody.send("nonsense\r\n\r\n");
  const std::string first = nobody.read_to_end();
  EXPECT_THAT(first, StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(first, HasSubstr("X-Code: bad_method\r\n"));
  EXPECT_THAT(first, EndsWith("<no head>"));

  Peer client = connect();
  client.send("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3x\r\nabc");
  const std::string second = client.read_to_end();
  EXPECT_THAT(second, HasSubstr("X-Code: bad_chunk\r\n"));
  EXPECT_THAT(second, EndsWith("</a>"));
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

}  // namespace
}  // namespace hanse::http
