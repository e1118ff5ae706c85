#include "drivers/serve/prober.h"

#include <array>
#include <utility>

namespace hanse::serve {
namespace {

constexpr http::CallLimits kLimits{
    .connect = seconds(1), .head = seconds(2), .between_bytes = seconds(1), .whole = seconds(3)};

// Requires: `observer` ends before `upstream` does.
void ask(Upstream& upstream, std::string_view path, http::Call& call,
         http::CallObserver& observer) {
  std::array<http::HeaderLine, 1> headers{{{"authorization", upstream.authorization}}};
  const bool keyed = !upstream.authorization.empty();
  call.start(upstream.pool,
             {.method = "GET",
              .target = upstream.target(path),
              .headers = http::HeaderLines(headers.data(), keyed ? 1 : 0),
              .body = {}},
             kLimits, observer);
}

}  // namespace

class Prober::Probe final : public http::CallObserver {
 public:
  Probe(const Told& told, SiteId site) : told_(told), site_(site) {}

  void ask_unless_asked(const std::shared_ptr<Upstream>& upstream, std::string_view path) {
    if (call_.active()) return;
    upstream_ = upstream;
    ask(*upstream_, path, call_, *this);
  }

  void on_head(const http::ResponseHead& head) override {
    // Whoever says that there is no such page is there and talks; only a
    // server's own trouble (llama.cpp says 503 while it loads) is ill health.
    healthy_ = head.status() < 500;
  }
  void on_data(std::string_view) override {}
  void on_complete() override { told_(site_, healthy_); }
  void on_failure(const http::CallFailure&) override { told_(site_, false); }

 private:
  const Told& told_;
  SiteId site_;
  // Before the call: the pool must outlive it.
  std::shared_ptr<Upstream> upstream_;
  http::Call call_;
  bool healthy_ = false;
};

class Prober::Measurement final : public http::CallObserver {
 public:
  Measurement(const Measured& measured, SiteId site) : measured_(measured), site_(site) {}

  void ask_unless_asked(const std::shared_ptr<Upstream>& upstream,
                        const engines::MetricNames& names) {
    if (call_.active()) return;
    if (turns_left_alone_ > 0) {
      --turns_left_alone_;
      return;
    }
    upstream_ = upstream;
    reader_.emplace(names);
    ask(*upstream_, names.path, call_, *this);
  }

  void on_head(const http::ResponseHead& head) override { status_ = head.status(); }
  void on_data(std::string_view bytes) override {
    if (status_ != kGood || reader_->push(bytes)) return;
    call_.cancel();
    turns_left_alone_ = kTurnsWithoutPage;
  }
  void on_complete() override {
    // Of a server that is in trouble, or has a gateway before it that is, the
    // page may come back; llama.cpp says 501 when it was started without.
    if (status_ != kGood && status_ >= 500 && status_ != kNotImplemented) return;
    const auto load = status_ == kGood ? reader_->finish() : std::nullopt;
    if (load) return measured_(site_, *load);
    turns_left_alone_ = status_ == kGood ? kTurnsWithoutNumbers : kTurnsWithoutPage;
  }
  void on_failure(const http::CallFailure&) override {}

 private:
  static constexpr int kGood = 200;
  static constexpr int kNotImplemented = 501;
  // On the defaults ten minutes, and half of one: some engines tell nothing
  // before their first request.
  static constexpr int kTurnsWithoutPage = 600;
  static constexpr int kTurnsWithoutNumbers = 30;

  const Measured& measured_;
  SiteId site_;
  // Before the call: the pool must outlive it.
  std::shared_ptr<Upstream> upstream_;
  std::optional<engines::MetricsReader> reader_;
  http::Call call_;
  int status_ = 0;
  int turns_left_alone_ = 0;
};

Prober::Prober(Told told, Measured measured)
    : told_(std::move(told)), measured_(std::move(measured)) {}
Prober::~Prober() = default;

void Prober::probe(const std::shared_ptr<const Setting>& setting, SiteId site) {
  const std::shared_ptr<Upstream>& upstream = setting->upstreams[site.value()];
  const engines::Capabilities& can = upstream->engine.capabilities();
  if (questions_.size() < setting->upstreams.size()) questions_.resize(setting->upstreams.size());
  Questions& questions = questions_[site.value()];
  if (!can.health_path.empty()) {
    if (questions.probe == nullptr) questions.probe = std::make_unique<Probe>(told_, site);
    questions.probe->ask_unless_asked(upstream, can.health_path);
  }
  if (!can.metrics.path.empty() && upstream->facts.metrics) {
    if (questions.measurement == nullptr) {
      questions.measurement = std::make_unique<Measurement>(measured_, site);
    }
    questions.measurement->ask_unless_asked(upstream, can.metrics);
  }
}

void Prober::forget_all() { questions_.clear(); }

}  // namespace hanse::serve
