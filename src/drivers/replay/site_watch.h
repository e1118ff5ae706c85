// src/drivers/replay/site_watch.h
// What each site was promised, kept from the outside: what was asked of it and
// what it said, never how dispatch keeps that in mind.
//
// * A site that asks to be left alone for a time is; so is one that an operator
//   drills.
// * After nobody listened there, it is left alone for the first pause at least;
//   then one attempt at a time tries it, until somebody hears from it.
// * It is probed once in a period.
//
// By name, so that snapshots may change.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "core/answer/failure.h"
#include "core/fleet/health.h"
#include "core/fleet/health_news.h"

namespace hanse::replay {

// An attempt among all of a run.
struct AttemptName {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  std::uint8_t attempt = 0;

  bool operator==(const AttemptName&) const = default;
};

struct SiteWatchOptions {
  fleet::HealthOptions health;
  Duration probe_every;
};

class SiteWatch {
 public:
  explicit SiteWatch(const SiteWatchOptions& options) : options_(options) {}

  struct Ended {
    std::string_view site;
    AttemptName number;
    answer::Failure failure = answer::Failure::none;
    std::optional<Duration> retry_after;
    bool was_closed = false;  // the site's circuit, when this came
  };

  // Each of these returns the rule that it breaks, if it does.
  std::optional<std::string_view> opened(std::string_view site, const AttemptName& attempt,
                                         MonotonicTime now);
  std::optional<std::string_view> probed(std::string_view site, MonotonicTime now);

  void ended(const Ended& ended, MonotonicTime now);
  void cancelled(std::string_view site, const AttemptName& attempt);
  // An attempt's first token has come.
  void answered(std::string_view site);
  void reported(std::string_view site, fleet::Finding finding, fleet::Circuit circuit,
                MonotonicTime now);
  void drilled(std::string_view site, MonotonicTime until);

 private:
  struct Site {
    MonotonicTime drilled_until;
    MonotonicTime waits_until;
    MonotonicTime next_probe;
    bool is_doubted = false;
    MonotonicTime not_before;         // while it is doubted
    std::vector<AttemptName> trials;  // sent since, and open
  };

  Site& at(std::string_view site);
  void doubt(Site& site, MonotonicTime now) const;

  SiteWatchOptions options_;
  std::map<std::string, Site, std::less<>> sites_;
};

}  // namespace hanse::replay
