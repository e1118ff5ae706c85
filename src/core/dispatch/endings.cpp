// How attempts and requests end: what is owed, what is told of the site, and
// what the client is told.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "core/dispatch/dispatch.h"
#include "core/dispatch/policy_of_attempts.h"
#include "core/dispatch/request.h"

namespace hanse::dispatch {

void Dispatch::close_attempt(Request& request, answer::Failure failure, const Usage& usage,
                             Duration paused, Instant now, std::optional<ledger::Outcome> outcome) {
  World& world = *request.world;
  AttemptRecord& attempt = request.attempt();
  const fleet::Offer& offer = world.snapshot->fleet.offers[attempt.decision.chosen];
  attempt.ended = elapsed(attempt.opened_at.monotonic, now.monotonic);
  attempt.failure = failure;
  attempt.usage = usage;
  attempt.owed = cost(usage.tokens, offer.prices);

  const fleet::SiteLine line = world.line(attempt.site);
  give_slot_back(line);
  const bool had_first_token = attempt.first_token.has_value();
  const Duration decoding =
      had_first_token ? elapsed(request.first_token_at, now.monotonic) : Duration();
  const placement::Ending ending{
      .had_first_token = had_first_token,
      .output = usage.tokens[TokenKind::output] + usage.tokens[TokenKind::reasoning],
      .decoding = decoding,
      .paused = std::clamp(paused, Duration(), decoding)};
  world.placement.loads().ended(attempt.decision.chosen, attempt.decision.best[0].prediction,
                                ending, now.monotonic);
  if (request.twin) request.twin->ended(*world_, ending, now.monotonic);
  request.twin.reset();
  const bool tells_nothing =
      outcome.has_value() ||
      ended_by_deadline(request.record, failure, request.deadline, now.monotonic) ||
      may_be_the_requests_own(request.record, failure);
  if (tells_nothing) {
    health_.told_nothing(line, request.trial);
  } else {
    tell_health(health_, line, request.trial, failure, now);
    tell_models(missing_models_, world.line(attempt.decision.chosen), failure, now.monotonic);
  }

  const bool delivered = had_first_token && request.record.streamed;
  append(ledger::AttemptClosed{.request = request.record.number,
                               .attempt = request.attempt_number(),
                               .outcome = outcome.value_or(outcome_of(failure, delivered)),
                               .usage = usage,
                               .owed = attempt.owed},
         now);
}

void Dispatch::settle(Request& request, ledger::Outcome outcome, const Usage& usage, Instant now) {
  const Money true_cost = cost(usage.tokens, request.tenant_prices);
  const auto settlement = holds_.settle(request.hold, true_cost);
  HANSE_CHECK(settlement.has_value());
  request.record.usage = usage;
  request.record.charged = settlement->charged;
  request.record.written_off = settlement->written_off;
  append_closing(request,
                 ledger::RequestClosed{.request = request.record.number,
                                       .outcome = outcome,
                                       .usage = usage,
                                       .charged = settlement->charged,
                                       .written_off = settlement->written_off},
                 now);
}

void Dispatch::release_hold(Request& request, ledger::Outcome outcome, Instant now) {
  HANSE_CHECK(holds_.release(request.hold).has_value());
  append_closing(request,
                 ledger::HoldReleased{.request = request.record.number, .outcome = outcome}, now);
}

void Dispatch::refuse(Request& request, End why, const Refuse& told, Instant now) {
  append_closing(
      request,
      ledger::RequestRefused{.request = request.record.number, .why = refusal_of(why).value()},
      now);
  end(request, why, told, now);
}

End Dispatch::end_without_site(const Request& request, Instant now) const {
  // Not by the exclusions of the record, of which there may be more than are
  // kept.
  End why = End::sites_unavailable;
  slots_.full().for_each([&](std::size_t i) {
    const SiteId site = request.world->site(fleet::SiteLine(i));
    if (site.valid() && request.permitted.contains(site.value())) why = End::at_capacity;
  });
  // One that has just come back works, and takes no more yet.
  health_.for_each_unsound([&](fleet::SiteLine line) {
    const SiteId site = request.world->site(line);
    if (!site.valid() || !request.permitted.contains(site.value())) return;
    if (health_.obstacle(line, now.monotonic) == fleet::Obstacle::starting) why = End::at_capacity;
  });
  return why;
}

std::optional<Duration> Dispatch::retry_after(const Request& request, Instant now) const {
  // The earliest moment at which one of the excluded sites may be asked.
  std::optional<Duration> earliest;
  for (const Exclusion& exclusion : request.record.excluded) {
    const fleet::SiteLine line = request.world->line(exclusion.site);
    const MonotonicTime free = std::max(health_.pauses_end(line),
                                        drills_.ends(line, now.monotonic).value_or(now.monotonic));
    const Duration wait = std::max(elapsed(now.monotonic, free), seconds(1));
    earliest = std::min(earliest.value_or(wait), wait);
  }
  return earliest;
}

void Dispatch::end(Request& request, End why, Action last, Instant now) {
  request.record.end = why;
  request.record.took = elapsed(request.record.arrived_at.monotonic, now.monotonic);
  if (request.admission) {
    Tokens used;
    for (const TokenKind kind : kAllTokenKinds) used += request.record.usage.tokens[kind];
    rates_.finish(*request.admission, used, now.monotonic);
    request.admission.reset();
  }
  emit(std::move(last));
  request.state = State::free;
  --open_;
}

}  // namespace hanse::dispatch
