// Hedges: a second attempt beside one that is late, until one of both answers.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "core/dispatch/dispatch.h"
#include "core/dispatch/policy_of_attempts.h"
#include "core/dispatch/request.h"

namespace hanse::dispatch {
namespace {

const catalog::LatencyClass& class_of(const Request& request) {
  return request.world->snapshot->catalog.classes[request.record.latency_class];
}

HedgeLine line_of_class(const Request& request) {
  return request.world->hedge_lines[request.record.latency_class.value()];
}

// Few variants, if others than the one under way, have room for what was too
// long for one: no hedge is worth looking for them.
bool is_long(const Record& record) {
  return std::ranges::any_of(record.attempts, [](const AttemptRecord& attempt) {
    return attempt.failure == answer::Failure::context_exceeded;
  });
}

}  // namespace

void Dispatch::plan_hedge(Request& request, Instant now) {
  const std::int32_t budget = class_of(request).hedge_budget_ppm;
  if (budget == 0) return;
  if (request.record.attempts.size() == 1) hedges_.earned(line_of_class(request), budget);
  request.hedge_at = {};
  // What the client has a part of is gone on with, never begun beside.
  if (request.hedged || request.beside || request.delivered) return;
  const AttemptRecord& attempt = request.attempt();
  const fleet::Engine& engine = request.world->snapshot->fleet.sites[attempt.site].engine;
  const std::optional<Duration> after = hedge_after(
      {.prediction = attempt.decision.best[0].prediction,
       .first_token_spread =
           request.world->placement.loads().of(attempt.decision.chosen).first_token_spread,
       .limits = attempt.limits,
       .streamed = request.record.streamed || engine.streams_always});
  if (!after) return;
  // Requests that have been answered since leave theirs behind.
  if (hedges_due_.size() >= 2 * requests_.size()) {
    std::erase_if(hedges_due_, [this](const Pause& due) { return !awaits_hedge(due); });
    std::ranges::make_heap(hedges_due_, later);
  }
  request.hedge_at = now.monotonic + *after;
  const bool is_next = request.hedge_at < next_wake();
  hedges_due_.push_back({.until = request.hedge_at, .request = request.ref});
  std::ranges::push_heap(hedges_due_, later);
  if (is_next) wake_at_next();
}

bool Dispatch::awaits_hedge(const Pause& due) {
  const Request* request = find(due.request);
  return request != nullptr && request->state == State::waiting && !request->hedged &&
         request->hedge_at == due.until;
}

void Dispatch::make_hedges(Instant now) {
  // Those that need none any more are passed over, also before their time: it
  // is not worth waking up for.
  while (!hedges_due_.empty() &&
         (hedges_due_.front().until <= now.monotonic || !awaits_hedge(hedges_due_.front()))) {
    std::ranges::pop_heap(hedges_due_, later);
    const Pause due = hedges_due_.back();
    hedges_due_.pop_back();
    if (awaits_hedge(due)) hedge(*find(due.request), now);
  }
}

void Dispatch::hedge(Request& request, Instant now) {
  const HedgeLine line = line_of_class(request);
  if (request.record.attempts.size() >= options_.attempts_max || !hedges_.has_one(line) ||
      now.monotonic >= request.deadline || is_long(request.record)) {
    return;
  }
  const Exclusions excluded = request.record.excluded;
  request.beside.emplace(std::move(request.current));
  if (!open_hedge(request, now)) {
    request.go_on_with_the_other();
    request.record.excluded = excluded;
    return;
  }
  request.hedged = true;
  hedges_.take(line);
}

bool Dispatch::open_hedge(Request& request, Instant now) {
  const Wanted wanted{.beside = request.record.attempts[request.beside->index].site};
  // Ends, for a site that may not be asked any more is not decided for again.
  while (true) {
    const placement::Decision decision = place(request, wanted, request.record.excluded, now);
    if (!decision.chosen.valid()) return false;
    const Duration left = elapsed(now.monotonic, request.deadline);
    if (decision.best[0].prediction.first_token >= left) {
      give_slot_back(line_of(*request.world, decision));
      return false;
    }
    if (open_attempt(request, decision, answer::TakeUp::anew, now)) return true;
  }
}

void Dispatch::exclude_for_hedge(const Request& request, SiteId beside, Exclusions& excluded) {
  const World& world = *request.world;
  const auto& sites = world.snapshot->fleet.sites;
  request.permitted.for_each([&](std::size_t i) {
    const SiteId site(i);
    if (!allowed_.contains(i)) return;
    // Each site has a link of its own; a country would leave no hedge to data
    // that may not leave it.
    const bool fails_together = sites[site].supplier == sites[beside].supplier;
    // One that would have to wait for a slot only makes others late.
    const bool is_busy = attempts_at_[world.line(site).value()] >= sites[site].slots;
    if (!fails_together && !is_busy) return;
    allowed_.erase(i);
    (void)excluded.try_push({.site = site,
                             .why = fails_together ? Exclusion::Why::same_domain
                                                   : Exclusion::Why::full});
  });
}

void Dispatch::outrun_the_other(Request& request, Instant now) {
  if (!request.beside) return;
  request.record.attempts[request.beside->index].outrun = true;
  cancel_the_other(request, now);
}

void Dispatch::cancel_the_other(Request& request, Instant now) {
  if (!request.beside) return;
  std::swap(request.current, *request.beside);
  // It has not answered: what it has done so far nobody knows, and nothing is owed
  // for it, as when a client leaves then.
  cancel_attempt(request, {}, {}, now);
  request.go_on_with_the_other();
}

}  // namespace hanse::dispatch
