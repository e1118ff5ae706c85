#include "adapters/http/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "adapters/http/client.h"
#include "adapters/http/resolver.h"
#include "adapters/http/server.h"
#include "adapters/http/testing/certificates.h"
#include "adapters/http/testing/peer.h"

namespace hanse::http {
namespace {

using ::testing::HasSubstr;
using testing::Peer;
using testing::PeerListener;
using testing::TestAuthority;

// Echoes; a path of "/stream/N" is answered by N chunks of 1000 bytes.
class Echo final : public Handler {
 public:
  std::vector<std::string> seen;

  void on_request(Exchange& exchange) override {
    const std::string_view path = exchange.head().path();
    seen.emplace_back(path);
    if (path.starts_with("/stream/")) {
      exchange.begin_stream(200, {});
      const std::string block(1000, 'x');
      for (int i = std::stoi(std::string(path.substr(8))); i > 0; --i) exchange.write(block);
      return exchange.finish();
    }
    exchange.reply(200, {}, exchange.body());
  }
};

// One call and what became of it.
class Outcome final : public CallObserver {
 public:
  std::string body;
  std::optional<CallFailure> failure;
  bool over = false;
  bool reused = false;
  Connected connected;

  void on_connected(const Connected& how) override { connected = how; }
  void on_head(const ResponseHead&) override {}
  void on_data(std::string_view bytes) override { body += bytes; }
  void on_complete() override { over = true; }
  void on_failure(const CallFailure& what) override {
    failure = what;
    over = true;
  }
};

class TlsTest : public ::testing::Test {
 protected:
  std::shared_ptr<const TlsContext> server_context(const std::string& names,
                                                   const std::string& client_ca = "") {
    const auto files = authority.issue(names);
    return TlsContext::for_server({.certificate_file = files.certificate_file,
                                   .key_file = files.key_file,
                                   .client_ca_file = client_ca})
        .value();
  }
  std::shared_ptr<const TlsContext> client_context(TlsClientOptions options = {}) {
    if (options.ca_file.empty()) options.ca_file = authority.ca_file();
    return TlsContext::for_client(options).value();
  }

  void serve(std::shared_ptr<const TlsContext> context, ServerOptions options = {}) {
    options.tls = std::move(context);
    server.emplace(loop, options, echo);
    endpoint = server->listen(Endpoint::loopback(0)).value();
  }
  void use(std::shared_ptr<const TlsContext> context, const std::string& host = "127.0.0.1") {
    pool.emplace(loop, Origin{.host = host, .port = endpoint.port(), .tls = true},
                 PoolOptions{.tls = std::move(context)});
  }
  Outcome fetch(const std::string& target, const std::string& body = "") {
    Outcome outcome;
    Call call;
    const std::string_view pieces[] = {body};
    call.start(*pool, {.method = "POST", .target = target, .body = pieces}, {}, outcome);
    EXPECT_TRUE(loop.run_until([&] { return outcome.over; }, seconds(10)));
    return outcome;
  }

