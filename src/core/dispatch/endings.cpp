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
  // One that was outrun may have been late, or have had no time to be.
  const bool was_late =
      failure == answer::Failure::silent ||
      (attempt.outrun && *attempt.ended > attempt.decision.best[0].prediction.first_token);
  const placement::Ending ending{
      .had_first_token = had_first_token,
      .output = usage.tokens[TokenKind::output] + usage.tokens[TokenKind::reasoning],
      .decoding = decoding,
      .paused = std::clamp(paused, Duration(), decoding),
      .silent_for = was_late ? attempt.ended : std::nullopt};
  world.placement.loads().ended(attempt.decision.chosen, attempt.decision.best[0].prediction,
                                ending, now.monotonic);
  UnderWay& ended = request.current;
  if (ended.twin) ended.twin->ended(*world_, ending, now.monotonic);
  ended.twin.reset();
  const bool tells_nothing =
      outcome.has_value() ||
      ended_by_deadline(ended.index, failure, request.deadline, now.monotonic) ||
      may_be_the_requests_own(request.record, failure);
  if (tells_nothing) {
    health_.told_nothing(line, ended.trial);
  } else {
    tell_health(health_, line, ended.trial, failure, now);
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
  if (may_get_room(request, now)) return End::at_capacity;
  bool is_asked = false;
  waits_.waiting().for_each([&](std::size_t i) {
    const fleet::SiteLine line(i);
    const SiteId site = request.world->site(line);
    is_asked = is_asked ||
               (waits_.until(line, now.monotonic) && site.valid() &&
                request.permitted.contains(site.value()) && still_offers(*request.world, site));
  });
  return is_asked ? End::asked_to_wait : End::sites_unavailable;
}

std::optional<Duration> Dispatch::retry_after(const Request& request, Instant now) const {
  // The earliest moment at which a permitted site may be asked, of those that
  // cannot be now.
  std::optional<Duration> earliest;
  const auto consider = [&](SiteId site) {
    const fleet::SiteLine line = request.world->line(site);
    const MonotonicTime at = bars_end(line, now.monotonic);
    if (at == now.monotonic && health_.available(line, now.monotonic) &&
        !slots_.full().contains(line.value())) {
      return;
    }
    const Duration left = std::max(elapsed(now.monotonic, at), seconds(1));
    earliest = std::min(earliest.value_or(left), left);
  };
  request.permitted.for_each([&](std::size_t i) { consider(SiteId(i)); });
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
  count_in_truth(request);
  emit(std::move(last));
  request.state = State::free;
  --open_;
}

}  // namespace hanse::dispatch
