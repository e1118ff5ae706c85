// src/core/limits/fair_queue.h
// Where requests wait that found every site they may go to full.
//
// First come first served would let one tenant with a thousand requests shut
// out all others. So who waits is told apart by priority, 0 first, and within
// a priority by tenant; the tenant that was served least goes next, measured in
// tokens, for a request is no measure of work; within a tenant the oldest goes.
// Tokens are counted by the virtual token counter (Sheng et al., "Fairness in
// Serving Large Language Models", OSDI 2024): each tenant's counter rises with
// what it is served, and a tenant that comes back is lifted to the least of
// those who wait, so that having been away earns nothing.
//
// Requests that the same sites can take are of one *route*. One that can not
// go does not hold up those of another route behind it.
//
// Waiting is bounded, and nobody waits for nothing: a request leaves when its
// deadline has come, and is not let in when it would not be served by then, as
// far as can be told from how fast its route has moved lately.
//
// Plain state: no I/O, no clock, no threads; ties go to the tenant that was
// named first. Allocates only while it grows to its largest use.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/money.h"
#include "base/time.h"
#include "core/limits/service_rate.h"

namespace hanse::limits {

// A tenant's share of what is served. Named by string, outlives snapshots.
using ShareLine = Index<struct ShareTag>;

inline constexpr std::size_t kPrioritiesMax = 8;

struct FairQueueOptions {
  std::size_t waiting_max = 1'024;  // zero: nobody waits
  std::size_t waiting_max_per_tenant = 256;
  std::uint8_t priorities = 4;  // 0 to one less; at most kPrioritiesMax
  // What a token counts: an output token takes an engine longer.
  std::int64_t input_weight = 1;
  std::int64_t output_weight = 2;
  // Told to who is refused while nothing is known of the rate.
  Duration retry_unknown = seconds(1);
  Duration retry_max = seconds(600);
};

// Tokens that a request takes; below zero in a correction.
struct Served {
  Tokens prompt{0};
  Tokens output{0};

  bool operator==(const Served&) const = default;
};

struct Waiting {
  std::uint64_t request = 0;  // the caller's own name for it
  ShareLine tenant;
  std::uint8_t priority = 0;
  // The same for requests that the same sites can take.
  std::uint64_t route = 0;
  // Counted when it goes; what it took in truth is set right by correct().
  Served expected;
  // It is of no use if it has not gone before this.
  MonotonicTime deadline;

  bool operator==(const Waiting&) const = default;
};

// One stay in the queue; never used again.
struct Ticket {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;

  bool operator==(const Ticket&) const = default;
};

struct Queued {
  Ticket ticket;
  // Who had to leave for it: the one that would have gone last.
  std::optional<Waiting> displaced;
};

struct QueueRefusal {
  enum class Reason : std::uint8_t {
    too_late,     // it would not go before its deadline
    full,         // as many wait as may
    tenant_full,  // as many of its tenant
  };
  Reason reason = Reason::full;
  // When one like it would probably be let in and served in time.
  Duration retry_after;

  bool operator==(const QueueRefusal&) const = default;
};

class FairQueue {
 public:
  explicit FairQueue(FairQueueOptions options);

  // The share of the tenant called `name`: one of weight 2 is served twice the
  // tokens of one of weight 1 while both wait. Never removed.
  // Requires: 1 <= weight <= 1,000,000.
  ShareLine set(std::string_view name, std::int64_t weight);

  // --- Requests. `now` never goes back. ---

  // Why try_add() would not let it in; nothing: it would.
  // Requires: as below.
  [[nodiscard]] std::optional<QueueRefusal> why_not(const Waiting& waiting,
                                                    MonotonicTime now) const;
  // Lets one in. A refusal changes nothing.
  // Requires: tenant and priority are known here; expected is not negative.
  std::expected<Queued, QueueRefusal> try_add(const Waiting& waiting, MonotonicTime now);

  // The one that goes now, if any can; it does not wait any more, and its
  // expected tokens are counted. `can_go(const Waiting&)` says whether a site
  // has room for it, and is asked at most once for each route that waits. If
  // any can go, one does.
  template <typename CanGo>
  std::optional<Waiting> next(const CanGo& can_go, MonotonicTime now) {
    return next_of(
        [](const void* asked, const Waiting& waiting) {
          return (*static_cast<const CanGo*>(asked))(waiting);
        },
        &can_go, now);
  }

  // Undoes the last next(): the one that it gave waits on where it stood, under
  // its ticket, and nothing is counted for it.
  // Requires: next() gave one, and nothing has been changed since.
  void put_back();

  // Its client has left, say. False when it does not wait any more.
  bool remove(Ticket ticket, MonotonicTime now);

  // One whose deadline has come; it does not wait any more. Call until nothing
  // is left.
  std::optional<Waiting> shed_due(MonotonicTime now);
  // When shed_due has something next.
  [[nodiscard]] std::optional<MonotonicTime> next_deadline() const;

  // --- What tenants are served. ---

  // A request that did not have to wait.
  void pass(ShareLine tenant, std::uint8_t priority, Served expected);
  // More was served than counted so far, or less: counted at once.
  void charge(ShareLine tenant, std::uint8_t priority, Served difference);
  // The same for one that has ended and took more than was expected, or less.
  // The tenant's next requests make up for it, each by its own size or half of
  // it: a counter that jumped back by what many others turned out to be too
  // long would keep a tenant waiting that has come meanwhile.
  void correct(ShareLine tenant, std::uint8_t priority, Served difference);

  // --- State. ---

