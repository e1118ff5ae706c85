// What must hold of the queue whatever comes, against a plain list of who
// waits.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/limits/fair_queue.h"

namespace hanse::limits {
namespace {

constexpr std::size_t kTenants = 3;
constexpr std::uint8_t kPriorities = 3;
constexpr std::uint64_t kRoutes = 4;
constexpr FairQueueOptions kSmall{
    .waiting_max = 8, .waiting_max_per_tenant = 4, .priorities = kPriorities};

std::int64_t weighted(const FairQueueOptions& options, Served served) {
  return served.prompt.count() * options.input_weight +
         served.output.count() * options.output_weight;
}

// A queue, and beside it everybody's fate.
class Watched {
 public:
  explicit Watched(FairQueueOptions options = kSmall) : options_(options), queue_(options) {
    for (std::size_t i = 0; i < kTenants; ++i) {
      tenants_.push_back(queue_.set("tenant-" + std::to_string(i), 1));
    }
  }

  void step() {
    now_ = now_ + milliseconds(*rc::gen::inRange<std::int64_t>(0, 2'000));
    switch (*rc::gen::inRange(0, 6)) {
      case 0:
      case 1: return arrive();
      case 2: return go();
      case 3: return leave();
      case 4: return shed();
      default: return serve();
    }
  }

  void check() const {
    RC_ASSERT(queue_.waiting() == waiting_.size());
    RC_ASSERT(waiting_.size() <= options_.waiting_max);
    std::optional<MonotonicTime> first;
    for (const auto& [request, row] : waiting_) {
      if (!first || row.waiting.deadline < *first) first = row.waiting.deadline;
    }
    RC_ASSERT(queue_.next_deadline() == first);
    for (const ShareLine tenant : tenants_) {
      const auto own = std::ranges::count_if(
          waiting_, [&](const auto& row) { return row.second.waiting.tenant == tenant; });
      RC_ASSERT(queue_.waiting(tenant) == static_cast<std::size_t>(own));
      RC_ASSERT(static_cast<std::size_t>(own) <= options_.waiting_max_per_tenant);
    }
  }

  [[nodiscard]] const std::vector<std::uint64_t>& said() const { return said_; }

 private:
  struct Row {
    Waiting waiting;
    Ticket ticket;
  };

  // It waited until now, once.
  void end(const Waiting& waiting) {
    const auto it = waiting_.find(waiting.request);
    RC_ASSERT(it != waiting_.end());
    RC_ASSERT(it->second.waiting == waiting);
    waiting_.erase(it);
    said_.push_back(waiting.request);
  }

  void arrive() {
    const Waiting waiting{
        .request = ++last_,
        .tenant = *rc::gen::elementOf(tenants_),
        .priority = *rc::gen::inRange<std::uint8_t>(0, kPriorities),
        .route = *rc::gen::inRange<std::uint64_t>(0, kRoutes),
        .expected = {.prompt = Tokens(*rc::gen::inRange<std::int64_t>(0, 1'000)),
                     .output = Tokens(*rc::gen::inRange<std::int64_t>(0, 1'000))},
        .deadline = now_ + milliseconds(*rc::gen::inRange<std::int64_t>(-100, 20'000))};
    const auto queued = queue_.try_add(waiting, now_);
    if (!queued) {
      RC_ASSERT(queued.error().retry_after >= Duration(0));
      RC_ASSERT(queued.error().retry_after <= options_.retry_max);
      said_.push_back(static_cast<std::uint64_t>(queued.error().retry_after.count()));
      return;
    }
    RC_ASSERT(waiting.deadline > now_);
    if (queued->displaced) {
      RC_ASSERT(queued->displaced->priority > waiting.priority);
      end(*queued->displaced);
    }
    waiting_[waiting.request] = {.waiting = waiting, .ticket = queued->ticket};
  }

  // Some routes are open; if anybody can go, somebody of the best priority
  // that can does.
  void go() {
    const auto open = *rc::gen::inRange<std::uint64_t>(0, 1U << kRoutes);
    const auto can_go = [open](const Waiting& w) { return (open >> w.route & 1U) != 0; };
    std::optional<std::uint8_t> best;
    for (const auto& [request, row] : waiting_) {
      if (!can_go(row.waiting) || row.waiting.deadline <= now_) continue;
      best = std::min(best.value_or(kPriorities), row.waiting.priority);
    }
    const auto gone = queue_.next(can_go, now_);
    RC_ASSERT(gone.has_value() == best.has_value());
    if (!gone) return;
    RC_ASSERT(can_go(*gone));
    RC_ASSERT(gone->deadline > now_);
    RC_ASSERT(gone->priority == *best);
    for (const auto& [request, row] : waiting_) {
      const Waiting& other = row.waiting;
      const bool alike = other.tenant == gone->tenant && other.priority == gone->priority &&
                         other.route == gone->route && other.deadline > now_;
      RC_ASSERT(!alike || request >= gone->request);
    }
    end(*gone);
  }

  void leave() {
    if (waiting_.empty()) return;
    const auto at = *rc::gen::inRange<std::size_t>(0, waiting_.size());
    const Row row = std::next(waiting_.begin(), static_cast<std::ptrdiff_t>(at))->second;
    RC_ASSERT(queue_.remove(row.ticket, now_));
    RC_ASSERT(!queue_.remove(row.ticket, now_));
    end(row.waiting);
  }

  void shed() {
    while (const auto shed = queue_.shed_due(now_)) {
      RC_ASSERT(shed->deadline <= now_);
      end(*shed);
    }
    for (const auto& [request, row] : waiting_) RC_ASSERT(row.waiting.deadline > now_);
  }

  void serve() {
    const Served served{.prompt = Tokens(*rc::gen::inRange<std::int64_t>(-100, 1'000)),
                        .output = Tokens(*rc::gen::inRange<std::int64_t>(-100, 1'000))};
    queue_.charge(*rc::gen::elementOf(tenants_), *rc::gen::inRange<std::uint8_t>(0, kPriorities),
                  served);
  }

  FairQueueOptions options_;
  FairQueue queue_;
  std::vector<ShareLine> tenants_;
  std::map<std::uint64_t, Row> waiting_;
  std::uint64_t last_ = 0;
  MonotonicTime now_;
  std::vector<std::uint64_t> said_;  // everything it answered
};

RC_GTEST_PROP(FairQueue, EveryoneEndsOnceNobodyPastTheBoundsAndWhatCanGoGoes, ()) {
  Watched watched;
  for (int i = 0; i < 300; ++i) {
    watched.step();
    watched.check();
  }
}

// Sheng et al., theorem 4.4: of two tenants that both have requests waiting,
// over any time, one is served at most 2 U more than the other. What a request
// takes is counted when it goes, so U is the most that one request takes.
RC_GTEST_PROP(FairQueue, TwoTenantsThatWaitAreServedAlikeWithinTheBoundOfThePaper, ()) {
  constexpr FairQueueOptions options;
  FairQueue queue(options);
  const std::array<ShareLine, 2> tenants{queue.set("acme", 1), queue.set("borg", 1)};
  std::array<std::int64_t, 2> served{};
  std::int64_t difference_min = 0;
  std::int64_t difference_max = 0;
  std::int64_t largest = 0;
  const auto largest_of =
      *rc::gen::container<std::array<std::int64_t, 2>>(rc::gen::inRange<std::int64_t>(1, 10'000));
  const auto add = [&](std::size_t tenant) {
    const Served expected{.prompt = Tokens(*rc::gen::inRange<std::int64_t>(0, largest_of[tenant])),
                          .output = Tokens(*rc::gen::inRange<std::int64_t>(0, largest_of[tenant]))};
    largest = std::max(largest, weighted(options, expected));
    const Waiting waiting{.request = tenant,
                          .tenant = tenants[tenant],
                          .priority = 0,
                          .route = 0,
                          .expected = expected,
                          .deadline = MonotonicTime(1)};
    RC_ASSERT(queue.try_add(waiting, MonotonicTime(0)).has_value());
  };
  for (const std::size_t tenant : {0U, 1U, 0U, 1U}) add(tenant);
  for (int i = 0; i < 300; ++i) {
    const auto gone = queue.next([](const Waiting&) { return true; }, MonotonicTime(0));
    RC_ASSERT(gone.has_value());
    served[gone->request] += weighted(options, gone->expected);
    add(gone->request);
    const std::int64_t difference = served[0] - served[1];
    difference_min = std::min(difference_min, difference);
    difference_max = std::max(difference_max, difference);
  }
  RC_ASSERT(difference_max - difference_min <= 2 * largest);
}

// Likewise when tokens are counted as they leave the engines: U is then what
// all that run at once can take (the paper's M).
RC_GTEST_PROP(FairQueue, AndWhenTokensAreCountedAsTheyAreServed, ()) {
  constexpr FairQueueOptions options;
  constexpr std::size_t kRunningMax = 6;
  constexpr std::int64_t kOutputMax = 50;
  FairQueue queue(options);
  const std::array<ShareLine, 2> tenants{queue.set("acme", 1), queue.set("borg", 1)};
  struct Running {
    std::size_t tenant;
    std::int64_t left;
  };
  std::vector<Running> running;
  std::array<std::int64_t, 2> served{};
  std::int64_t difference_min = 0;
  std::int64_t difference_max = 0;
  const auto add = [&](std::size_t tenant) {
    const Waiting waiting{.request = tenant,
                          .tenant = tenants[tenant],
                          .priority = 0,
                          .route = 0,
                          .expected = {},
                          .deadline = MonotonicTime(1)};
    RC_ASSERT(queue.try_add(waiting, MonotonicTime(0)).has_value());
  };
  for (const std::size_t tenant : {0U, 1U, 0U, 1U}) add(tenant);
  for (int i = 0; i < 400; ++i) {
    while (running.size() < kRunningMax) {
      const auto gone = queue.next([](const Waiting&) { return true; }, MonotonicTime(0));
      RC_ASSERT(gone.has_value());
      running.push_back(
          {.tenant = gone->request, .left = *rc::gen::inRange<std::int64_t>(1, kOutputMax + 1)});
      add(gone->request);
    }
    for (Running& one : running) {
      queue.charge(tenants[one.tenant], 0, {.prompt = Tokens(0), .output = Tokens(1)});
      served[one.tenant] += options.output_weight;
      one.left -= 1;
    }
    std::erase_if(running, [](const Running& one) { return one.left == 0; });
    const std::int64_t difference = served[0] - served[1];
    difference_min = std::min(difference_min, difference);
    difference_max = std::max(difference_max, difference);
  }
  const auto most = static_cast<std::int64_t>(kRunningMax) * kOutputMax * options.output_weight;
  RC_ASSERT(difference_max - difference_min <= 2 * most);
}

RC_GTEST_PROP(FairQueue, TheSameHistoryHasTheSameEnd, ()) {
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  const auto history = [seed] {
    FairQueue queue(kSmall);
    const std::array<ShareLine, 2> tenants{queue.set("acme", 3), queue.set("borg", 2)};
    std::vector<std::uint64_t> said;
    std::uint64_t drawn = seed;
    const auto draw = [&drawn](std::uint64_t below) {
      drawn = drawn * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
      return (drawn >> 33U) % below;
    };
    MonotonicTime now;
    for (std::uint64_t i = 1; i <= 500; ++i) {
      now = now + milliseconds(static_cast<std::int64_t>(draw(100)));
      const Waiting waiting{.request = i,
                            .tenant = tenants[draw(2)],
                            .priority = static_cast<std::uint8_t>(draw(kPriorities)),
                            .route = draw(kRoutes),
                            .expected = {.prompt = Tokens(static_cast<std::int64_t>(draw(100))),
                                         .output = Tokens(static_cast<std::int64_t>(draw(100)))},
                            .deadline = now + milliseconds(static_cast<std::int64_t>(draw(900)))};
      const auto queued = queue.try_add(waiting, now);
      said.push_back(queued ? queued->ticket.slot
                            : static_cast<std::uint64_t>(queued.error().retry_after.count()));
      const std::uint64_t open = draw(kRoutes);
      const auto gone = queue.next([open](const Waiting& w) { return w.route == open; }, now);
      if (gone) said.push_back(gone->request);
      while (const auto shed = queue.shed_due(now)) said.push_back(shed->request);
    }
    return said;
  };
  RC_ASSERT(history() == history());
}

// Whoever is taken and put back leaves no trace: two queues that hear the same,
// of which only one tries turns that come to nothing, say the same for ever.
RC_GTEST_PROP(FairQueue, TakingOneAndPuttingItBackIsAsIfNothingHadBeen, ()) {
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  const auto history = [seed](bool tries) {
    FairQueue queue(kSmall);
    const std::array<ShareLine, 2> tenants{queue.set("acme", 3), queue.set("borg", 2)};
    std::vector<std::uint64_t> said;
    std::uint64_t drawn = seed;
    const auto draw = [&drawn](std::uint64_t below) {
      drawn = drawn * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
      return (drawn >> 33U) % below;
    };
    const auto tokens = [&draw](std::uint64_t below) {
      return Tokens(static_cast<std::int64_t>(draw(below)));
    };
    std::optional<Ticket> last;
    MonotonicTime now;
    for (std::uint64_t i = 1; i <= 500; ++i) {
      now = now + milliseconds(static_cast<std::int64_t>(draw(100)));
      const Waiting waiting{.request = i,
                            .tenant = tenants[draw(2)],
                            .priority = static_cast<std::uint8_t>(draw(kPriorities)),
                            .route = draw(kRoutes),
                            .expected = {.prompt = tokens(100), .output = tokens(100)},
                            .deadline = now + milliseconds(static_cast<std::int64_t>(draw(900)))};
      const auto queued = queue.try_add(waiting, now);
      said.push_back(queued ? queued->ticket.slot
                            : static_cast<std::uint64_t>(queued.error().retry_after.count()));
      const std::uint64_t turns = draw(3);
      const std::uint64_t tried = draw(kRoutes);
      for (std::uint64_t turn = 0; tries && turn < turns; ++turn) {
        if (queue.next([tried](const Waiting& w) { return w.route >= tried; }, now)) {
          queue.put_back();
        }
      }
      said.push_back(queue.waiting());
      said.push_back(queue.waiting(tenants[0]));
      said.push_back(static_cast<std::uint64_t>(queue.next_deadline().value_or(now).count()));
      const auto wait = queue.estimated_wait(waiting, now);
      said.push_back(static_cast<std::uint64_t>(wait.value_or(Duration(-1)).count()));
      if (queued && draw(8) == 0) last = queued->ticket;
      if (last && draw(8) == 0) said.push_back(queue.remove(*last, now) ? 1 : 0);
      // More than a few turns make up for.
      queue.correct(tenants[draw(2)], static_cast<std::uint8_t>(draw(kPriorities)),
                    {.prompt = tokens(400) - Tokens(200), .output = Tokens(0)});
      const std::uint64_t open = draw(kRoutes);
      const auto gone = queue.next([open](const Waiting& w) { return w.route == open; }, now);
      if (gone) said.push_back(gone->request);
      while (const auto shed = queue.shed_due(now)) said.push_back(shed->request);
    }
    while (const auto gone = queue.next([](const Waiting&) { return true; }, now)) {
      said.push_back(gone->request);
    }
    return said;
  };
  RC_ASSERT(history(true) == history(false));
}

}  // namespace
}  // namespace hanse::limits
