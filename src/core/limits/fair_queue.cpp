#include "core/limits/fair_queue.h"

#include <algorithm>
#include <ranges>
#include <utility>

#include "base/check.h"

namespace hanse::limits {
namespace {

// Counters are divided by a tenant's weight; by 1 to 16 without a rest.
constexpr __int128 kPartsPerToken = 720'720;

constexpr std::int64_t kWeightMax = 1'000'000;

// Routes on which nobody waits, kept for what is known of their rate.
constexpr std::size_t kIdleRoutesMax = 64;

}  // namespace

FairQueue::FairQueue(FairQueueOptions options) : options_(options), classes_(options.priorities) {
  HANSE_CHECK(options.waiting_max < kNone);
  HANSE_CHECK(options.priorities > 0 && options.priorities <= kPrioritiesMax);
  HANSE_CHECK(options.input_weight >= 0 && options.output_weight >= 0);
}

ShareLine FairQueue::set(std::string_view name, std::int64_t weight) {
  HANSE_CHECK(weight >= 1 && weight <= kWeightMax);
  auto it = by_name_.find(name);
  if (it == by_name_.end()) {
    it = by_name_.emplace(std::string(name), ShareLine(shares_.size())).first;
    shares_.emplace_back();
    lanes_.resize(lanes_.size() + classes_.size());
    for (Class& priority : classes_) priority.order.reserve(shares_.size());
  }
  shares_[it->second.value()].weight = weight;
  return it->second;
}

std::size_t FairQueue::waiting(ShareLine tenant) const {
  HANSE_CHECK(tenant.value() < shares_.size());
  return shares_[tenant.value()].waiting;
}

std::uint32_t FairQueue::lane_of(ShareLine tenant, std::uint8_t priority) const {
  HANSE_CHECK(tenant.value() < shares_.size() && priority < classes_.size());
  return static_cast<std::uint32_t>(tenant.value() * classes_.size() + priority);
}

// --- Letting in ------------------------------------------------------------

std::optional<QueueRefusal> FairQueue::why_not(const Waiting& waiting, MonotonicTime now) const {
  HANSE_CHECK(waiting.tenant.value() < shares_.size() && waiting.priority < classes_.size());
  HANSE_CHECK(waiting.expected.prompt >= Tokens(0) && waiting.expected.output >= Tokens(0));
  const auto gives_way = who_makes_room(waiting);
  if (!gives_way) return refusal(gives_way.error(), waiting, now);
  const Duration patience = elapsed(now, waiting.deadline);
  const auto wait = estimated_wait(waiting, now);
  if (patience <= Duration(0) || (wait && *wait >= patience)) {
    return refusal(QueueRefusal::Reason::too_late, waiting, now);
  }
  return std::nullopt;
}

std::expected<Queued, QueueRefusal> FairQueue::try_add(const Waiting& waiting, MonotonicTime now) {
  if (const auto refusal = why_not(waiting, now)) return std::unexpected(*refusal);
  Queued queued;
  const std::uint32_t gives_way = who_makes_room(waiting).value();
  if (gives_way != kNone) queued.displaced = leave(gives_way, now);
  queued.ticket = enter(waiting, now);
  return queued;
}

// The slot that has to be given up for it, or kNone.
std::expected<std::uint32_t, QueueRefusal::Reason> FairQueue::who_makes_room(
    const Waiting& waiting) const {
  if (shares_[waiting.tenant.value()].waiting >= options_.waiting_max_per_tenant) {
    const std::uint32_t last = last_of(waiting.tenant, waiting.priority);
    if (last == kNone) return std::unexpected(QueueRefusal::Reason::tenant_full);
    return last;
  }
  if (this->waiting() < options_.waiting_max) return kNone;
  const std::uint32_t last = last_of_all(waiting.priority);
  if (last == kNone) return std::unexpected(QueueRefusal::Reason::full);
  return last;
}

// The youngest of the tenant in the worst of its priorities that are worse
// than `after`.
std::uint32_t FairQueue::last_of(ShareLine tenant, std::uint8_t after) const {
  for (std::size_t priority = classes_.size() - 1; priority > after; --priority) {
    const Lane& lane = lanes_[tenant.value() * classes_.size() + priority];
    if (lane.waiting > 0) return lane.youngest;
  }
  return kNone;
}

// The same of all tenants: of who was served most.
std::uint32_t FairQueue::last_of_all(std::uint8_t after) const {
  for (std::size_t priority = classes_.size() - 1; priority > after; --priority) {
    const Class& worst = classes_[priority];
    if (!worst.order.empty()) return lanes_[worst.order.back()].youngest;
  }
  return kNone;
}

QueueRefusal FairQueue::refusal(QueueRefusal::Reason reason, const Waiting& waiting,
                                MonotonicTime now) const {
  QueueRefusal refusal{.reason = reason, .retry_after = options_.retry_unknown};
  const Duration patience = std::max(elapsed(now, waiting.deadline), Duration(0));
  if (const auto wait = estimated_wait(waiting, now); wait && *wait > patience) {
    refusal.retry_after = *wait - patience;
  } else if (const Route* route = find_route(waiting.route)) {
    // It would be served in time if there were a place, so: until there is.
    refusal.retry_after = route->rate.time_for(1, now).value_or(options_.retry_unknown);
  }
  refusal.retry_after = std::min(refusal.retry_after, options_.retry_max);
  return refusal;
}

std::optional<Duration> FairQueue::estimated_wait(const Waiting& waiting, MonotonicTime now) const {
  const Route* route = find_route(waiting.route);
  if (route == nullptr) return std::nullopt;
  const std::int64_t ahead = ahead_of(waiting, *route);
  // Whoever is first may always wait, or a route that stood still once could
  // never show that it moves again.
  if (ahead == 0) return Duration(0);
  return route->rate.time_for(ahead + 1, now);
}

// Who goes before it on its route, at most: all of them by priority and age, or
// fewer when its tenant's turn comes sooner than that, those who wait being like
// it.
std::int64_t FairQueue::ahead_of(const Waiting& waiting, const Route& route) const {
  std::int64_t by_age = 0;
  std::int64_t by_turn = 0;
  for (std::size_t priority = 0; priority <= waiting.priority; ++priority) {
    by_age += route.waiting[priority];
    if (priority < waiting.priority) by_turn += classes_[priority].waiting;
  }
  const Class& priority = classes_[waiting.priority];
  const std::uint32_t own = lane_of(waiting.tenant, waiting.priority);
  Counter turn = lanes_[own].counter;
  if (lanes_[own].waiting == 0 && !priority.order.empty()) {
    turn = std::max(turn, lanes_[priority.order.front()].counter);
  }
  turn += cost(waiting.tenant, waiting.expected) * lanes_[own].waiting;
  by_turn += lanes_[own].waiting;
  for (const std::uint32_t other : priority.order) {
    const Lane& lane = lanes_[other];
    if (other == own || lane.counter > turn) continue;
    const ShareLine tenant(other / classes_.size());
    const Counter each = std::max<Counter>(cost(tenant, waiting.expected), 1);
    by_turn += static_cast<std::int64_t>(
        std::min<Counter>(lane.waiting, (turn - lane.counter) / each + 1));
  }
  return std::min(by_age, by_turn);
}

Ticket FairQueue::enter(const Waiting& waiting, MonotonicTime now) {
  taken_ = {};
  const std::uint32_t at = take_slot();
  Slot& slot = slots_[at];
  slot.waiting = waiting;
  slot.lane = lane_of(waiting.tenant, waiting.priority);
  slot.arrival = arrivals_++;

  Lane& lane = lanes_[slot.lane];
  if (lane.waiting == 0) {
    lift(slot.lane);
    put_in_order(slot.lane);
    lane.oldest = at;
  } else {
    slots_[lane.youngest].after = at;
  }
  slot.before = std::exchange(lane.youngest, at);
  slot.after = kNone;

  slot.route = route_of(waiting.route);
  if (routes_[slot.route].waiting_of_all == 0) routes_[slot.route].rate.begin_waiting(now);
  count_in(at);
  return {.slot = at, .generation = slot.generation};
}

void FairQueue::count_in(std::uint32_t at) {
  const Slot& slot = slots_[at];
  lanes_[slot.lane].waiting += 1;
  shares_[slot.waiting.tenant.value()].waiting += 1;
  class_of(slot.lane).waiting += 1;

  Route& route = routes_[slot.route];
  if (route.waiting_of_all++ == 0) routes_waiting_ += 1;
  route.waiting[slot.waiting.priority] += 1;

  deadlines_.push_back(at);
  sift_up(deadlines_.size() - 1);
}

std::uint32_t FairQueue::take_slot() {
  if (free_.empty()) {
    slots_.emplace_back();
    free_.reserve(slots_.capacity());
    return static_cast<std::uint32_t>(slots_.size() - 1);
  }
  const std::uint32_t slot = free_.back();
  free_.pop_back();
  return slot;
}

// --- Letting go ------------------------------------------------------------

std::optional<Waiting> FairQueue::next_of(CanGoFunction can_go, const void* asked,
                                          MonotonicTime now) {
  const std::uint32_t slot = find_next(can_go, asked, now);
  if (slot == kNone) return std::nullopt;
  const Waiting& waiting = slots_[slot].waiting;
  const std::uint32_t lane = slots_[slot].lane;
  Route& route = routes_[slots_[slot].route];
  const Taken taken{.slot = slot,
                    .lane = lane,
                    .counter = lanes_[lane].counter,
                    .owed = lanes_[lane].owed,
                    .last_left = class_of(lane).last_left,
                    .rate = route.rate,
                    .idle_since = route.idle_since};
  route.rate.serve(now);
  move(lane, in_turn(lane, cost(waiting.tenant, waiting.expected)));
  const Waiting gone = leave(slot, now);
  taken_ = taken;
  return gone;
}

void FairQueue::put_back() {
  HANSE_CHECK(taken_.slot != kNone && free_.back() == taken_.slot);
  const Taken taken = std::exchange(taken_, {});
  free_.pop_back();
  Slot& slot = slots_[taken.slot];
  slot.generation -= 1;
  slot.lane = taken.lane;
  routes_[slot.route].rate = taken.rate;
  routes_[slot.route].idle_since = taken.idle_since;

  Lane& lane = lanes_[slot.lane];
  std::vector<std::uint32_t>& order = class_of(slot.lane).order;
  if (lane.waiting > 0) order.erase(place_in_order(slot.lane));
  class_of(slot.lane).last_left = taken.last_left;
  lane.counter = taken.counter;
  lane.owed = taken.owed;
  put_in_order(slot.lane);
  // Its neighbours are as they were, and it still knows them.
  (slot.before == kNone ? lane.oldest : slots_[slot.before].after) = taken.slot;
  (slot.after == kNone ? lane.youngest : slots_[slot.after].before) = taken.slot;
  count_in(taken.slot);
}

// Looks at those who wait in the order in which they would go. Ends early when
// no route is left that could be open.
std::uint32_t FairQueue::find_next(CanGoFunction can_go, const void* asked, MonotonicTime now) {
  round_ += 1;
  std::size_t closed = 0;
  for (const Class& priority : classes_) {
    for (const std::uint32_t lane : priority.order) {
      for (std::uint32_t at = lanes_[lane].oldest; at != kNone; at = slots_[at].after) {
        const Slot& slot = slots_[at];
        if (slot.waiting.deadline <= now) continue;
        Route& route = routes_[slot.route];
        const bool new_here = route.asked_in != round_;
        if (is_open(route, slot.waiting, can_go, asked)) return at;
        if (new_here && ++closed == routes_waiting_) return kNone;
      }
    }
  }
  return kNone;
}

bool FairQueue::is_open(Route& route, const Waiting& waiting, CanGoFunction can_go,
                        const void* asked) {
  if (std::exchange(route.asked_in, round_) != round_) route.open = can_go(asked, waiting);
  return route.open;
}

bool FairQueue::remove(Ticket ticket, MonotonicTime now) {
  HANSE_CHECK(ticket.slot < slots_.size());
  const Slot& slot = slots_[ticket.slot];
  if (slot.generation != ticket.generation || slot.lane == kNone) return false;
  leave(ticket.slot, now);
  return true;
}

std::optional<Waiting> FairQueue::shed_due(MonotonicTime now) {
  const auto first = next_deadline();
  if (!first || *first > now) return std::nullopt;
  return leave(deadlines_.front(), now);
}

std::optional<MonotonicTime> FairQueue::next_deadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return slots_[deadlines_.front()].waiting.deadline;
}