  [[nodiscard]] std::size_t waiting() const { return deadlines_.size(); }
  [[nodiscard]] std::size_t waiting(ShareLine tenant) const;
  // Calls `visit(const Waiting&)` for those of `route`, a better priority first,
  // and of a tenant the oldest. Requires: it changes nothing here.
  template <typename Visit>
  void for_each_on(std::uint64_t route, Visit&& visit) const {
    for (const Class& priority : classes_) {
      for (const std::uint32_t lane : priority.order) {
        for (std::uint32_t at = lanes_[lane].oldest; at != kNone; at = slots_[at].after) {
          if (slots_[at].waiting.route == route) visit(slots_[at].waiting);
        }
      }
    }
  }
  // How long one like it would wait if it came now; nothing when too few have
  // been served to tell.
  [[nodiscard]] std::optional<Duration> estimated_wait(const Waiting& waiting,
                                                       MonotonicTime now) const;

 private:
  using Counter = __int128;  // weighted tokens, in 1/kPartsPerToken
  using CanGoFunction = bool (*)(const void* asked, const Waiting& waiting);
  static constexpr std::uint32_t kNone = 0xFFFF'FFFF;

  struct Slot {
    Waiting waiting;
    std::uint32_t generation = 0;
    std::uint32_t lane = kNone;  // none: free
    std::uint32_t route = kNone;
    // Neighbours in the lane, older and younger.
    std::uint32_t before = kNone;
    std::uint32_t after = kNone;
    std::uint32_t deadline_at = 0;  // in deadlines_
    std::uint64_t arrival = 0;
  };
  // Requests of one tenant and priority.
  struct Lane {
    Counter counter = 0;
    Counter owed = 0;  // not counted yet; below zero: counted too much
    std::uint32_t oldest = kNone;
    std::uint32_t youngest = kNone;
    std::int64_t waiting = 0;
  };
  struct Share {
    std::int64_t weight = 1;
    std::size_t waiting = 0;
  };
  struct Class {
    std::vector<std::uint32_t> order;  // lanes that wait, by counter and number
    std::uint32_t last_left = kNone;   // the lane that stopped waiting last
    std::int64_t waiting = 0;
  };
  // What next() changed, beside who waits.
  struct Taken {
    std::uint32_t slot = kNone;  // none: something has happened since
    std::uint32_t lane = kNone;
    Counter counter = 0;
    Counter owed = 0;
    std::uint32_t last_left = kNone;
    ServiceRate rate;
    MonotonicTime idle_since;
  };
  struct Route {
    std::uint64_t name = 0;
    std::array<std::int64_t, kPrioritiesMax> waiting{};  // by priority
    std::int64_t waiting_of_all = 0;
    ServiceRate rate;
    MonotonicTime idle_since;
    // What can_go said, and in which call of next().
    std::uint64_t asked_in = 0;
    bool open = false;
  };

  [[nodiscard]] std::uint32_t lane_of(ShareLine tenant, std::uint8_t priority) const;
  [[nodiscard]] Class& class_of(std::uint32_t lane) { return classes_[lane % classes_.size()]; }
  [[nodiscard]] std::int64_t ahead_of(const Waiting& waiting, const Route& route) const;
  [[nodiscard]] std::expected<std::uint32_t, QueueRefusal::Reason> who_makes_room(
      const Waiting& waiting) const;
  [[nodiscard]] std::uint32_t last_of(ShareLine tenant, std::uint8_t after) const;
  [[nodiscard]] std::uint32_t last_of_all(std::uint8_t after) const;
  [[nodiscard]] QueueRefusal refusal(QueueRefusal::Reason reason, const Waiting& waiting,
                                     MonotonicTime now) const;
  std::optional<Waiting> next_of(CanGoFunction can_go, const void* asked, MonotonicTime now);
  [[nodiscard]] std::uint32_t find_next(CanGoFunction can_go, const void* asked, MonotonicTime now);
  bool is_open(Route& route, const Waiting& waiting, CanGoFunction can_go, const void* asked);
  std::uint32_t take_slot();
  std::uint32_t route_of(std::uint64_t name);
  [[nodiscard]] const Route* find_route(std::uint64_t name) const;
  std::uint32_t room_for_route();
  Ticket enter(const Waiting& waiting, MonotonicTime now);
  // It waits, in its lane and on its route.
  void count_in(std::uint32_t slot);
  Waiting leave(std::uint32_t slot, MonotonicTime now);
  void lift(std::uint32_t lane);
  void move(std::uint32_t lane, Counter by);
  // What one more request counts, with a part of what is owed.
  Counter in_turn(std::uint32_t lane, Counter cost);
  void put_in_order(std::uint32_t lane);
  void take_out_of_order(std::uint32_t lane);
  [[nodiscard]] Counter cost(ShareLine tenant, Served served) const;
  [[nodiscard]] std::vector<std::uint32_t>::iterator place_in_order(std::uint32_t lane);
  [[nodiscard]] bool due_before(std::uint32_t a, std::uint32_t b) const;
  void place_deadline(std::size_t at, std::uint32_t slot);
  void sift_up(std::size_t at);
  void sift_down(std::size_t at);

  FairQueueOptions options_;
  std::vector<Share> shares_;
  std::map<std::string, ShareLine, std::less<>> by_name_;
  std::vector<Lane> lanes_;     // tenant x priority
  std::vector<Class> classes_;  // by priority
  std::vector<Route> routes_;
  std::vector<std::uint32_t> routes_by_name_;
  std::size_t routes_waiting_ = 0;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> deadlines_;  // a heap of slots
  Taken taken_;
  std::uint64_t arrivals_ = 0;
  std::uint64_t round_ = 0;  // calls of next()
};

}  // namespace hanse::limits
