// Clients for measuring a gateway: a closed loop of whole requests, or streams
// that are opened together and read until they end. Prints one JSON object;
// before it, a line when the last stream has had its first event.
//
//   load PORT json CONNECTIONS SECONDS [tls]
//   load PORT stream STREAMS SECONDS [tls]
//
// Over TLS no certificate is checked.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "adapters/http/client.h"
#include "adapters/http/loop.h"

namespace {

using namespace hanse;

std::string request_body(bool stream) {
  std::string body = R"({"model":"mock",)";
  if (stream) body += R"("stream":true,)";
  body +=
      R"("max_tokens":256,"temperature":0.7,"messages":[{"role":"system","content":"You are terse."},)"
      R"({"role":"user","content":")";
  body.append(355 - body.size() - 4, 'q');
  return body + "\"}]}";
}

class Client final : public http::CallObserver {
 public:
  // `waiting` is how many streams have had no event yet.
  Client(http::Loop& loop, http::Pool& pool, bool stream, std::vector<std::int64_t>& latencies,
         std::size_t& waiting)
      : loop_(loop),
        pool_(pool),
        body_(request_body(stream)),
        stream_(stream),
        latencies_(latencies),
        waiting_(waiting) {}

  void start() {
    static constexpr std::array<http::HeaderLine, 2> kHeaders{
        {{"authorization", "Bearer hk-bench-000000000000000"},
         {"content-type", "application/json"}}};
    pieces_[0] = body_;
    began_ = loop_.read_clock().monotonic;
    call_.start(
        pool_,
        {.method = "POST", .target = "/v1/chat/completions", .headers = kHeaders, .body = pieces_},
        {.connect = seconds(30),
         .head = seconds(60),
         .between_bytes = seconds(60),
         .whole = kForever},
        *this);
  }
  void on_head(const http::ResponseHead& head) override {
    if (head.status() != 200) ++failed;
  }
  void on_data(std::string_view bytes) override {
    if (!stream_) return;
    for (std::size_t at = bytes.find("data: {"); at != std::string_view::npos;
         at = bytes.find("data: {", at + 7)) {
      ++events;
      if (events == 1 && --waiting_ == 0) {
        std::printf("open\n");
        std::fflush(stdout);
      }
    }
  }
  void on_complete() override {
    ++completed;
    if (!stream_) latencies_.push_back(elapsed(began_, loop_.read_clock().monotonic).count());
    if (!over) start();
  }
  void on_failure(const http::CallFailure&) override {
    ++failed;
    if (!over) start();
  }
  void stop() { call_.cancel(); }

  std::uint64_t completed = 0;
  std::uint64_t events = 0;
  std::uint64_t failed = 0;
  bool over = false;

 private:
  http::Loop& loop_;
  http::Pool& pool_;
  std::string body_;
  bool stream_;
  std::vector<std::int64_t>& latencies_;
  std::size_t& waiting_;
  std::array<std::string_view, 1> pieces_;
  http::Call call_;
  MonotonicTime began_;
};

}  // namespace

int main(int argc, char** argv) {
  const bool tls = argc == 6 && std::strcmp(argv[5], "tls") == 0;
  if (argc != 5 && !tls) {
    std::fprintf(stderr, "usage: load PORT json|stream COUNT SECONDS [tls]\n");
    return 2;
  }
  http::Loop loop;
  const bool stream = std::strcmp(argv[2], "stream") == 0;
  const auto count = static_cast<std::size_t>(std::atoll(argv[3]));
  std::shared_ptr<const http::TlsContext> trust;
  if (tls) trust = http::TlsContext::for_client({.verify = false}).value();
  http::Pool pool(loop,
                  {.host = "127.0.0.1",
                   .port = static_cast<std::uint16_t>(std::atoi(argv[1])),
                   .tls = tls,
                   .unix_path = {}},
                  {.connections_max = count,
                   .waiting_max = 1,
                   .idle_max = count,
                   .idle_time = seconds(60),
                   .limits = {},
                   .tls = trust});
  std::vector<std::int64_t> latencies;
  latencies.reserve(4'000'000);
  std::size_t waiting = count;
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(std::make_unique<Client>(loop, pool, stream, latencies, waiting));
    clients.back()->start();
  }
  const MonotonicTime began = loop.read_clock().monotonic;
  loop.run_until([] { return false; }, seconds(std::atoll(argv[4])));
  const double lasted =
      static_cast<double>(elapsed(began, loop.read_clock().monotonic).count()) / 1e9;
  std::uint64_t completed = 0;
  std::uint64_t events = 0;
  std::uint64_t failed = 0;
  for (const auto& client : clients) {
    client->over = true;
    client->stop();
    completed += client->completed;
    events += client->events;
    failed += client->failed;
  }
  std::sort(latencies.begin(), latencies.end());
  const auto quantile = [&](double q) {
    if (latencies.empty()) return 0.0;
    return static_cast<double>(
               latencies[static_cast<std::size_t>(q * static_cast<double>(latencies.size() - 1))]) /
           1e3;
  };
  std::printf(
      "{\"completed\":%llu,\"events\":%llu,\"failed\":%llu,\"seconds\":%.3f,\"p50_us\":%.1f,\"p99_"
      "us\":%.1f}\n",
      static_cast<unsigned long long>(completed), static_cast<unsigned long long>(events),
      static_cast<unsigned long long>(failed), lasted, quantile(0.5), quantile(0.99));
  return 0;
}