Waiting FairQueue::leave(std::uint32_t at, MonotonicTime now) {
  taken_ = {};
  Slot& slot = slots_[at];
  Lane& lane = lanes_[slot.lane];
  if (lane.waiting == 1) take_out_of_order(slot.lane);
  (slot.before == kNone ? lane.oldest : slots_[slot.before].after) = slot.after;
  (slot.after == kNone ? lane.youngest : slots_[slot.after].before) = slot.before;
  lane.waiting -= 1;
  shares_[slot.waiting.tenant.value()].waiting -= 1;
  class_of(slot.lane).waiting -= 1;

  Route& route = routes_[slot.route];
  route.waiting[slot.waiting.priority] -= 1;
  if (--route.waiting_of_all == 0) {
    routes_waiting_ -= 1;
    route.rate.end_waiting(now);
    route.idle_since = now;
  }

  const std::size_t hole = slot.deadline_at;
  const std::uint32_t last = deadlines_.back();
  deadlines_.pop_back();
  if (last != at) {
    place_deadline(hole, last);
    sift_up(hole);
    sift_down(slots_[last].deadline_at);
  }

  slot.lane = kNone;
  slot.generation += 1;
  free_.push_back(at);
  return slot.waiting;
}

// --- Tokens ----------------------------------------------------------------

