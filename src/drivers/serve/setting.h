// src/drivers/serve/setting.h
// One configuration put to work in a process: its snapshot for the core, its
// keys, and the connections to its sites.
//
// A reload makes a new setting; requests keep the one they began with, and a
// pool of connections that both have is shared between them.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/config/configuration.h"
#include "adapters/config/load.h"
#include "adapters/engines/engine.h"
#include "adapters/http/client.h"
#include "adapters/http/endpoint.h"
#include "adapters/http/loop.h"
#include "base/result.h"
#include "core/dispatch/snapshot.h"
#include "core/limits/key_ring.h"

namespace hanse::serve {

// How a site is reached.
struct Upstream {
  Upstream(http::Loop& loop, fleet::Engine used_facts, const engines::Engine& used_engine,
           http::Url used_url, http::PoolOptions options)
      : facts(std::move(used_facts)),
        engine(used_engine),
        url(std::move(used_url)),
        pool(loop, url.origin, std::move(options)) {}

  fleet::Engine facts;  // as configured, to tell whether a reload changed it
  const engines::Engine& engine;
  http::Url url;
  std::string authorization;  // "Bearer ..."; empty: none
  http::Pool pool;

  // The site's URL and an engine's path in one: "/v1/chat/completions". Valid
  // as long as the upstream.
  [[nodiscard]] std::string_view target(std::string_view path);

 private:
  // By path. An engine has a few, which are there for ever.
  std::deque<std::pair<std::string_view, std::string>> targets_;
};

struct Setting {
  std::shared_ptr<const config::Configuration> configuration;
  std::string canonical;  // the text that loads to the same digest
  dispatch::SnapshotRef snapshot;
  std::optional<limits::KeyRing> keys;  // always there once made
  // By SiteId. Shared with the settings before and after, and with the calls
  // that are under way.
  std::vector<std::shared_ptr<Upstream>> upstreams;
};

// Requires: `loaded.configuration` is there.
// Fails: invalid_input when a credential, a certificate or a URL cannot be
// used; says which site's.
Result<std::shared_ptr<const Setting>> make_setting(http::Loop& loop, const config::Loaded& loaded,
                                                    const Setting* before);

}  // namespace hanse::serve
