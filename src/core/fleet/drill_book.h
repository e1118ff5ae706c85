// src/core/fleet/drill_book.h
// Sites that are left out on purpose: a planned failure, to see that the rest
// carries the load, or to leave a site before it is worked on.
//
// A drill has an end from the start, so that one that is forgotten is over by
// itself. It says nothing of a site's health, which goes on as it is.
//
// Plain state by line; bounded by the number of sites there have been.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "base/bitset.h"
#include "base/time.h"
#include "core/fleet/site_line.h"

namespace hanse::fleet {

class DrillBook {
 public:
  static constexpr Duration kLongest = seconds(24 * 3'600);

  // `site` is left out until then, whatever was said of it before; a time that
  // has come ends the drill.
  void set(SiteLine site, MonotonicTime until, MonotonicTime now) {
    if (site.value() >= until_.size()) {
      until_.resize(site.value() + 1);
      drilled_.grow(until_.size());
    }
    until_[site.value()] = until;
    drilled_.erase(site.value());
    if (now < until) drilled_.insert(site.value());
  }

  // When its drill ends; nothing when it has none.
  [[nodiscard]] std::optional<MonotonicTime> ends(SiteLine site, MonotonicTime now) const {
    if (site.value() >= until_.size() || now >= until_[site.value()]) return std::nullopt;
    return until_[site.value()];
  }

  // Calls `visit` for each line that is left out.
  template <typename Visit>
  void for_each(MonotonicTime now, Visit&& visit) const {
    drilled_.for_each([&](std::size_t i) {
      if (now < until_[i]) visit(SiteLine(i));
    });
  }

 private:
  std::vector<MonotonicTime> until_;
  BitSet drilled_;  // those that are left out, and some whose drill is over
};

}  // namespace hanse::fleet