void FairQueue::pass(ShareLine tenant, std::uint8_t priority, Served expected) {
  const std::uint32_t lane = lane_of(tenant, priority);
  // As if it had come and gone at once.
  if (lanes_[lane].waiting == 0) {
    lift(lane);
    class_of(lane).last_left = lane;
  }
  move(lane, in_turn(lane, cost(tenant, expected)));
}

void FairQueue::charge(ShareLine tenant, std::uint8_t priority, Served difference) {
  move(lane_of(tenant, priority), cost(tenant, difference));
}

void FairQueue::correct(ShareLine tenant, std::uint8_t priority, Served difference) {
  taken_ = {};
  lanes_[lane_of(tenant, priority)].owed += cost(tenant, difference);
}

FairQueue::Counter FairQueue::in_turn(std::uint32_t lane, Counter cost) {
  Counter& owed = lanes_[lane].owed;
  const Counter part = std::clamp(owed, -cost / 2, cost);
  owed -= part;
  return cost + part;
}

FairQueue::Counter FairQueue::cost(ShareLine tenant, Served served) const {
  const Counter tokens = static_cast<Counter>(served.prompt.count()) * options_.input_weight +
                         static_cast<Counter>(served.output.count()) * options_.output_weight;
  return tokens * kPartsPerToken / shares_[tenant.value()].weight;
}

