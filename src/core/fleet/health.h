// src/core/fleet/health.h
// Which sites work, as probes and live traffic show: one circuit per site.
//
// A circuit opens on a hard failure at once (nobody listens there) or on
// several soft ones in a row (it answers, but badly). After a pause that
// doubles with each failure, one request at a time may try; a success closes
// it, and the site is taken into use again step by step (SlowStart). A request
// that another shard saw answered ends the pause early; so does
// a good probe, but only where a probe would have seen what was wrong. A bad
// report opens the circuit. Pauses are forgotten slowly (Backoff).
//
// Suppliers and countries are watched too (DomainBook): while one is
// suspected, its sites are available to one trial at a time, whatever their
// own circuits say.
//
// Plain state by line, so that a new configuration changes nothing that is
// known; bounded by the number of sites there have been. One book belongs to
// one shard, and tells the others what its requests have found.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bitset.h"
#include "base/time.h"
#include "core/fleet/backoff.h"
#include "core/fleet/domains.h"
#include "core/fleet/health_news.h"
#include "core/fleet/site_line.h"
#include "core/fleet/slow_start.h"

namespace hanse::fleet {

enum class Circuit : std::uint8_t { closed, open, trying };

std::string_view to_string(Circuit circuit);

// What keeps requests from a site.
enum class Obstacle : std::uint8_t {
  none,
  circuit_open,  // it fails, or one request is just trying whether it still does
  suspected,     // its supplier or country is
  starting,      // it is back, and has as many requests as it may begin with
};

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
    Backoff backoff;
    bool seen_by_probes = false;  // what opened it
    Trial trial = Trial::none;    // the one under way
    std::uint32_t trials = 0;     // attempts ever watched
    SlowStart slow_start;         // going only while the circuit is closed
    MonotonicTime open_until;
    WallTime since;  // of the last change of the circuit
  };

  // Requires: `others` outlives the book.
  HealthBook(HealthNews& others, HealthOptions options);

  // From now on `site` is known and belongs to the domains of these names; if
  // it is new, its circuit is closed.
  // Requires, of all below: the site is known.
  void know(SiteLine site, std::span<const std::string> domains = {});

  // Whether a request may be sent to `site` now, and why not.
  [[nodiscard]] bool available(SiteLine site, MonotonicTime now) const {
    return obstacle(site, now) == Obstacle::none;
  }
  [[nodiscard]] Obstacle obstacle(SiteLine site, MonotonicTime now) const;
  // When the pauses of its circuit and its domains are over, if nothing is
  // heard of it until then.
  [[nodiscard]] MonotonicTime pauses_end(SiteLine site) const;

  // An attempt is sent to `site`; how it went is told with what this returns.
  // Requires: available().
  [[nodiscard]] Trial sent(SiteLine site, Instant now);
  // Its first token has come: a trial that gets so far closes the circuit, for
  // an answer may last and others need not wait for its end. From then on the
  // attempt is like any other, and told of with Trial::none.
  void first_token(SiteLine site, Trial trial, Instant now);
  // How it went. While a site is being tried only the trial's failure counts:
  // that of an attempt sent earlier tells again why the circuit opened.
  void succeeded(SiteLine site, Trial trial, Instant now);
  void failed_softly(SiteLine site, Trial trial, Instant now);
  void failed_hard(SiteLine site, Trial trial, Instant now);
  // Hard too, but not for probes: our key is wrong there.
  void turned_away(SiteLine site, Trial trial, Instant now);
  // It ended without telling anything of the site: cancelled, or the client's
  // own fault.
  void told_nothing(SiteLine site, Trial trial);

  // What a probe or another shard has found; it is not told again.
  void reported(SiteLine site, Finding finding, Instant now);

  [[nodiscard]] const Health& of(SiteLine site) const { return health_[site.value()]; }
  // Calls `visit` for each line that may not be available, some twice; all
  // others are, so that a decision looks at the few that may not be.
  template <typename Visit>
  void for_each_unsound(Visit&& visit) const {
    const auto visit_line = [&](std::size_t i) { visit(SiteLine(i)); };
    unsound_.for_each(visit_line);
    domains_.doubted().for_each(visit_line);
  }
  [[nodiscard]] const DomainBook& domains() const { return domains_; }

 private:
  // Where a finding comes from: only what is ours is told to the others.
  enum class Whose : std::uint8_t { ours, theirs };

  void open(SiteLine site, Instant now, Whose whose, bool seen_by_probes);
  void close(SiteLine site, Instant now);
  // The domains of a site that has answered, and those who waited for that.
  void answered(SiteLine site, Instant now);
  void start_slowly(SiteLine site);
  void move_to(SiteLine site, Circuit circuit, WallTime now);
  void note_soundness(SiteLine site);
  // What an attempt that ends is to the site's circuit.
  enum class Standing : std::uint8_t {
    plain,
    trial,     // the one under way, which ends with it
    old_news,  // sent earlier than the trial under way: its failure says nothing
  };
  Standing end_trial(SiteLine site, Trial trial);
  void doubt(SiteLine site, std::int32_t weight, bool seen_by_probes, Standing standing,
             MonotonicTime now);

  HealthNews* others_;
  HealthOptions options_;
  std::vector<Health> health_;  // indexed by SiteLine
  BitSet unsound_;              // lines whose own state may keep attempts away
  DomainBook domains_;
};

}  // namespace hanse::fleet
