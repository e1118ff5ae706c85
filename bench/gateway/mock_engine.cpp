// An inference engine that computes nothing, for measuring what stands in
// front of it. Speaks OpenAI's chat dialect: a reply of about 600 bytes at
// once, or `events` events at `rate` a second.
//
//   mock_engine PORT [events] [rate]
#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <unordered_set>

#include "adapters/http/loop.h"
#include "adapters/http/server.h"

namespace {

using hanse::http::Exchange;

const std::string kWhole =
    R"({"id":"chatcmpl-mock","object":"chat.completion","created":1700000000,"model":"mock","choices":[)"
    R"({"index":0,"message":{"role":"assistant","content":")" +
    std::string(330, 'x') +
    R"("},"finish_reason":"stop"}],"usage":{"prompt_tokens":42,"completion_tokens":80,"total_tokens":122}})";
const std::string kEvent =
    R"(data: {"id":"chatcmpl-mock","object":"chat.completion.chunk","created":1700000000,"model":"mock",)"
    R"("choices":[{"index":0,"delta":{"content":" token"},"finish_reason":null}]})"
    "\n\n";
const std::string kLast =
    R"(data: {"id":"chatcmpl-mock","object":"chat.completion.chunk","created":1700000000,"model":"mock",)"
    R"("choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})"
    "\n\n"
    R"(data: {"id":"chatcmpl-mock","object":"chat.completion.chunk","created":1700000000,"model":"mock",)"
    R"("choices":[],"usage":{"prompt_tokens":42,"completion_tokens":80,"total_tokens":122}})"
    "\n\ndata: [DONE]\n\n";

class Engine final : public hanse::http::Handler {
 public:
  Engine(hanse::http::Loop& loop, std::int64_t events, std::int64_t rate)
      : loop_(loop), events_(events), gap_(hanse::seconds(1) / rate) {}

  void on_request(Exchange& exchange) override {
    static constexpr std::array<hanse::http::HeaderLine, 1> kJson{
        {{"content-type", "application/json"}}};
    static constexpr std::array<hanse::http::HeaderLine, 1> kEvents{
        {{"content-type", "text/event-stream"}}};
    const std::string_view body = exchange.body();
    const bool streamed = body.find("\"stream\":true") != std::string_view::npos ||
                          body.find("\"stream\": true") != std::string_view::npos;
    if (!streamed) return exchange.reply(200, kJson, kWhole);
    exchange.begin_stream(200, kEvents);
    exchange.write(kEvent);
    streams_.insert(std::make_unique<Stream>(*this, exchange).release());
  }

 private:
  class Stream final : public hanse::http::ExchangeObserver {
   public:
    Stream(Engine& engine, Exchange& exchange)
        : engine_(engine), exchange_(&exchange), timer_(engine.loop_, [this] { next(); }) {
      exchange.set_observer(this);
      timer_.arm_in(engine_.gap_);
    }
    void on_drained(Exchange&) override {}
    void on_client_gone(Exchange&) override {
      exchange_ = nullptr;
      timer_.arm_in(hanse::Duration(0));
    }

   private:
    void next() {
      if (exchange_ == nullptr || ++sent_ >= engine_.events_) {
        if (exchange_ != nullptr) {
          exchange_->set_observer(nullptr);
          exchange_->finish(kLast);
        }
        engine_.streams_.erase(this);
        delete this;
        return;
      }
      exchange_->write(kEvent);
      timer_.arm(timer_deadline_ = next_deadline());
    }
    hanse::MonotonicTime next_deadline() { return engine_.loop_.now().monotonic + engine_.gap_; }

    Engine& engine_;
    Exchange* exchange_;
    std::int64_t sent_ = 1;
    hanse::MonotonicTime timer_deadline_;
    hanse::http::Timer timer_;
  };

  hanse::http::Loop& loop_;
  std::int64_t events_;
  hanse::Duration gap_;
  std::unordered_set<Stream*> streams_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: mock_engine PORT [events] [rate]\n");
    return 2;
  }
  hanse::http::Loop loop;
  Engine engine(loop, argc > 2 ? std::atoll(argv[2]) : 200, argc > 3 ? std::atoll(argv[3]) : 20);
  hanse::http::ServerOptions options;
  options.connections_max = 30'000;
  hanse::http::Server server(loop, options, engine);
  const auto bound = server.listen(
      hanse::http::Endpoint::loopback(static_cast<std::uint16_t>(std::atoi(argv[1]))));
  if (!bound) {
    std::fprintf(stderr, "%s\n", bound.error().message.c_str());
    return 1;
  }
  std::printf("listening\n");
  std::fflush(stdout);
  loop.run();
}
