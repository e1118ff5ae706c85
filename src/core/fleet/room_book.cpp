#include "core/fleet/room_book.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace hanse::fleet {
namespace {

// Of what an attempt takes, the part that a slot may be idle.
constexpr std::int64_t kIdlePart = 25;

constexpr std::int64_t kMeanOver = 8;  // attempts

// Rounds that go well before what was too much is tried again.
constexpr std::int32_t kPatienceFirst = 8;
constexpr std::int32_t kPatienceMost = 64;

// So that two signs may come in between.
constexpr Duration kRisesEvery = seconds(3);

}  // namespace

void RoomBook::know(SiteLine site, std::int32_t slots, Duration round_trip) {
  HANSE_CHECK(slots >= 0);
  if (site.value() >= lines_.size()) lines_.resize(site.value() + 1);
  Line& line = lines_[site.value()];
  line.slots = slots;
  line.round_trip = std::max(round_trip, Duration());
}

void RoomBook::answered(SiteLine site, Duration took, std::int32_t open, MonotonicTime now) {
  Line& line = known(site);
  took = std::max(took, Duration(1));
  line.takes = line.takes == Duration() ? took : line.takes + (took - line.takes) / kMeanOver;
  if (line.learned == 0) return;
  // Whether it can do what was too much once, it shows only with as much to do.
  const bool is_near = line.busy_at != 0 && line.learned + 1 >= line.busy_at;
  if (is_near && open < line.learned) return;
  ++line.well;
  const std::int32_t rounds = line.learned + 1 == line.busy_at ? line.patience : 1;
  if (line.well / rounds < line.learned || elapsed(line.changed_at, now) < kRisesEvery) return;
  if (line.learned >= line.busy_at) line.busy_at = 0;
  change(line, line.learned + 1, now);
  line.risen = true;
  const std::int32_t most = wanted(line);
  if (line.learned < most || line.learned == line.busy_at) return;
  line.learned = 0;
  line.busy_at = 0;
}

void RoomBook::turned_away(SiteLine site, std::int32_t open, MonotonicTime sent_at,
                           MonotonicTime now) {
  Line& line = known(site);
  // Of many that are turned away together the first has said it: the others were
  // sent before it could be heeded.
  if (line.learned != 0 && sent_at <= line.lowered_at) return;
  const std::int32_t too_many = std::min(open, room(line));
  lower(line, less_than(line, too_many), too_many, now);
}

void RoomBook::told(SiteLine site, const Work& work, MonotonicTime asked_at, MonotonicTime now) {
  Line& line = known(site);
  if (line.learned != 0 && asked_at <= line.changed_at) return;
  // Those that are sent to bridge the link may wait.
  const std::int32_t bridging = this->bridging(site);
  const bool queued_before = std::exchange(line.queues, work.waiting > bridging);
  if (!line.queues || !queued_before) return;
  const std::int32_t too_many = std::min(work.running + work.waiting, room(line));
  const std::int32_t to = std::max(work.running + bridging, less_than(line, too_many));
  if (to < room(line)) lower(line, to, to + 1, now);
}

std::int32_t RoomBook::room(SiteLine site) const {
  HANSE_CHECK(site.value() < lines_.size());
  return room(lines_[site.value()]);
}

std::int32_t RoomBook::bridging(SiteLine site) const {
  HANSE_CHECK(site.value() < lines_.size());
  const Line& line = lines_[site.value()];
  return wanted(line) - line.slots;
}

std::int32_t RoomBook::room(const Line& line) {
  const std::int32_t most = wanted(line);
  return line.learned == 0 ? most : std::min(line.learned, most);
}

std::int32_t RoomBook::less_than(const Line& line, std::int32_t open) {
  const bool is_one_too_many = line.learned != 0 && line.risen && open >= line.learned;
  return is_one_too_many ? open - 1 : open * 3 / 4;
}

void RoomBook::lower(Line& line, std::int32_t to, std::int32_t busy_at, MonotonicTime now) {
  const bool is_tried_again = line.learned != 0 && line.risen && line.learned == line.busy_at;
  line.patience = is_tried_again ? std::min(2 * line.patience, kPatienceMost) : kPatienceFirst;
  change(line, std::max(1, to), now);
  line.busy_at = busy_at;
  line.risen = false;
  line.lowered_at = now;
}

void RoomBook::change(Line& line, std::int32_t learned, MonotonicTime now) {
  line.learned = learned;
  line.well = 0;
  line.queues = false;
  line.changed_at = now;
}

RoomBook::Line& RoomBook::known(SiteLine site) {
  HANSE_CHECK(site.value() < lines_.size());
  return lines_[site.value()];
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
