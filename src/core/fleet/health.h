// src/core/fleet/health.h
// Which sites work, as probes and live traffic show: one circuit per site.
//
// A circuit opens on a hard failure at once (nobody listens there) or on
// several soft ones in a row (it answers, but badly). After a pause that
// doubles with each failure, one request at a time may try; a success closes
// it. A good probe ends the pause early.
//
// Plain state, bounded by the number of sites; one book belongs to one shard.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bitset.h"
#include "base/id.h"
#include "base/time.h"
#include "core/fleet/fleet.h"

namespace hanse::fleet {

enum class Circuit : std::uint8_t { closed, open, trying };

std::string_view to_string(Circuit circuit);

struct HealthOptions {
  std::int32_t soft_failures_to_open = 3;
  Duration pause_first = seconds(1);
  Duration pause_max = seconds(30);
};

class HealthBook {
 public:
  struct Health {
    Circuit circuit = Circuit::closed;
    std::int32_t failures_in_row = 0;
    std::int32_t times_opened_in_row = 0;
    std::int32_t trials_under_way = 0;
    MonotonicTime open_until;
    WallTime since;  // of the last change of the circuit
  };

  HealthBook(std::size_t sites, HealthOptions options);

  // Whether a request may be sent to `site` now.
  [[nodiscard]] bool available(SiteId site, MonotonicTime now) const;

  // An attempt is sent to `site`. Requires: available().
  void sent(SiteId site, Instant now);
  // How it, or a probe, went.
  void succeeded(SiteId site, Instant now);
  void failed_softly(SiteId site, Instant now);
  void failed_hard(SiteId site, Instant now);
  // It ended without telling anything of the site: cancelled, or the client's
  // own fault.
  void told_nothing(SiteId site);

  void probe_succeeded(SiteId site, Instant now);
  void probe_failed(SiteId site, Instant now) { failed_hard(site, now); }

  [[nodiscard]] const Health& of(SiteId site) const { return health_[site.value()]; }
  // Sites whose circuit is not closed: all others are available, so that a
  // decision looks at the few that may not be.
  [[nodiscard]] const BitSet& unsound() const { return unsound_; }
  // For a new snapshot: what was known of a site that is still there.
  void adopt(SiteId site, const Health& known);

 private:
  void open(SiteId site, Instant now);
  void move_to(SiteId site, Circuit circuit, WallTime now);
  void end_trial(Health& health);

  HealthOptions options_;
  std::vector<Health> health_;  // indexed by SiteId
  BitSet unsound_;
};

}  // namespace hanse::fleet