// Its first request since it did not wait.
void FairQueue::lift(std::uint32_t lane) {
  const Class& priority = class_of(lane);
  const std::uint32_t level = priority.order.empty() ? priority.last_left : priority.order.front();
  if (level == kNone) return;
  lanes_[lane].counter = std::max(lanes_[lane].counter, lanes_[level].counter);
}

void FairQueue::move(std::uint32_t lane, Counter by) {
  taken_ = {};
  if (lanes_[lane].waiting == 0) {
    lanes_[lane].counter += by;
    return;
  }
  std::vector<std::uint32_t>& order = class_of(lane).order;
  order.erase(place_in_order(lane));
  lanes_[lane].counter += by;
  put_in_order(lane);
}

std::vector<std::uint32_t>::iterator FairQueue::place_in_order(std::uint32_t lane) {
  return std::ranges::lower_bound(
      class_of(lane).order, std::pair(lanes_[lane].counter, lane), {},
      [this](std::uint32_t other) { return std::pair(lanes_[other].counter, other); });
}

void FairQueue::put_in_order(std::uint32_t lane) {
  class_of(lane).order.insert(place_in_order(lane), lane);
}

void FairQueue::take_out_of_order(std::uint32_t lane) {
  Class& priority = class_of(lane);
  priority.order.erase(place_in_order(lane));
  priority.last_left = lane;
}

