// Requests for which no site has room: they stand in a fair queue and go when
// it is their turn, a new one to its first attempt, one whose attempt has failed
// to its next.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "core/dispatch/dispatch.h"
#include "core/dispatch/policy_of_attempts.h"
#include "core/dispatch/request.h"

namespace hanse::dispatch {
namespace {

// The least and the most that a client is asked to stay away.
constexpr Duration kAwayLeast = seconds(1);
constexpr Duration kAwayMost = seconds(600);

constexpr unsigned kSlotBits = 32;

std::uint64_t name_of(RequestRef request) {
  return std::uint64_t{request.generation} << kSlotBits | request.slot;
}

RequestRef request_of(const limits::Waiting& waiting) {
  return {.slot = static_cast<std::uint32_t>(waiting.request),
          .generation = static_cast<std::uint32_t>(waiting.request >> kSlotBits)};
}

// Equal for requests that the same sites can take.
std::uint64_t route_of(const Request& request) {
  RunDigest digest;
  for (const std::uint8_t byte : request.record.snapshot.bytes) digest.add(byte);
  digest.add(request.record.alias.value());
  request.permitted.for_each([&](std::size_t site) { digest.add(site); });
  // What has been begun goes on by where it has been and how far it came.
  for (const AttemptRecord& attempt : request.record.attempts) {
    digest.add(attempt.site.value());
    digest.add(static_cast<std::uint64_t>(attempt.failure));
    digest.add(attempt.first_token ? attempt.decision.chosen.value() + 1 : 0);
  }
  if (request.delivered) {
    digest.add(static_cast<std::uint64_t>(request.resumable));
    digest.add(static_cast<std::uint64_t>(
        std::ranges::count_if(request.record.attempts, refused_to_continue)));
    digest.add(request.record.tenant.value());
  }
  return digest.value();
}

limits::Served served(const Usage& usage) {
  limits::Served total;
  for (const TokenKind kind : kAllTokenKinds) {
    const bool is_output = kind == TokenKind::output || kind == TokenKind::reasoning;
    (is_output ? total.output : total.prompt) += usage.tokens[kind];
  }
  return total;
}

}  // namespace

std::uint8_t priority_of(const Request& request) {
  // What sites have begun is brought to its end first.
  if (!request.record.attempts.empty()) return 0;
  const auto& classes = request.world->snapshot->catalog.classes;
  return static_cast<std::uint8_t>(1 + classes[request.record.latency_class].priority);
}

// --- What a tenant is counted --------------------------------------------------

void Dispatch::count(Request& request, const limits::Served& expected) {
  request.expected = expected;
  request.counted_at = priority_of(request);
}

void Dispatch::count_in_truth(Request& request) {
  if (!request.counted_at) return;
  limits::Served truly = served(request.record.usage);
  // Of a whole answer that nobody took, a site has done what it has done.
  if (truly == limits::Served() && !request.record.attempts.empty()) {
    truly = served(request.attempt().usage);
  }
  queue_.correct(request.world->shares[request.record.tenant.value()], *request.counted_at,
                 {.prompt = truly.prompt - request.expected.prompt,
                  .output = truly.output - request.expected.output});
  request.counted_at.reset();
}

// --- Into the queue --------------------------------------------------------------

bool Dispatch::may_get_room(const Request& request, Instant now) const {
  const auto is_awaited = [&](fleet::SiteLine line) {
    const SiteId site = request.world->site(line);
    return site.valid() && request.permitted.contains(site.value()) &&
           !waits_.until(line, now.monotonic) && !drills_.ends(line, now.monotonic) &&
           may_be_asked(request, site, now.monotonic);
  };
  bool may = false;
  slots_.full().for_each([&](std::size_t i) {
    const fleet::SiteLine line(i);
    may = may || (health_.available(line, now.monotonic) && is_awaited(line));
  });
  // One that has just come back works, and takes no more yet.
  health_.for_each_unsound([&](fleet::SiteLine line) {
    may = may ||
          (health_.obstacle(line, now.monotonic) == fleet::Obstacle::starting && is_awaited(line));
  });
  return may;
}

bool Dispatch::may_be_asked(const Request& request, SiteId site, MonotonicTime by) const {
  return still_offers(*request.world, site) &&
         std::ranges::all_of(request.record.attempts, [&](const AttemptRecord& attempt) {
           return attempt.site != site || may_be_asked_again(request.record, attempt, by);
         });
}

bool Dispatch::may_yet_go(const Request& request, MonotonicTime by, Instant now) const {
  bool may = false;
  request.permitted.for_each([&](std::size_t i) {
    const SiteId site(i);
    may = may || (bars_end(request.world->line(site), now.monotonic) <= by &&
                  may_be_asked(request, site, by));
  });
  return may;
}

MonotonicTime Dispatch::bars_end(fleet::SiteLine line, MonotonicTime now) const {
  const MonotonicTime end =
      std::max(waits_.until(line, now).value_or(now), drills_.ends(line, now).value_or(now));
  return health_.available(line, now) ? end : std::max(end, health_.pauses_end(line));
}

void Dispatch::await_room(Request& request, Instant now) {
  const End why = end_without_site(request, now);
  if (why == End::at_capacity && options_.queued_max > 0) {
    const Snapshot& snapshot = *request.world->snapshot;
    const Duration most =
        longest_queueing(snapshot.catalog.classes[request.record.latency_class],
                         request.world->placement.soonest_first_token(
                             request.demand, request.permitted, placement::Placement::Load::idle),
                         elapsed(now.monotonic, request.deadline));
    const MonotonicTime until = now.monotonic + most;
    // Asked before anything is set aside: who is not let in costs the books as
    // little as any other that is refused.
    if (const auto refusal = queue_.why_not(waiting_of(request, until), now.monotonic)) {
      return refuse(request, why, come_again(request, refusal->retry_after), now);
    }
    if (!hold(request, now)) return;
    HANSE_CHECK(!enqueue(request, until, now).has_value());
    return;
  }
  refuse(request, why, {.request = request.ref, .retry_after = retry_after(request, now)}, now);
}

limits::Waiting Dispatch::waiting_of(const Request& request, MonotonicTime until) {
  limits::Waiting waiting{.request = name_of(request.ref),
                          .tenant = request.world->shares[request.record.tenant.value()],
                          .priority = priority_of(request),
                          .route = route_of(request),
                          .expected = {},
                          .deadline = until};
  // One that goes on is counted where it began. Among those that do, its tenant's
  // turn follows from what they were foretold.
  if (!request.counted_at || waiting.priority == 0) {
    const placement::Learned& learned = request.world->placement.learned();
    waiting.expected = {.prompt = learned.prompt_tokens(request.demand),
                        .output = learned.output_tokens(request.demand) * request.demand.choices};
  }
  return waiting;
}

std::optional<limits::QueueRefusal> Dispatch::enqueue(Request& request, MonotonicTime until,
                                                      Instant now) {
  const auto queued = queue_.try_add(waiting_of(request, until), now.monotonic);
  if (!queued) return queued.error();
  request.state = State::queued;
  request.ticket = queued->ticket;
  request.queued_at = now.monotonic;
  if (queued->displaced) turn_away(*queued->displaced, now);
  wake_by(until);
  return std::nullopt;
}

// --- And out of it ---------------------------------------------------------------

void Dispatch::serve_queue(Instant now) {
  while (const auto late = queue_.shed_due(now.monotonic)) turn_away(*late, now);
  const auto can = [&](const limits::Waiting& waiting) {
    if (can_go(waiting, now)) return true;
    // Who cannot go now waits on only if it could within its time.
    if (!may_yet_go(*find(request_of(waiting)), waiting.deadline, now) &&
        std::ranges::find(stuck_, waiting.route) == stuck_.end()) {
      stuck_.push_back(waiting.route);
    }
    return false;
  };
  while (std::exchange(room_made_, false)) {
    stuck_.clear();
    while (const auto next = queue_.next(can, now.monotonic)) {
      if (take_turn(*next, now)) continue;
      // What was found of its route does not hold for it: all are asked again with
      // the next event.
      room_made_ = true;
      return;
    }
    for (const std::uint64_t route : stuck_) turn_away_stuck(route, now);
  }
}

void Dispatch::turn_away_stuck(std::uint64_t route, Instant now) {
  std::vector<limits::Waiting> all;
  queue_.for_each_on(route, [&](const limits::Waiting& waiting) { all.push_back(waiting); });
  for (const limits::Waiting& waiting : all) {
    const Request& request = *find(request_of(waiting));
    if (may_yet_go(request, waiting.deadline, now)) continue;
    HANSE_CHECK(queue_.remove(request.ticket, now.monotonic));
    turn_away(waiting, now);
  }
}

bool Dispatch::can_go(const limits::Waiting& waiting, Instant now) {
  Request* request = find(request_of(waiting));
  HANSE_CHECK(request != nullptr && request->state == State::queued);
  Exclusions excluded;
  if (request->record.attempts.empty()) return decide(*request, {}, excluded, now).chosen.valid();
  for (Way& way : ways_on(*request)) {
    // What takes sites that failed in passing takes the others as well.
    way.wanted.again = true;
    if (decide(*request, way.wanted, excluded, now).chosen.valid()) return true;
  }
  return false;
}

bool Dispatch::take_turn(const limits::Waiting& waiting, Instant now) {
  Request& request = leave_queue(waiting, now);
  if (!request.record.attempts.empty()) {
    const std::size_t permitted = request.permitted.count();
    if (attempt_on(request, ways_on(request), now)) return true;
    if (request.permitted.count() < permitted) {
      // It is of another route now, or of none.
      go_on(request, now);
      return request.state != State::queued;
    }
  } else {
    const placement::Decision decision = place(request, {}, request.record.excluded, now);
    if (decision.chosen.valid()) {
      count(request, waiting.expected);
      if (!open_attempt(request, decision, answer::TakeUp::anew, now)) go_on(request, now);
      return true;
    }
  }
  queue_.put_back();
  request.state = State::queued;
  request.queued_at = now.monotonic;
  return false;
}

void Dispatch::turn_away(const limits::Waiting& waiting, Instant now) {
  Request& request = leave_queue(waiting, now);
  turn_away(request, queue_.estimated_wait(waiting, now.monotonic).value_or(kAwayLeast), now);
}

void Dispatch::turn_away(Request& request, Duration again, Instant now) {
  if (!request.record.attempts.empty()) return give_up(request, End::attempts_failed, now);
  release_hold(request, ledger::Outcome::failed, now);
  if (may_yet_go(request, now.monotonic, now)) {
    return end(request, End::at_capacity, come_again(request, again), now);
  }
  end(request, end_without_site(request, now),
      Refuse{.request = request.ref, .retry_after = retry_after(request, now)}, now);
}

Refuse Dispatch::come_again(const Request& request, Duration again) {
  // Of a queue that has not moved yet nobody knows how fast it does. No sooner in
  // any case than a slot is foretold to come free.
  const placement::Placement& placement = request.world->placement;
  const Duration as_it_is = placement.soonest_first_token(request.demand, request.permitted,
                                                          placement::Placement::Load::as_it_is);
  const Duration idle = placement.soonest_first_token(request.demand, request.permitted,
                                                      placement::Placement::Load::idle);
  again = std::max(again, as_it_is - std::min(idle, as_it_is));
  return {.request = request.ref, .retry_after = std::clamp(again, kAwayLeast, kAwayMost)};
}

Request& Dispatch::leave_queue(const limits::Waiting& waiting, Instant now) {
  Request* request = find(request_of(waiting));
  HANSE_CHECK(request != nullptr && request->state == State::queued);
  request->record.queued += elapsed(request->queued_at, now.monotonic);
  request->state = State::deciding;
  return *request;
}

}  // namespace hanse::dispatch