  TestAuthority authority;
  Loop loop;
  Echo echo;
  std::optional<Server> server;
  std::optional<Pool> pool;
  Endpoint endpoint;
};

// To say why, its handshake would have to be computed first.
TEST_F(TlsTest, PastItsConnectionsTheServerClosesNewOnesWithoutAWord) {
  serve(server_context("IP:127.0.0.1"), {.connections_max = 1});
  const Peer silent = Peer::connect(endpoint);
  EXPECT_TRUE(loop.run_until([&] { return server->counters().open == 1; }, seconds(10)));
  Peer next = Peer::connect(endpoint);
  EXPECT_TRUE(loop.run_until([&] { return server->counters().turned_away == 1; }, seconds(10)));
  EXPECT_TRUE(next.sees_end());
  EXPECT_EQ(server->counters().open, 1U);
}

TEST_F(TlsTest, BothSidesSpeakToEachOther) {
  serve(server_context("IP:127.0.0.1"));
  use(client_context());
  EXPECT_EQ(fetch("/", "hello").body, "hello");
  const Outcome second = fetch("/", "again");
  EXPECT_EQ(second.body, "again");
  EXPECT_TRUE(second.connected.reused);
  EXPECT_EQ(pool->counters().opened, 1U);
}

// More than may be under way at once.
TEST_F(TlsTest, ManyHandshakesAtOnceAllSucceed) {
  constexpr std::size_t kMany = 200;
  // Long enough for any machine: the last has to wait for all others.
  constexpr Duration kPatience = seconds(60);
  serve(server_context("IP:127.0.0.1"), {.handshake_time = kPatience});
  pool.emplace(loop, Origin{.host = "127.0.0.1", .port = endpoint.port(), .tls = true},
               PoolOptions{.connections_max = kMany, .tls = client_context()});
  std::vector<Outcome> outcomes(kMany);
  std::vector<Call> calls(kMany);
  const std::string_view pieces[] = {"hello"};
  for (std::size_t i = 0; i < kMany; ++i) {
    calls[i].start(*pool, {.method = "POST", .target = "/", .body = pieces}, {.connect = kPatience},
                   outcomes[i]);
  }
  EXPECT_TRUE(loop.run_until(
      [&] { return std::ranges::all_of(outcomes, [](const Outcome& o) { return o.over; }); },
      kPatience));
  EXPECT_EQ(pool->counters().opened, kMany);
  EXPECT_TRUE(std::ranges::all_of(outcomes, [](const Outcome& o) { return o.body == "hello"; }));
}

TEST_F(TlsTest, ClientsThatBeginAHandshakeAndStallLockNobodyOut) {
  serve(server_context("IP:127.0.0.1"));
  std::vector<Peer> stalled;
  for (int i = 0; i < 100; ++i) {
    stalled.push_back(Peer::connect(endpoint));
    stalled.back().send("\x16\x03\x01\x02");  // the first bytes of a record
  }
  use(client_context());
  EXPECT_EQ(fetch("/", "hello").body, "hello");
  // And those that leave in mid-handshake are counted out again.
  stalled.clear();
  EXPECT_TRUE(loop.run_until([&] { return server->counters().open == 1; }, seconds(10)));
  pool.reset();
  use(client_context());
  EXPECT_EQ(fetch("/", "again").body, "again");
}

TEST_F(TlsTest, LargeBodiesGoBothWays) {
  serve(server_context("IP:127.0.0.1"));
  use(client_context());
  const std::string large(5U << 20U, 'y');
  EXPECT_EQ(fetch("/", large).body, large);
  EXPECT_EQ(fetch("/stream/3000").body.size(), 3'000'000U);
}

TEST_F(TlsTest, AHostThatTheCertificateDoesNotNameIsRefused) {
  serve(server_context("DNS:other.example"));
  use(client_context());
  const Outcome outcome = fetch("/");
  ASSERT_TRUE(outcome.failure.has_value());
  EXPECT_EQ(outcome.failure->trouble, CallTrouble::tls);
  EXPECT_THAT(outcome.failure->message, HasSubstr("IP address mismatch"));
  EXPECT_FALSE(outcome.failure->request_left);
  EXPECT_TRUE(echo.seen.empty());
}

TEST_F(TlsTest, ANameIsCheckedAndSent) {
  loop.resolver().set_ask(
      [](const std::string&) -> Result<Addresses> { return Addresses{Endpoint::loopback(0)}; });
  serve(server_context("DNS:grid.example"));
  use(client_context(), "grid.example");
  EXPECT_EQ(fetch("/", "x").body, "x");
  use(client_context(), "evil.example");
  EXPECT_EQ(fetch("/").failure->trouble, CallTrouble::tls);
  use(client_context({.server_name = "grid.example"}));
  EXPECT_EQ(fetch("/", "x").body, "x") << "a site behind an address may be named";
}

TEST_F(TlsTest, AnUnknownAuthorityIsRefused) {
  serve(server_context("IP:127.0.0.1"));
  const TestAuthority other;
  use(client_context({.ca_file = other.ca_file()}));
  EXPECT_EQ(fetch("/").failure->trouble, CallTrouble::tls);
  use(client_context({.ca_file = other.ca_file(), .verify = false}));
  EXPECT_EQ(fetch("/", "x").body, "x");
}

TEST_F(TlsTest, AnExpiredCertificateIsRefused) {
  const auto files = authority.issue("IP:127.0.0.1", -1);
  serve(TlsContext::for_server(
            {.certificate_file = files.certificate_file, .key_file = files.key_file})
            .value());
  use(client_context());
  EXPECT_THAT(fetch("/").failure->message, HasSubstr("expired"));
}

TEST_F(TlsTest, AClientCertificateCanBeAskedFor) {
  serve(server_context("IP:127.0.0.1", authority.ca_file()));
  use(client_context());
  EXPECT_TRUE(fetch("/").failure.has_value());
  const auto files = authority.issue("DNS:gateway");
  use(client_context({.certificate_file = files.certificate_file, .key_file = files.key_file}));
  EXPECT_EQ(fetch("/", "x").body, "x");
}

TEST_F(TlsTest, AReloadedCertificateServesNewConnectionsAndKeepsOldOnes) {
  serve(server_context("IP:127.0.0.1"));
  use(client_context());
  EXPECT_EQ(fetch("/", "x").body, "x");
  server->set_tls(server_context("DNS:other.example"));
  EXPECT_EQ(fetch("/", "y").body, "y") << "on the connection that was open";
  EXPECT_EQ(pool->counters().opened, 1U);
  pool->close_idle();
  EXPECT_EQ(fetch("/").failure->trouble, CallTrouble::tls);
}

TEST_F(TlsTest, ASilentHandshakeTimesOut) {
  serve(server_context("IP:127.0.0.1"), {.handshake_time = milliseconds(20)});
  Peer peer = Peer::connect(endpoint);
  EXPECT_TRUE(loop.run_until([&] { return server->counters().timed_out == 1; }, seconds(10)));
  EXPECT_TRUE(peer.sees_end());
}

TEST_F(TlsTest, APlainRequestOnATlsPortIsClosed) {
  serve(server_context("IP:127.0.0.1"));
  Peer peer = Peer::connect(endpoint);
  peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(
      loop.run_until([&] { return server->counters().handshakes_failed == 1; }, seconds(10)));
  EXPECT_EQ(server->counters().open, 0U);
}

TEST_F(TlsTest, APlainSiteIsATlsFailure) {
  PeerListener plain;
  endpoint = plain.endpoint();
  use(client_context());
  Outcome outcome;
  Call call;
  call.start(*pool, {}, {}, outcome);
  Peer peer = plain.accept();
  peer.send("HTTP/1.1 400 Bad Request\r\n\r\n");
  EXPECT_TRUE(loop.run_until([&] { return outcome.over; }, seconds(10)));
  EXPECT_EQ(outcome.failure->trouble, CallTrouble::tls);
  EXPECT_EQ(outcome.failure->phase, CallPhase::handshake);
}

TEST_F(TlsTest, ACallCancelledInTheHandshakeLeavesNothing) {
  PeerListener plain;
  endpoint = plain.endpoint();
  use(client_context());
  Outcome outcome;
  Call call;
  call.start(*pool, {}, {}, outcome);
  Peer peer = plain.accept();
  call.cancel();
  EXPECT_TRUE(loop.run_until([&] { return pool->counters().open == 0; }, seconds(10)));
  EXPECT_FALSE(outcome.over);
}

TEST_F(TlsTest, FilesThatDoNotFitAreRefused) {
  const auto one = authority.issue("DNS:a");
  const auto other = authority.issue("DNS:b");
  EXPECT_FALSE(
      TlsContext::for_server({.certificate_file = one.certificate_file, .key_file = other.key_file})
          .has_value());
  EXPECT_FALSE(TlsContext::for_server({.certificate_file = "/nowhere", .key_file = one.key_file})
                   .has_value());
  EXPECT_FALSE(TlsContext::for_client({.ca_file = "/nowhere"}).has_value());
}

}  // namespace
}  // namespace hanse::http
