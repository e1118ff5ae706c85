#include "drivers/serve/setting.h"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

#include "adapters/config/snapshot.h"
#include "drivers/serve/secret.h"

namespace hanse::serve {
namespace {

Result<std::string> read_credential(const fleet::Engine& engine) {
  if (!engine.credential_file.empty()) {
    return read_secret(engine.credential_file, "credential file");
  }
  if (engine.credential_env.empty()) return std::string();
  const char* value = std::getenv(engine.credential_env.c_str());
  if (value == nullptr || *value == '\0') {
    return invalid_input(
        fmt::format("the environment variable {} is not set", engine.credential_env));
  }
  return header_secret(value, fmt::format("the environment variable {}", engine.credential_env));
}

bool same(const fleet::Engine& a, const fleet::Engine& b) {
  return a.kind == b.kind && a.url == b.url && a.credential_file == b.credential_file &&
         a.credential_env == b.credential_env && a.ca_file == b.ca_file &&
         a.client_certificate_file == b.client_certificate_file &&
         a.client_key_file == b.client_key_file && a.metrics == b.metrics;
}

Result<http::PoolOptions> pool_options(const fleet::Site& site, const engines::Engine& engine,
                                       const http::Url& url, const config::HttpLimits& limits) {
  // A connection per request that may be inside the engine, and for a probe and
  // the question how busy it is.
  constexpr std::size_t kConnectionsPerSlot = 17;
  constexpr Duration kLeaveEarlier = milliseconds(500);
  http::PoolOptions options;
  options.connections_max = static_cast<std::size_t>(site.slots) * kConnectionsPerSlot + 2;
  options.idle_max = static_cast<std::size_t>(limits.idle_connections_per_site_max);
  options.idle_time = engine.capabilities().idle_close - kLeaveEarlier;
  if (url.origin.tls) {
    auto tls =
        http::TlsContext::for_client({.ca_file = site.engine.ca_file,
                                      .certificate_file = site.engine.client_certificate_file,
                                      .key_file = site.engine.client_key_file,
                                      .server_name = {},
                                      .verify = true});
    if (!tls) return std::unexpected(std::move(tls.error()));
    options.tls = *std::move(tls);
  }
  return options;
}

Result<std::shared_ptr<Upstream>> make_upstream(http::Loop& loop, const fleet::Site& site,
                                                const config::HttpLimits& limits) {
  const engines::Engine* engine = engines::find_engine(site.engine.kind);
  if (engine == nullptr) {
    return invalid_input(fmt::format("nobody knows the engine kind '{}'", site.engine.kind));
  }
  auto url = http::Url::parse(site.engine.url);
  if (!url) return std::unexpected(std::move(url.error()));
  auto options = pool_options(site, *engine, *url, limits);
  if (!options) return std::unexpected(std::move(options.error()));
  auto credential = read_credential(site.engine);
  if (!credential) return std::unexpected(std::move(credential.error()));
  auto upstream =
      std::make_shared<Upstream>(loop, site.engine, *engine, *std::move(url), *std::move(options));
  if (!credential->empty()) upstream->authorization = "Bearer " + *credential;
  return upstream;
}

std::shared_ptr<Upstream> find_same(const Setting* before, const fleet::Site& site,
                                    const config::HttpLimits& limits) {
  if (before == nullptr) return nullptr;
  const config::HttpLimits& limits_before = before->configuration->http;
  if (limits_before.idle_connections_per_site_max != limits.idle_connections_per_site_max) {
    return nullptr;
  }
  const auto known = before->snapshot->fleet.sites.find(site.name);
  if (!known) return nullptr;
  const fleet::Site& site_before = before->snapshot->fleet.sites[*known];
  // A file may have been replaced under the same name, so sites with
  // credentials or certificates are made anew: that is what rotation needs.
  const bool reads_files = !site.engine.credential_file.empty() ||
                           !site.engine.credential_env.empty() || !site.engine.ca_file.empty() ||
                           !site.engine.client_certificate_file.empty();
  if (reads_files || site_before.slots != site.slots || !same(site_before.engine, site.engine)) {
    return nullptr;
  }
  return before->upstreams[known->value()];
}

}  // namespace

std::string_view Upstream::target(std::string_view path) {
  for (const auto& [known, target] : targets_) {
    if (known == path) return target;
  }
  const std::string_view asked = path;
  std::string_view prefix = url.path;
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  // A URL that already ends in /v1, as many are given, must not repeat it.
  if (prefix.ends_with("/v1") && path.starts_with("/v1/")) path.remove_prefix(3);
  return targets_.emplace_back(asked, fmt::format("{}{}", prefix, path)).second;
}

Result<std::shared_ptr<const Setting>> make_setting(http::Loop& loop, const config::Loaded& loaded,
                                                    const Setting* before) {
  auto setting = std::make_shared<Setting>();
  setting->configuration = loaded.configuration;
  setting->canonical = loaded.canonical;
  setting->snapshot = config::make_snapshot(*loaded.configuration);
  auto keys = limits::KeyRing::create(setting->snapshot->tenants);
  if (!keys) return std::unexpected(std::move(keys.error()));
  setting->keys.emplace(*std::move(keys));
  for (const fleet::Site& site : setting->snapshot->fleet.sites) {
    std::shared_ptr<Upstream> upstream = find_same(before, site, loaded.configuration->http);
    if (upstream == nullptr) {
      auto made = make_upstream(loop, site, loaded.configuration->http);
      if (!made) {
        Error error = std::move(made.error());
        error.message = fmt::format("site {}: {}", site.name, error.message);
        return std::unexpected(std::move(error));
      }
      upstream = *std::move(made);
    }
    setting->upstreams.push_back(std::move(upstream));
  }
  return setting;
}

}  // namespace hanse::serve