// --- Routes ----------------------------------------------------------------

const FairQueue::Route* FairQueue::find_route(std::uint64_t name) const {
  const auto by_name = [this](std::uint32_t route) { return routes_[route].name; };
  const auto it = std::ranges::lower_bound(routes_by_name_, name, {}, by_name);
  return it != routes_by_name_.end() && routes_[*it].name == name ? &routes_[*it] : nullptr;
}

std::uint32_t FairQueue::route_of(std::uint64_t name) {
  if (const Route* found = find_route(name)) {
    return static_cast<std::uint32_t>(found - routes_.data());
  }
  const std::uint32_t route = room_for_route();
  routes_[route] = Route();
  routes_[route].name = name;
  const auto by_name = [this](std::uint32_t other) { return routes_[other].name; };
  routes_by_name_.insert(std::ranges::lower_bound(routes_by_name_, name, {}, by_name), route);
  return route;
}

// Takes the place of the one that has been idle for longest, past the bound.
std::uint32_t FairQueue::room_for_route() {
  if (routes_.size() - routes_waiting_ < kIdleRoutesMax) {
    routes_.emplace_back();
    return static_cast<std::uint32_t>(routes_.size() - 1);
  }
  const auto idle = [this](std::uint32_t route) { return routes_[route].waiting_of_all == 0; };
  const auto oldest = std::ranges::min_element(routes_by_name_, {}, [&](std::uint32_t route) {
    return std::pair(!idle(route), routes_[route].idle_since);
  });
  const std::uint32_t route = *oldest;
  routes_by_name_.erase(oldest);
  return route;
}

// --- Deadlines -------------------------------------------------------------

bool FairQueue::due_before(std::uint32_t a, std::uint32_t b) const {
  return std::pair(slots_[a].waiting.deadline, slots_[a].arrival) <
         std::pair(slots_[b].waiting.deadline, slots_[b].arrival);
}

void FairQueue::place_deadline(std::size_t at, std::uint32_t slot) {
  deadlines_[at] = slot;
  slots_[slot].deadline_at = static_cast<std::uint32_t>(at);
}

void FairQueue::sift_up(std::size_t at) {
  const std::uint32_t slot = deadlines_[at];
  while (at > 0 && due_before(slot, deadlines_[(at - 1) / 2])) {
    place_deadline(at, deadlines_[(at - 1) / 2]);
    at = (at - 1) / 2;
  }
  place_deadline(at, slot);
}

void FairQueue::sift_down(std::size_t at) {
  const std::uint32_t slot = deadlines_[at];
  for (;;) {
    std::size_t child = 2 * at + 1;
    if (child >= deadlines_.size()) break;
    if (child + 1 < deadlines_.size() && due_before(deadlines_[child + 1], deadlines_[child])) {
      child += 1;
    }
    if (!due_before(deadlines_[child], slot)) break;
    place_deadline(at, deadlines_[child]);
    at = child;
  }
  place_deadline(at, slot);
}

}  // namespace hanse::limits
