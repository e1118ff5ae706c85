#include "drivers/serve/reload.h"

namespace hanse::serve {
namespace {

class Changes {
 public:
  template <typename Value>
  Changes& look(std::string_view key, const Value& before, const Value& now) {
    if (!(before == now)) keys_.push_back(key);
    return *this;
  }
  std::vector<std::string_view> keys() const { return keys_; }

 private:
  std::vector<std::string_view> keys_;
};

}  // namespace

std::vector<std::string_view> keys_that_cannot_change(const config::Configuration& before,
                                                      const config::Configuration& now) {
  const auto& old = before.gateway;
  const auto& next = now.gateway;
  return Changes()
      .look("gateway.currency", old.currency, next.currency)
      .look("gateway.data_dir", old.data_dir, next.data_dir)
      .look("gateway.tls_certificate_file (with or without)", old.tls_certificate_file.empty(),
            next.tls_certificate_file.empty())
      .keys();
}

std::vector<std::string_view> keys_that_wait(const config::Configuration& before,
                                             const config::Configuration& now) {
  const auto& old = before.gateway;
  const auto& next = now.gateway;
  return Changes()
      .look("gateway.name", old.name, next.name)
      .look("gateway.listen", old.listen, next.listen)
      .look("gateway.admin", old.admin, next.admin)
      .look("gateway.admin_token_file", old.admin_token_file, next.admin_token_file)
      .look("http", before.http, now.http)
      .look("limits", before.limits, now.limits)
      .look("health", before.health, now.health)
      .look("ledger", before.ledger, now.ledger)
      .look("telemetry", before.telemetry, now.telemetry)
      .keys();
}

}  // namespace hanse::serve
