// Clients for measuring a gateway: a closed loop of whole requests, or streams
// that are opened together and read until they end. Prints one JSON object.
//
//   load PORT json CONNECTIONS SECONDS
//   load PORT stream STREAMS SECONDS
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
  Client(http::Loop& loop, http::Pool& pool, bool stream, std::vector<std::int64_t>& latencies)
      : loop_(loop),
        pool_(pool),
        body_(request_body(stream)),
        stream_(stream),
        latencies_(latencies) {}

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
  std::array<std::string_view, 1> pieces_;
  http::Call call_;
  MonotonicTime began_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: load PORT json|stream COUNT SECONDS\n");
    return 2;
  }
  http::Loop loop;
  const bool stream = std::strcmp(argv[2], "stream") == 0;
  const auto count = static_cast<std::size_t>(std::atoll(argv[3]));
  http::Pool pool(loop,
                  {.host = "127.0.0.1",
                   .port = static_cast<std::uint16_t>(std::atoi(argv[1])),
                   .tls = false,
                   .unix_path = {}},
                  {.connections_max = count,
                   .waiting_max = 1,
                   .idle_max = count,
                   .idle_time = seconds(60),
                   .limits = {},
                   .tls = nullptr});
  std::vector<std::int64_t> latencies;
  latencies.reserve(4'000'000);
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(std::make_unique<Client>(loop, pool, stream, latencies));
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
