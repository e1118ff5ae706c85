// src/core/fleet/domains.h
// What fails together: suppliers and countries as failure domains.
//
// A supplier that is gone takes all its sites along. Found out site by site,
// each would cost the attempts that open its circuit, and then a trial at each
// of its pauses. So when two sites of a domain have failed as badly as it
// takes to open their circuits (or more of them less badly, but as much in
// all), each within kWindow and with none of the domain's sites answering
// since, the domain itself is suspected: for a pause nothing is sent to any of
// its sites, then one trial at a time goes to one of them, and pauses double.
// Sites that have not failed since are tried first, so that none of them waits
// behind a cheaper one that stays dead: one that has failed waits another pause
// as long, until all have.
// The first answer from any of its sites clears it, also that of a request
// sent before; each site's own circuit goes on as it is.
//
// Wrongly suspected is soon cleared: where a domain has traffic, answers stand
// between two failures or follow them, and where its failures are of the sort
// that probes see, a good probe is an answer. How many of its sites were tried
// needs no counting: all that were tried since the first failure have failed.
//
// Until then it may take long: whoever is silent is found out only when a limit
// ends, and meanwhile all that would have gone to the site that was found out
// goes to its neighbour. So from when a site's circuit opens until one of its
// domain has answered, we are wary of the domain: a scout at a time is sent
// there, and the rest goes elsewhere first; a request that has failed already is
// no scout, for it would find out the whole domain by itself. That is a preference and bars nobody:
// where nothing else is left, its sites are asked as before. A good probe ends it
// too, where probes see all that has failed, as does kWindow without a failure.
//
// Named links will be a third kind of domain; today each site has a link of
// its own, whose loss is the site's.
//
// Plain state by name, so that a new configuration changes nothing that is
// known; bounded by the names that there have been.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bitset.h"
#include "base/id.h"
#include "base/time.h"
#include "core/fleet/backoff.h"
#include "core/fleet/fleet.h"
#include "core/fleet/site_line.h"

namespace hanse::fleet {

// Given by a domain's name, dense from 0 and never reused.
using DomainLine = Index<struct DomainLineTag>;

// Which of a site's attempts that are watched this is: a trial, a scout, or one
// of a slow start; most are none.
enum class Trial : std::uint32_t { none = 0 };

// The domains of a site: "supplier elbe-compute", "country DE".
std::vector<std::string> domains_of(const Fleet& fleet, SiteId site);

class DomainBook {
 public:
  // Failures longer ago than this have nothing to do with each other.
  static constexpr Duration kWindow = seconds(30);

  struct Domain {
    std::string name;
    std::vector<SiteLine> sites;  // rising
    bool suspected = false;
    bool seen_by_probes = false;  // all the failures that it is suspected for
    SiteLine trial;               // where the one under way is; not valid: none is
    MonotonicTime open_until;     // no trial before, while it is suspected
    Duration pause;               // that ends then
    bool wary = false;
    MonotonicTime wary_until;
    SiteLine scout;                     // where the one under way is; not valid: none is
    Trial scout_attempt = Trial::none;  // which of that site's attempts it is
  };
  // A failure as evidence: a circuit opens at `open_at`.
  struct Failure {
    std::int32_t weight = 0;
    std::int32_t open_at = 0;
    bool seen_by_probes = false;  // a probe would have failed too
    bool of_trial = false;
  };

  explicit DomainBook(Pauses pauses) : pauses_(pauses) {}

  // From now on `site` belongs to the domains of these names, and to no others.
  void set(SiteLine site, std::span<const std::string> names);

  // Whether its domains let a request be sent to `site` now.
  [[nodiscard]] bool available(SiteLine site, MonotonicTime now) const;
  // An attempt is sent to a site of doubted(): the trial of its domains.
  // Requires: available().
  void sent(SiteLine site);
  // Whether none of its domains is wary, and whether it may all the same be
  // preferred to sites of others: there is no scout.
  [[nodiscard]] bool trusted(SiteLine site, MonotonicTime now) const;
  [[nodiscard]] bool wants_scout(SiteLine site, MonotonicTime now) const;
  // Whether whoever is sent to `site` is a scout: a domain of it is wary and has
  // none.
  [[nodiscard]] bool lacks_scout(SiteLine site) const;
  // The scout of all those domains is sent. Requires: not Trial::none.
  void scout(SiteLine site, Trial attempt);
  // Any attempt at `site` has ended. Of others than the scout nothing happens.
  void scout_ended(SiteLine site, Trial attempt);
  // The trial at `site` ended without telling anything; if there is none,
  // nothing happens.
  void told_nothing(SiteLine site);

  void failed(SiteLine site, const Failure& failure, MonotonicTime now);
  // A request was answered. Returns the domains that were cleared at the site
  // of their trial: since their first pause all has been kept from them.
  std::vector<DomainLine> answered(SiteLine site, MonotonicTime now);
  // A probe was.
  void probed(SiteLine site, MonotonicTime now);

  // Sites, by line, of which a domain is suspected.
  [[nodiscard]] const BitSet& doubted() const { return doubted_; }
  // Likewise, of which a domain is wary: all others are trusted.
  [[nodiscard]] const BitSet& wary() const { return wary_; }
  [[nodiscard]] const std::vector<Domain>& domains() const { return domains_; }
  [[nodiscard]] const std::vector<DomainLine>& of(SiteLine site) const {
    return sites_[site.value()].domains;
  }

 private:
  // News are counted, for many may come at one instant.
  using News = std::uint64_t;
  struct Memory {
    News answered = 0;  // the last of each
    News probed = 0;
    // Sites that have failed after it have had their turn to be tried.
    News round = 0;
    Backoff backoff;
  };
  struct Site {
    std::vector<DomainLine> domains;
    // Its last failure; a weight of zero: none that counts.
    Failure failure;
    News failed = 0;
    MonotonicTime failed_at;
  };

  DomainLine line_of(const std::string& name);
  void leave(SiteLine site, DomainLine domain);
  // Whether so much has failed in `domain` that it is to be suspected, and
  // whether probes see all of it.
  struct Evidence {
    bool any = false;
    bool enough = false;
    bool seen_by_probes = true;
  };
  [[nodiscard]] Evidence evidence(DomainLine domain, MonotonicTime now) const;
  void suspect(DomainLine domain, bool seen_by_probes, MonotonicTime now);
  void pause(DomainLine domain, MonotonicTime now);
  [[nodiscard]] bool had_its_turn(SiteLine site, DomainLine domain) const {
    return sites_[site.value()].failed > memories_[domain.value()].round;
  }
  void clear(DomainLine domain, MonotonicTime now);
  void grow_wary(DomainLine domain, const Failure& failure, MonotonicTime now);
  void trust(DomainLine domain);
  // Its sites' places in doubted_ and wary_, after a change.
  void note_doubt(DomainLine domain);
  void note_doubt(SiteLine site);

  Pauses pauses_;
  std::vector<Domain> domains_;  // by DomainLine
  std::vector<Memory> memories_;
  std::vector<Site> sites_;  // by SiteLine
  std::map<std::string, DomainLine, std::less<>> by_name_;
  BitSet doubted_;
  BitSet wary_;
  News news_ = 0;
};

}  // namespace hanse::fleet
