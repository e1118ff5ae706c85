#include "core/fleet/room_book.h"

#include <algorithm>

#include "base/check.h"

namespace hanse::fleet {
namespace {

// Of what an attempt takes, the part that a slot may be idle.
constexpr std::int64_t kIdlePart = 25;

constexpr std::int64_t kMeanOver = 8;  // attempts

}  // namespace

void RoomBook::know(SiteLine site, std::int32_t slots, Duration round_trip) {
  HANSE_CHECK(slots >= 0);
  if (site.value() >= lines_.size()) lines_.resize(site.value() + 1);
  Line& line = lines_[site.value()];
  line.slots = slots;
  line.round_trip = std::max(round_trip, Duration());
}

void RoomBook::answered(SiteLine site, Duration took) {
  HANSE_CHECK(site.value() < lines_.size());
  Line& line = lines_[site.value()];
  took = std::max(took, Duration(1));
  line.takes = line.takes == Duration() ? took : line.takes + (took - line.takes) / kMeanOver;
  if (line.learned == 0 || ++line.well < line.learned) return;
  ++line.learned;
  line.well = 0;
  if (line.learned >= wanted(line)) line.learned = 0;
}

void RoomBook::turned_away(SiteLine site, std::int32_t open, MonotonicTime sent_at,
                           MonotonicTime now) {
  HANSE_CHECK(site.value() < lines_.size());
  Line& line = lines_[site.value()];
  // Of many that are turned away together the first has said it: the others were
  // sent before it could be heeded.
  if (line.learned != 0 && sent_at <= line.lowered_at) return;
  line.learned = std::max(1, std::min(open, room(site)) * 3 / 4);
  line.well = 0;
  line.lowered_at = now;
}

std::int32_t RoomBook::room(SiteLine site) const {
  HANSE_CHECK(site.value() < lines_.size());
  const Line& line = lines_[site.value()];
  const std::int32_t most = wanted(line);
  return line.learned == 0 ? most : std::min(line.learned, most);
}

std::int32_t RoomBook::wanted(const Line& line) {
  if (line.takes == Duration() || line.round_trip == Duration()) return line.slots;
  // What comes over the link while an attempt takes its time; never more than the
  // site works on.
  const std::int64_t takes = line.takes.count();
  const std::int64_t idle = std::min(line.round_trip.count(), takes);
  const bool matters = idle > takes / kIdlePart;
  const auto product = static_cast<__int128>(idle) * line.slots;
  const auto more = static_cast<std::int32_t>((product + (matters ? takes - 1 : 0)) / takes);
  return line.slots + more;
}

}  // namespace hanse::fleet
