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
//   moment. So has one that lets requests wait inside it in silence: two of its
//   signs in a row say so, and it gets no less than what they say it works on.
// * It gets one more for each round of attempts that it does well. How many were
//   too many is remembered: that is tried again only after many rounds, and more
//   of them each time. When the step just made was one too many, it alone is
//   taken back.
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
  // Attempts of ours at a site, as it tells.
  struct Work {
    std::int32_t running = 0;
    std::int32_t waiting = 0;  // inside it, for it works on others
  };

  // What the configuration says of `site` now. Calling again keeps what was
  // learned. Requires: slots is not negative.
  void know(SiteLine site, std::int32_t slots, Duration round_trip);

  // An attempt has ended well that took so long, from its opening on, when so many
  // were open there, itself among them.
  // Requires, here and below: the site is known.
  void answered(SiteLine site, Duration took, std::int32_t open, MonotonicTime now);
  // One that was sent at `sent_at` was turned away while so many were open there,
  // itself among them.
  void turned_away(SiteLine site, std::int32_t open, MonotonicTime sent_at, MonotonicTime now);
  // It was asked at `asked_at` what it does, and tells of ours, all of them and
  // nobody else's.
  void told(SiteLine site, const Work& work, MonotonicTime asked_at, MonotonicTime now);

  // At most so many at once; one at least, unless it has no slots.
  [[nodiscard]] std::int32_t room(SiteLine site) const;
  // Of those, how many are sent only to bridge the link.
  [[nodiscard]] std::int32_t bridging(SiteLine site) const;

 private:
  struct Line {
    std::int32_t slots = 0;
    Duration round_trip;
    Duration takes;             // a mean over the last attempts; zero: not known
    std::int32_t learned = 0;   // room, after it has been busy; zero: it has not been
    std::int32_t well = 0;      // attempts since `learned` changed
    bool risen = false;         // to `learned`, one less having gone well
    std::int32_t busy_at = 0;   // so many were too many, the last time; zero: none known
    std::int32_t patience = 0;  // rounds to go well before that is tried again
    bool queues = false;        // its last sign since then says so
    MonotonicTime lowered_at;
    MonotonicTime changed_at;
  };
  [[nodiscard]] static std::int32_t wanted(const Line& line);
  [[nodiscard]] static std::int32_t room(const Line& line);
  // What is left of so many, which were too many.
  [[nodiscard]] static std::int32_t less_than(const Line& line, std::int32_t open);
  static void lower(Line& line, std::int32_t to, std::int32_t busy_at, MonotonicTime now);
  static void change(Line& line, std::int32_t learned, MonotonicTime now);

  // Requires: the site is known.
  [[nodiscard]] Line& known(SiteLine site);

  std::vector<Line> lines_;  // indexed by SiteLine
};

}  // namespace hanse::fleet
