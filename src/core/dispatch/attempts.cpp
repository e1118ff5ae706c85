// One attempt after the other: how a request goes on, what the next site is
// asked, and what is done when there is nowhere to go.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "core/dispatch/dispatch.h"
#include "core/dispatch/failure_table.h"
#include "core/dispatch/policy_of_attempts.h"
#include "core/dispatch/request.h"

namespace hanse::dispatch {
namespace {

using answer::TakeUp;

// What may be wanted of the next site: any variant of the alias, which an id that
// is not valid says, or one after the other, in order of preference, those with
// a longer context than one that was too short for the request.
std::vector<VariantId> variants_left(const Request& request) {
  const Snapshot& snapshot = *request.world->snapshot;
  Tokens too_short;
  for (const AttemptRecord& attempt : request.record.attempts) {
    if (attempt.failure != answer::Failure::context_exceeded) continue;
    const VariantId variant = snapshot.fleet.offers[attempt.decision.chosen].variant;
    too_short = std::max(too_short, snapshot.catalog.context_of(variant));
  }
  if (too_short == Tokens(0)) return {VariantId()};
  std::vector<VariantId> longer;
  for (const VariantId variant : snapshot.catalog.aliases[request.record.alias].variants) {
    if (snapshot.catalog.context_of(variant) > too_short) longer.push_back(variant);
  }
  return longer;
}

// When so many sites find it wrong to go on with an answer, the others will too.
constexpr std::ptrdiff_t kContinuationsRefusedMost = 2;

// The weights that have written what the client has: not those of an attempt
// that failed without a word.
// Requires: there are some.
VariantId last_to_answer(const Request& request) {
  OfferId offer;
  for (const AttemptRecord& attempt : request.record.attempts) {
    if (attempt.first_token) offer = attempt.decision.chosen;
  }
  return request.world->snapshot->fleet.offers[offer].variant;
}

}  // namespace

// --- Going on ------------------------------------------------------------------

void Dispatch::go_on(Request& request, Instant now) {
  request.state = State::deciding;
  if (now.monotonic >= request.deadline) return give_up(request, End::out_of_time, now);
  if (request.record.attempts.size() >= options_.attempts_max) {
    return give_up(request, End::attempts_failed, now);
  }
  const std::vector<Way> ways = ways_on(request);
  if (attempt_on(request, ways, now)) return;
  const auto until = worth_waiting_for(request, now);
  const bool is_queued = !ways.empty() && may_get_room(request, now) &&
                         !enqueue(request, request.waits_until, now).has_value();
  if (!until) {
    if (!is_queued) give_up(request, End::attempts_failed, now);
    return;
  }
  if (!is_queued) request.state = State::pausing;
  request.paused_until = *until;
  pauses_.push_back({.until = *until, .request = request.ref});
  std::ranges::push_heap(pauses_, later);
  wake_by(*until);
}

std::vector<Dispatch::Way> Dispatch::ways_on(const Request& request) const {
  std::vector<Way> ways;
  const std::vector<VariantId> left = variants_left(request);
  if (!request.delivered) {
    for (const VariantId variant : left) ways.push_back({.wanted = {.variant = variant}});
    return ways;
  }
  const limits::Rescue policy =
      request.world->snapshot->tenants.tenants[request.record.tenant].rescue;
  if (policy == limits::Rescue::never || request.resumable == answer::Resumable::no) return ways;
  const VariantId same = last_to_answer(request);
  const bool is_refused = std::ranges::count_if(request.record.attempts, refused_to_continue) >=
                          kContinuationsRefusedMost;
  if (request.resumable != answer::Resumable::by_repeating && !is_refused) {
    Way way{.wanted = {.variant = same,
                       .continuing = request.resumable == answer::Resumable::by_continuing},
            .take_up = TakeUp::continued};
    const bool is_left = std::ranges::any_of(
        left, [&](VariantId variant) { return !variant.valid() || variant == same; });
    if (is_left) ways.push_back(way);
    if (policy == limits::Rescue::any_variant) {
      for (const VariantId variant : left) {
        way.wanted.variant = variant;
        ways.push_back(way);
      }
    }
  }
  // Other weights would tell another answer.
  ways.push_back({.wanted = {.variant = same, .repeating = true}, .take_up = TakeUp::repeated});
  return ways;
}

bool Dispatch::attempt_on(Request& request, std::vector<Way> ways, Instant now) {
  for (const bool again : {false, true}) {
    for (Way& way : ways) {
      way.wanted.again = again;
      if (attempt_at(request, way, now)) return true;
    }
  }
  return false;
}

bool Dispatch::attempt_at(Request& request, const Way& way, Instant now) {
  // Ends, for a site that may not be asked any more is not decided for again.
  while (true) {
    const placement::Decision decision = place(request, way.wanted, request.record.excluded, now);
    if (!decision.chosen.valid()) return false;
    if (open_attempt(request, decision, way.take_up, now)) return true;
  }
}

std::optional<MonotonicTime> Dispatch::worth_waiting_for(const Request& request,
                                                         Instant now) const {
  const Snapshot& snapshot = *request.world->snapshot;
  if (request.delivered &&
      (request.resumable == answer::Resumable::no ||
       snapshot.tenants.tenants[request.record.tenant].rescue == limits::Rescue::never)) {
    return std::nullopt;
  }
  if (row_of(request.last_failure).elsewhere != Elsewhere::yes) return std::nullopt;
  std::optional<MonotonicTime> earliest;
  for (const AttemptRecord& attempt : request.record.attempts) {
    const fleet::SiteLine line = request.world->line(attempt.site);
    if (!may_be_asked_again(request.record, attempt) ||
        !request.permitted.contains(attempt.site.value()) ||
        !still_offers(*request.world, attempt.site)) {
      continue;
    }
    const MonotonicTime time =
        std::max(ended_at(attempt) + kPauseBeforeAgain, bars_end(line, now.monotonic));
    earliest = std::min(earliest.value_or(time), time);
  }
  if (!earliest) return std::nullopt;
  // Its time has come and it could not be asked all the same: it is full, or
  // somebody else is trying it.
  if (*earliest <= now.monotonic) *earliest = now.monotonic + kPauseBeforeAgain;
  return *earliest <= request.waits_until ? earliest : std::nullopt;
}

void Dispatch::end_pauses(Instant now) {
  while (!pauses_.empty() && pauses_.front().until <= now.monotonic) {
    std::ranges::pop_heap(pauses_, later);
    const Pause pause = pauses_.back();
    pauses_.pop_back();
    Request* request = find(pause.request);
    if (request == nullptr || request->paused_until != pause.until) continue;
    if (request->state == State::queued) room_made_ = true;
    if (request->state == State::pausing) go_on(*request, now);
  }
}

bool Dispatch::later(const Pause& a, const Pause& b) {
  if (a.until != b.until) return a.until > b.until;
  return a.request.slot > b.request.slot;
}

void Dispatch::give_up(Request& request, End why, Instant now) {
  const Refuse told{.request = request.ref,
                    .retry_after = retry_after(request, now),
                    .last_failure = request.last_failure};
  if (request.delivered) {
    settle(request, ledger::Outcome::cut, request.billed, now);
    const bool time_is_over =
        why == End::out_of_time || ended_by_deadline(request.attempt_index(), request.last_failure,
                                                     request.deadline, now.monotonic);
    return end(request, time_is_over ? End::out_of_time : End::cut, told, now);
  }
  release_hold(request, ledger::Outcome::failed, now);
  end(request, answer::fault_of(request.last_failure) == Fault::client ? End::client_error : why,
      told, now);
}

// --- Asking ----------------------------------------------------------------------

bool Dispatch::open_attempt(Request& request, const placement::Decision& decision, TakeUp take_up,
                            Instant now) {
  World& world = *request.world;
  const fleet::Offer& offer = world.snapshot->fleet.offers[decision.chosen];
  const fleet::SiteLine line = world.line(offer.site);
  // Asked again for each attempt: a certificate may have ended meanwhile.
  const std::optional<gate::Permit> permit =
      world.gate.permit(request.question(), offer.site, now.wall);
  if (!permit) {
    request.permitted.erase(offer.site.value());
    give_slot_back(line);
    return false;
  }

  AttemptRecord& attempt = request.record.attempts.push({});
  attempt.opened_at = now;
  attempt.site = offer.site;
  attempt.decision = decision;
  attempt.take_up = take_up;
  attempt.hedge = request.beside.has_value();
  attempt.excluded = request.record.excluded;
  attempt.limits = limits_of_attempt(
      {.latency_class = world.snapshot->catalog.classes[request.record.latency_class],
       .link = world.snapshot->fleet.links[offer.site.value()],
       .prediction = decision.best[0].prediction,
       .first_token_spread = world.placement.loads().of(decision.chosen).first_token_spread,
       .output_limit = request.record.output_limit,
       .left = elapsed(now.monotonic, request.deadline),
       .others_left = request.permitted.count() > request.record.attempts.size() &&
                      request.record.attempts.size() < options_.attempts_max});

  request.state = State::waiting;
  request.watermarked = false;
  request.attempt_base = take_up == TakeUp::continued ? request.output : Tokens(0);
  request.current = {.index = static_cast<std::uint8_t>(request.record.attempts.size() - 1),
                     .trial = health_.sent(line, now),
                     .twin = {}};
  missing_models_.sent(world.line(decision.chosen), now.monotonic);
  world.placement.loads().started(decision.chosen, attempt.decision.best[0].prediction);
  count_in_newest_world(request);
  TokenCounts most = most_tokens(request.record);
  Tokens output_limit = request.record.output_limit;
  if (take_up == TakeUp::continued) {
    const Tokens had =
        request.billed.tokens[TokenKind::output] + request.billed.tokens[TokenKind::reasoning];
    most[TokenKind::prompt] += had;
    output_limit = std::max(Tokens(1), output_limit - had);
  }
  append(ledger::AttemptOpened{.request = request.record.number,
                               .attempt = request.attempt_number(),
                               .payable = world.payables[offer.site.value()],
                               .prices = offer.prices,
                               .tokens_max = most},
         now);
  emit(OpenAttempt{.request = request.ref,
                   .attempt = request.attempt_index(),
                   .permit = *permit,
                   .offer = decision.chosen,
                   .take_up = take_up,
                   .output_limit = output_limit,
                   .limits = attempt.limits});
  plan_hedge(request, now);
  return true;
}

void Dispatch::raise_watermark(Request& request, Tokens output, Instant now) {
  const TokenCounts most = most_tokens(request.record);
  const Tokens output_most = most[TokenKind::output];
  const Tokens may_leave =
      std::max(request.may_leave, std::min(output + kWatermarkStep, output_most));
  if (may_leave > request.may_leave || !request.watermarked) {
    ledger::Progress tenant;
    // How long the prompt is says the engine, at the end: nothing is known of it
    // until then but its bound.
    tenant.may_leave[TokenKind::prompt] = most[TokenKind::prompt];
    // What came in one burst past the mark has been held back until now, all of
    // it; the driver says what has left.
    tenant.confirmed[TokenKind::output] = request.has_left;
    tenant.may_leave[TokenKind::output] = may_leave;
    // The site made what came since it took the answer up. One that repeats it
    // makes all of it again, but how far it is nobody knows until it says
    // something new.
    ledger::Progress supplier = tenant;
    const auto own = [&](Tokens count) {
      return std::max(count, request.attempt_base) - request.attempt_base;
    };
    const bool says_known_words =
        request.attempt().take_up == TakeUp::repeated && request.has_left <= request.output;
    supplier.confirmed[TokenKind::output] = says_known_words ? Tokens(0) : own(request.has_left);
    supplier.may_leave[TokenKind::output] = own(may_leave);
    append(ledger::Watermark{.request = request.record.number,
                             .attempt = request.attempt_number(),
                             .tenant = tenant,
                             .supplier = supplier},
           now);
    request.watermarked = true;
  }
  request.may_leave = may_leave;
  // An engine may split its tokens into more deltas than it may bill for;
  // nothing more is owed for those, so nothing holds them back.
  const Tokens release = may_leave == output_most ? kNoTokenLimit : may_leave;
  emit(Release{.request = request.ref, .attempt = request.attempt_index(), .output = release});
}

namespace {

Usage bounded_here(const Request& request, const Usage& reported) {
  const OfferId offer = request.attempt().decision.chosen;
  return bounded(reported, request.tenant_prices,
                 request.world->snapshot->fleet.offers[offer].prices);
}

}  // namespace

void Dispatch::attempt_ended(const AttemptEnded& event, Instant now) {
  Request* found = find(event.request, event.attempt);
  if (found == nullptr) return;
  Request& request = *found;
  const Usage usage = bounded_here(request, event.usage);
  const fleet::SiteLine line = request.world->line(request.attempt().site);
  const FailureRow& row = row_of(event.failure);
  if (event.failure == answer::Failure::none) outrun_the_other(request, now);
  close_attempt(request, event.failure, usage, event.paused, now);
  if (row.blame == Blame::busy) {
    waits_.asked(line, event.retry_after, now.monotonic);
    rooms_.turned_away(line, attempts_at_[line.value()] + 1, request.attempt().opened_at.monotonic,
                       now.monotonic);
    slots_.bound(line, rooms_.room(line));
  }
  if (request.beside) {
    // Of two the other goes on alone, unless it could only say the same.
    if (row.elsewhere != Elsewhere::no) return request.go_on_with_the_other();
    cancel_the_other(request, now);
  }
  request.output = std::clamp(event.output, request.output, kNoTokenLimit);
  // To the client, the answer broke.
  const bool refuses_to_go_on = request.delivered && finds_the_rescue_wrong(event.failure);
  if (!refuses_to_go_on) request.last_failure = event.failure;
  request.resumable = event.resumable;
  request.waits_until =
      now.monotonic +
      longest_wait(request.world->snapshot->catalog.classes[request.record.latency_class],
                   elapsed(now.monotonic, request.deadline));
  if (event.failure == answer::Failure::none || request.delivered) {
    request.billed = bounded_here(request, event.billed);
  }

  if (event.failure == answer::Failure::none) {
    waits_.answered(line);
    rooms_.answered(line, *request.attempt().ended, attempts_at_[line.value()] + 1, now.monotonic);
    slots_.bound(line, rooms_.room(line));
    // Of an answer that several attempts have made nothing is learned: it counts
    // as estimated.
    request.world->placement.learned().observe(request.demand, request.attempt().site,
                                               request.billed);
    settle(request, ledger::Outcome::completed, request.billed, now);
    return end(request, End::answered, Finish{request.ref}, now);
  }
  const bool may_go_on = row.elsewhere != Elsewhere::no || refuses_to_go_on;
  if (!may_go_on) return give_up(request, End::attempts_failed, now);
  go_on(request, now);
}

void Dispatch::cancel_attempt(Request& request, const Usage& usage, Duration paused, Instant now) {
  emit(CancelAttempt{.request = request.ref, .attempt = request.attempt_index()});
  close_attempt(request, answer::Failure::none, usage, paused, now, ledger::Outcome::cancelled);
}

void Dispatch::client_gone(const ClientGone& event, Instant now) {
  Request* found = find(event.request);
  if (found == nullptr) return;
  Request& request = *found;
  if (request.attempt_is_open()) {
    cancel_the_other(request, now);
    const Usage usage =
        request.state == State::answering ? bounded_here(request, event.usage) : Usage{};
    cancel_attempt(request, usage, event.paused, now);
  }
  if (request.state == State::queued) {
    HANSE_CHECK(queue_.remove(request.ticket, now.monotonic));
    request.record.queued += elapsed(request.queued_at, now.monotonic);
  }
  // Of a whole answer nothing has gone out: the site is owed for it, but the
  // tenant pays for what it got.
  if (request.delivered) {
    settle(request, ledger::Outcome::cancelled, bounded_here(request, event.billed), now);
  } else {
    release_hold(request, ledger::Outcome::cancelled, now);
  }
  end(request, End::client_gone, Forget{request.ref}, now);
}

}  // namespace hanse::dispatch
