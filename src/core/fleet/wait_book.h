// src/core/fleet/wait_book.h
// Which sites have asked to be left alone, and until when (Retry-After).
//
// One request is told; all others would be told the same, so they do not ask.
// A site that only names no time is left alone for a moment, and for twice as
// long each time it says so again before it has answered anything.
//
// Plain state by line, bounded by the number of sites there have been.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bitset.h"
#include "base/time.h"
#include "core/fleet/site_line.h"

namespace hanse::fleet {

class WaitBook {
 public:
  static constexpr Duration kUnnamed = seconds(1);
  static constexpr Duration kUnnamedMax = seconds(30);
  // A site that names more is looked at again anyway.
  static constexpr Duration kNamedMax = seconds(600);

  // `site` wants to be left alone for `asked`; nothing: it did not say how
  // long. Of two wishes the later end counts.
  void asked(SiteLine site, std::optional<Duration> asked, MonotonicTime now);
  // It has answered: what it said without a time is over.
  void answered(SiteLine site);

  // Until when to leave it alone; nothing when that is over, or never was.
  [[nodiscard]] std::optional<MonotonicTime> until(SiteLine site, MonotonicTime now) const;
  // Sites, by line, that may have to be left alone: all others need not.
  [[nodiscard]] const BitSet& waiting() const { return waiting_; }
  // Forgets those whose time has passed.
  void tidy(MonotonicTime now);

 private:
  struct Wait {
    MonotonicTime until;
    std::int32_t unnamed_in_row = 0;
  };

  std::vector<Wait> waits_;  // indexed by SiteLine
  BitSet waiting_;
};

}  // namespace hanse::fleet
