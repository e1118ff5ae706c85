#include "drivers/replay/site_watch.h"

#include <algorithm>

#include "core/dispatch/failure_table.h"
#include "core/fleet/wait_book.h"

namespace hanse::replay {

SiteWatch::Site& SiteWatch::at(std::string_view name) {
  const auto known = sites_.find(name);
  return known != sites_.end() ? known->second : sites_[std::string(name)];
}

std::optional<std::string_view> SiteWatch::opened(std::string_view name, const AttemptName& attempt,
                                                  MonotonicTime now) {
  Site& site = at(name);
  if (now < site.drilled_until) return "a site that is drilled is not asked";
  if (now < site.waits_until) return "a site that asks to be left alone is";
  if (!site.is_doubted) return std::nullopt;
  if (now < site.not_before) return "a site where nobody listened is left alone for a while";
  if (!site.trials.empty()) return "one attempt at a time tries a site where nobody listened";
  site.trials.push_back(attempt);
  return std::nullopt;
}

std::optional<std::string_view> SiteWatch::probed(std::string_view name, MonotonicTime now) {
  Site& site = at(name);
  if (now < site.next_probe) return "a site is probed once in a period";
  site.next_probe = now + options_.probe_every;
  return std::nullopt;
}

void SiteWatch::ended(const Ended& ended, MonotonicTime now) {
  Site& site = at(ended.site);
  const bool was_trial = std::erase(site.trials, ended.number) > 0;
  switch (dispatch::row_of(ended.failure).blame) {
    case dispatch::Blame::none: return answered(ended.site);
    case dispatch::Blame::busy: {
      // How long one that names no time is left alone is dispatch's own guess.
      const Duration asked = ended.retry_after.value_or(Duration());
      site.waits_until =
          std::max(site.waits_until, now + std::min(asked, fleet::WaitBook::kNamedMax));
      return;
    }
    // A failure that is known already prolongs nothing.
    case dispatch::Blame::hard:
      if (was_trial || ended.was_closed) doubt(site, now);
      return;
    default: return;
  }
}

void SiteWatch::cancelled(std::string_view name, const AttemptName& attempt) {
  std::erase(at(name).trials, attempt);
}

void SiteWatch::answered(std::string_view name) {
  Site& site = at(name);
  site.is_doubted = false;
  site.trials.clear();
}

void SiteWatch::reported(std::string_view name, fleet::Finding finding, fleet::Circuit circuit,
                         MonotonicTime now) {
  if (finding != fleet::Finding::fails) return answered(name);
  Site& site = at(name);
  if (circuit == fleet::Circuit::closed) return doubt(site, now);
  // A trial that is under way ends with the report.
  site.trials.clear();
}

void SiteWatch::drilled(std::string_view name, MonotonicTime until) {
  at(name).drilled_until = until;
}

void SiteWatch::doubt(Site& site, MonotonicTime now) const {
  site.is_doubted = true;
  site.not_before = now + options_.health.pause_first;
  site.trials.clear();
}

}  // namespace hanse::replay
