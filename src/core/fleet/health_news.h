// src/core/fleet/health_news.h
// What shards tell each other of sites that fail and work again, so that not
// each of them has to find a dead site by losing requests to it.
#pragma once

#include <cstdint>

#include "core/fleet/site_line.h"

namespace hanse::fleet {

// What was found out about a site.
enum class Finding : std::uint8_t {
  works,    // a request was answered
  fails,    // a request was not, or a probe
  answers,  // a probe was, which says little of requests
};

// The port: how a shard tells all others. What they tell comes to it as an
// event (dispatch::SiteReported), so that its recording is complete.
class HealthNews {
 public:
  virtual ~HealthNews() = default;

  // Requests of this shard have found so. Told when its mind changes or a
  // pause begins anew, not with each request. Never waits; news that is lost
  // costs the others a trial.
  virtual void publish(SiteLine site, Finding finding) = 0;
};

// For the only shard there is.
class NobodyElse final : public HealthNews {
 public:
  void publish(SiteLine, Finding) override {}
};

}  // namespace hanse::fleet
