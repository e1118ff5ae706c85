// What the toolkit alone costs: a proxy without any logic, a mock engine and a
// load, each a process of its own. Run nginx in the proxy's place to compare.
//
//   proxy_bench engine PORT [MILLISECONDS]
//   proxy_bench proxy PORT ENGINE_PORT [CERTIFICATE KEY]
//   proxy_bench json PORT PROXY_PID CONNECTIONS SECONDS [tls]
//   proxy_bench streams PORT PROXY_PID STREAMS SECONDS [tls]
//
// The loads print the proxy's CPU time per request or event (from
// /proc/PID/schedstat) and its private memory (from smaps_rollup).

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "adapters/http/client.h"
#include "adapters/http/server.h"

namespace {

std::size_t allocations = 0;

}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* block = std::malloc(size)) return block;
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }

namespace hanse::http {
namespace {

// Each stream of the engine gets an event so often.
Duration event_every = milliseconds(50);

const std::string& chat_request() {
  static const std::string body = R"({"model":"smollm2","messages":[{"role":"user","content":")" +
                                  std::string(270, 'q') + R"("}]})";
  return body;
}

// One stream of the mock engine.
class EngineStream final : public ExchangeObserver {
 public:
  EngineStream(Loop& loop, Exchange& exchange)
      : exchange_(&exchange), next_(loop.now().monotonic), timer_(loop, [this] { tick(); }) {
    exchange.set_observer(this);
    const HeaderLine lines[] = {{"Content-Type", "text/event-stream"}};
    exchange.begin_stream(200, lines);
    tick();
  }
  void on_drained(Exchange&) override {}
  void on_client_gone(Exchange&) override { delete this; }

 private:
  void tick() {
    static const std::string event = "data: " + std::string(180, 'e') + "\n\n";
    exchange_->write(event);
    next_ = next_ + event_every;
    timer_.arm(next_);
  }

  Exchange* exchange_;
  MonotonicTime next_;
  Timer timer_;
};

class Engine final : public Handler {
 public:
  explicit Engine(Loop& loop) : loop_(loop) {}
  void on_request(Exchange& exchange) override {
    if (exchange.head().path() == "/stream") {
      new EngineStream(loop_, exchange);  // deletes itself with its client
      return;
    }
    static const std::string reply = R"({"id":"1","text":")" + std::string(580, 'a') + R"("})";
    const HeaderLine lines[] = {{"Content-Type", "application/json"}};
    exchange.reply(200, lines, reply);
  }

 private:
  Loop& loop_;
};

class Proxy;

// One request on its way through.
class Passage final : public CallObserver, public ExchangeObserver {
 public:
  explicit Passage(Proxy& proxy) : proxy_(proxy) {}
  void begin(Exchange& exchange);

  void on_head(const ResponseHead& head) override;
  void on_data(std::string_view bytes) override;
  void on_complete() override;
  void on_failure(const CallFailure& failure) override;
  void on_drained(Exchange&) override { call_.resume(); }
  void on_client_gone(Exchange&) override;

 private:
  Proxy& proxy_;
  Exchange* exchange_ = nullptr;
  std::string_view piece_;
  std::string whole_;
  Call call_;
  int status_ = 0;
  bool streamed_ = false;
};

class Proxy final : public Handler {
 public:
  Proxy(Loop& loop, const Origin& origin)
      : pool(loop, origin, {.connections_max = 20'000, .idle_max = 20'000}) {}
  void on_request(Exchange& exchange) override {
    if (free_.empty()) free_.push_back(std::make_unique<Passage>(*this));
    Passage* passage = free_.back().release();
    free_.pop_back();
    passage->begin(exchange);
  }
  void done(Passage* passage) { free_.emplace_back(passage); }

  Pool pool;
  std::size_t requests = 0;
  std::size_t events = 0;

 private:
  std::vector<std::unique_ptr<Passage>> free_;
};

