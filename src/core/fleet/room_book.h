// How many attempts a site may have open at once: its slots, as configured,
// corrected by what it does.
//
// * A slot that comes free is idle until the next request has come over the
//   link. Where that matters, when a round trip is more than 1/25 of what an
//   attempt takes, so many more are sent as come and go in the meantime (Little's
//   law: slots x round trip / time of an attempt). Else a request waits here,
//   where it may still go elsewhere, and not at the site.
// * A site that says that it is busy has more than it can do, whatever is
//   configured: from then on it gets three quarters of what it had at that
//   moment, and one more for each round of attempts that it does well.
//
// Plain state by line, bounded by the number of sites there have been. Integers
// only.
#pragma once

#include <cstdint>
#include <vector>

#include "base/time.h"
#include "core/fleet/site_line.h"

namespace hanse::fleet {

class RoomBook {
 public:
  // What the configuration says of `site` now. Calling again keeps what was
  // learned. Requires: slots is not negative.
  void know(SiteLine site, std::int32_t slots, Duration round_trip);

  // An attempt has ended well that took so long, from its opening on.
  // Requires, here and below: the site is known.
  void answered(SiteLine site, Duration took);
  // One that was sent at `sent_at` was turned away while so many were open there,
  // itself among them.
  void turned_away(SiteLine site, std::int32_t open, MonotonicTime sent_at, MonotonicTime now);

  // At most so many at once; one at least, unless it has no slots.
  [[nodiscard]] std::int32_t room(SiteLine site) const;

 private:
  struct Line {
    std::int32_t slots = 0;
    Duration round_trip;
    Duration takes;            // a mean over the last attempts; zero: not known
    std::int32_t learned = 0;  // room, after it has been busy; zero: it has not been
    std::int32_t well = 0;     // attempts since `learned` changed
    MonotonicTime lowered_at;
  };
  [[nodiscard]] static std::int32_t wanted(const Line& line);

  std::vector<Line> lines_;  // indexed by SiteLine
};

}  // namespace hanse::fleet
