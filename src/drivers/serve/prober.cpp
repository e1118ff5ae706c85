#include "drivers/serve/prober.h"

#include <array>
#include <utility>

namespace hanse::serve {

class Prober::Probe final : public http::CallObserver {
 public:
  Probe(const Told& told, SiteId site) : told_(told), site_(site) {}

  [[nodiscard]] bool active() const { return call_.active(); }

  void start(std::shared_ptr<Upstream> upstream, std::string_view path) {
    upstream_ = std::move(upstream);
    std::array<http::HeaderLine, 1> headers{{{"authorization", upstream_->authorization}}};
    const bool keyed = !upstream_->authorization.empty();
    call_.start(upstream_->pool,
                {.method = "GET",
                 .target = upstream_->target(path),
                 .headers = http::HeaderLines(headers.data(), keyed ? 1 : 0),
                 .body = {}},
                {.connect = seconds(1),
                 .head = seconds(2),
                 .between_bytes = seconds(1),
                 .whole = seconds(3)},
                *this);
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

Prober::Prober(Told told) : told_(std::move(told)) {}
Prober::~Prober() = default;

void Prober::probe(const std::shared_ptr<const Setting>& setting, SiteId site) {
  const std::shared_ptr<Upstream>& upstream = setting->upstreams[site.value()];
  const std::string_view path = upstream->engine.capabilities().health_path;
  if (path.empty()) return;
  if (probes_.size() < setting->upstreams.size()) probes_.resize(setting->upstreams.size());
  std::unique_ptr<Probe>& probe = probes_[site.value()];
  if (probe == nullptr) probe = std::make_unique<Probe>(told_, site);
  if (!probe->active()) probe->start(upstream, path);
}

void Prober::forget_all() { probes_.clear(); }

}  // namespace hanse::serve