void Passage::begin(Exchange& exchange) {
  exchange_ = &exchange;
  exchange.set_observer(this);
  streamed_ = false;
  whole_.clear();
  piece_ = exchange.body();
  const HeaderLine lines[] = {{"Content-Type", "application/json"}};
  call_.start(proxy_.pool,
              {.method = "POST",
               .target = exchange.head().target(),
               .headers = lines,
               .body = {&piece_, 1}},
              {}, *this);
  exchange.release_head();
}

void Passage::on_head(const ResponseHead& head) {
  ++proxy_.requests;
  status_ = head.status();
  if (head.content_length()) return;
  streamed_ = true;
  const HeaderLine lines[] = {{"Content-Type", "text/event-stream"}};
  exchange_->begin_stream(status_, lines);
}

void Passage::on_data(std::string_view bytes) {
  if (!streamed_) {
    whole_ += bytes;
    return;
  }
  ++proxy_.events;
  if (!exchange_->write(bytes)) call_.pause();
}

void Passage::on_complete() {
  const HeaderLine lines[] = {{"Content-Type", "application/json"}};
  if (streamed_) {
    exchange_->finish();
  } else {
    exchange_->reply(status_, lines, whole_);
  }
  proxy_.done(this);
}

void Passage::on_failure(const CallFailure& failure) {
  if (streamed_) {
    exchange_->abort();
  } else {
    exchange_->reply(502, {}, failure.message);
  }
  proxy_.done(this);
}

void Passage::on_client_gone(Exchange&) {
  call_.cancel();
  proxy_.done(this);
}

// What the kernel says about another process.
double cpu_seconds(int pid) {
  std::ifstream file(fmt::format("/proc/{}/schedstat", pid));
  double nanoseconds_on_cpu = 0;
  file >> nanoseconds_on_cpu;
  return nanoseconds_on_cpu / 1e9;
}

double private_kilobytes(int pid) {
  std::ifstream file(fmt::format("/proc/{}/smaps_rollup", pid));
  for (std::string word; file >> word;) {
    if (word != "Private_Dirty:") continue;
    double kilobytes = 0;
    file >> kilobytes;
    return kilobytes;
  }
  return 0;
}

class Client final : public CallObserver {
 public:
  Client(Loop& loop, Pool& pool, std::string_view target)
      : loop_(loop), pool_(pool), target_(target) {
    start();
  }
  void on_head(const ResponseHead&) override {}
  void on_data(std::string_view) override { ++pieces; }
  void on_complete() override {
    latencies.push_back(elapsed(began_, loop_.read_clock().monotonic));
    start();
  }
  void on_failure(const CallFailure& failure) override {
    fmt::print(stderr, "failed: {} {}\n", to_string(failure.trouble), failure.message);
    std::exit(1);
  }

  std::size_t pieces = 0;
  std::vector<Duration> latencies;

 private:
  void start() {
    began_ = loop_.read_clock().monotonic;
    piece_ = chat_request();
    call_.start(pool_, {.method = "POST", .target = target_, .body = {&piece_, 1}},
                {.connect = seconds(60)}, *this);
  }

  Loop& loop_;
  Pool& pool_;
  std::string_view target_;
  std::string_view piece_;
  MonotonicTime began_;
  Call call_;
};

struct Load {
  std::uint16_t port = 0;
  int pid = 0;
  int clients = 0;
  int seconds = 0;
  bool tls = false;
};

void run_load(const Load& load, bool streams) {
  Loop loop({.handlers_per_turn = 256});
  PoolOptions options{.connections_max = 20'000, .idle_max = 20'000};
  if (load.tls) options.tls = TlsContext::for_client({.verify = false}).value();
  Pool pool(loop, {.host = "127.0.0.1", .port = load.port, .tls = load.tls}, options);
  std::vector<std::unique_ptr<Client>> clients;
  const auto never = [] { return false; };
  const double memory_before = private_kilobytes(load.pid);
  const auto all_began = [&] {
    return std::ranges::all_of(clients, [](const auto& client) { return client->pieces > 0; });
  };
  for (int i = 0; i < load.clients; ++i) {
    clients.push_back(std::make_unique<Client>(loop, pool, streams ? "/stream" : "/json"));
    if (streams && i % 20 == 19) loop.run_until(all_began, seconds(60));
  }
  loop.run_until(never, seconds(1));
  std::size_t before = 0;
  for (const auto& client : clients) {
    before += client->pieces;
    client->latencies.clear();
  }
  const double cpu_before = cpu_seconds(load.pid);
  loop.run_until(never, seconds(load.seconds));
  const double cpu = cpu_seconds(load.pid) - cpu_before;
  std::size_t done = 0;
  std::vector<Duration> latencies;
  for (const auto& client : clients) {
    done += client->pieces;
    latencies.insert(latencies.end(), client->latencies.begin(), client->latencies.end());
  }
  const double memory = private_kilobytes(load.pid);
  if (streams) {
    done -= before;
    fmt::print(
        "{:.0f} events/s, {:.2f} us CPU per event, {:.2f} kB per stream (from {:.0f} to {:.0f} "
        "kB)\n",
        static_cast<double>(done) / load.seconds, cpu * 1e6 / static_cast<double>(done),
        (memory - memory_before) / load.clients, memory_before, memory);
    return;
  }
  std::ranges::sort(latencies);
  fmt::print("{:.0f} requests/s, {:.2f} us CPU per request, p50 {} p99 {}, {:.0f} kB\n",
             static_cast<double>(latencies.size()) / load.seconds,
             cpu * 1e6 / static_cast<double>(latencies.size()),
             to_string(latencies[latencies.size() / 2]),
             to_string(latencies[latencies.size() * 99 / 100]), memory);
}

void run_server(std::uint16_t port, std::uint16_t engine_port,
                std::shared_ptr<const TlsContext> tls) {
  Loop loop;
  Engine engine(loop);
  Proxy proxy(loop, {.host = "127.0.0.1", .port = engine_port});
  Handler& handler = engine_port == 0 ? static_cast<Handler&>(engine) : proxy;
  Server server(loop, {.connections_max = 20'000, .tls = std::move(tls)}, handler);
  if (auto bound = server.listen(Endpoint::loopback(port)); !bound) {
    fmt::print(stderr, "{}\n", bound.error().message);
    std::exit(1);
  }
  loop.on_signal(SIGTERM, [&] { loop.stop(); });
  std::size_t seen = 0;
  std::size_t requests = 0;
  std::size_t events = 0;
  loop.on_signal(SIGUSR1, [&] {
    fmt::print(stderr,
               "since the last signal: {} requests, {} events, {} allocations; {} bytes kept\n",
               proxy.requests - requests, proxy.events - events, allocations - seen,
               loop.buffers().in_use());
    requests = proxy.requests;
    events = proxy.events;
    seen = allocations;
  });
  loop.run();
  std::exit(0);  // without taking every stream down in order
}

int run(const std::vector<std::string>& words) {
  const auto number = [&](std::size_t i) { return std::stoi(words.at(i)); };
  const auto port = [&](std::size_t i) { return static_cast<std::uint16_t>(number(i)); };
  const std::string mode = words.size() > 1 ? words[1] : "";
  if (mode == "engine") {
    if (words.size() > 3) event_every = milliseconds(number(3));
    run_server(port(2), 0, nullptr);
  } else if (mode == "proxy") {
    std::shared_ptr<const TlsContext> tls;
    if (words.size() > 5) {
      tls = TlsContext::for_server({.certificate_file = words[4], .key_file = words[5]}).value();
    }
    run_server(port(2), port(3), std::move(tls));
  } else if (mode == "json" || mode == "streams") {
    run_load({.port = port(2),
              .pid = number(3),
              .clients = number(4),
              .seconds = number(5),
              .tls = words.size() > 6},
             mode == "streams");
  } else {
    fmt::print(stderr, "see the top of proxy_bench.cpp\n");
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace hanse::http

int main(int count, char** words) { return hanse::http::run({words, words + count}); }
