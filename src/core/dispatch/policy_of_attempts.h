// src/core/dispatch/policy_of_attempts.h
// The pure leaves of dispatch: bounds, limits, and what a failure means.
#pragma once

#include <optional>

#include "base/money.h"
#include "base/time.h"
#include "base/usage.h"
#include "core/answer/delta.h"
#include "core/catalog/catalog.h"
#include "core/dispatch/record.h"
#include "core/fleet/fleet.h"
#include "core/fleet/health.h"
#include "core/fleet/missing_models.h"
#include "core/ledger/entry.h"
#include "core/placement/demand.h"

namespace hanse::dispatch {

// A watermark lets this many more tokens leave than are known to have left,
// and is raised when fewer than kWatermarkLow of them remain.
inline constexpr Tokens kWatermarkStep{256};
inline constexpr Tokens kWatermarkLow{64};
inline constexpr Tokens kNoTokenLimit{std::int64_t{1} << 62};

// The most tokens of each kind that a request can use.
TokenCounts most_tokens(const Record& record);

// An engine's report with each count brought between 0 and 2^30, and to what
// has a cost at both prices, and, where it had to be, marked as contradicted:
// what a site says must not be able to break the books.
Usage bounded(const Usage& reported, const TokenPrices& tenant, const TokenPrices& supplier);

// What a client pays for that leaves before so many of the deltas in `billed`
// have been delivered: each is a token at least, and an answer's text comes last.
Usage without_undelivered(Usage billed, Tokens deltas);

// The most that a request can cost at `prices`: every prompt token at the
// dearest of the prices a prompt token may have, every output token likewise.
// Nothing when all prices are zero.
// Without a tokenizer the bound is honest, not clever.
Money most_it_can_cost(const Record& record, const TokenPrices& prices);

// What the limits of an attempt follow from.
struct Outlook {
  const catalog::LatencyClass& latency_class;
  const fleet::Link& link;
  const placement::Prediction& prediction;
  Duration first_token_spread;  // see placement::LoadBook
  Tokens output_limit{0};       // of one choice
  Duration left;                // of the request's time
  // Whether another site could be asked: then waiting longer than is likely to
  // help costs more than it may bring.
  bool others_left = false;
};

// How long each phase of an attempt may take, within what is left of the
// request's time. With other sites left:
//
//   first token     250 ms and the greater of 2 x predicted and predicted + 4 x
//                   spread; not more than 5 s, 2 x the class's objective, or
//                   250 ms and 2 x predicted, whichever is most
//   between tokens  the greatest of 2 s, 10 x the class's objective, 10 x predicted
//   rate            16 tokens within the greater of 5 s and 128 x the slower of
//                   what the class asks and what is predicted
//   whole reply     the first token's, and 4 x the slower of what the class asks and
//                   what is predicted for each token that it may have; not more
//                   than half of what is left, or the first token's limit
//
// When there is no other site, a late answer is better than none:
//
//   first token     the greatest of that, 5 s, 2 x the class's objective, 4 x predicted
//   between tokens  likewise with 5 s
//   rate            16 tokens within four times as long
//   whole reply     what is left
//
// and always
//
//   connect         the greater of 1 s and 8 round trips, not more than the first token's
//   headers         as the first token: engines send both together or nearly
//   whole           what is left
AttemptLimits limits_of_attempt(const Outlook& outlook);

// For how long a site that failed in passing is left alone before it is asked
// once more for the same request.
inline constexpr Duration kPauseBeforeAgain = milliseconds(250);

MonotonicTime ended_at(const AttemptRecord& attempt);
// Whether the site of `failed`, asked once so far, may be asked once more, and
// whether its pause is over.
bool may_be_asked_again(const Record& record, const AttemptRecord& failed);
bool may_be_asked_again(const Record& record, const AttemptRecord& failed, MonotonicTime now);

// Whether a site that was asked to go on with an answer, or to repeat it, has found
// that wrong. The client has asked nothing of the kind. What a filter finds wrong
// is another matter: it is the content's, and nobody else is asked.
bool finds_the_rescue_wrong(answer::Failure failure);

// Whether its site found it wrong to be asked to go on with an answer; it may well
// give all of it.
bool refused_to_continue(const AttemptRecord& attempt);

// The longest that a request waits for a site that asked for it: the class's
// objective, at least a second, and never more than half of what is left.
Duration longest_wait(const catalog::LatencyClass& latency_class, Duration left);

// The longest that a new request waits for a site that has room: what its class
// says, or else what the soonest first token of a site that has some leaves of
// nine tenths of its objective, a quarter of that at least; and never more than half of what is
// left.
Duration longest_queueing(const catalog::LatencyClass& latency_class, Duration soonest_first_token,
                          Duration left);

// What a failure says of a site's health; and of whether it has the model.
void tell_health(fleet::HealthBook& health, fleet::SiteLine site, fleet::Trial trial,
                 answer::Failure failure, Instant now);
void tell_models(fleet::MissingModels& models, fleet::OfferLine offer, answer::Failure failure,
                 MonotonicTime now);

// How a record calls it. Requires: there is one.
Exclusion::Why why(fleet::Obstacle obstacle);

// What the time of a hedge follows from: the attempt that it is to help out.
struct HedgeOutlook {
  const placement::Prediction& prediction;
  Duration first_token_spread;  // see placement::LoadBook
  const AttemptLimits& limits;
  bool streamed = false;  // by the engine; else its first byte comes with its last
};

// So long after an attempt was opened it is later than nearly all are, and is
// worth a second one beside it:
//
//   a stream   predicted + the greater of 50 ms and 2 x spread
//   a reply    2 x the predicted time of its tokens beside that: how many they are is
//              less certain than how fast
//
// but not later than three quarters of the limit in which the first token, or the
// reply, must come. Nothing when even what is predicted comes later than that: the
// request's time is nearly over, and a hedge would not save it.
//
// The spread is a mean of absolute errors, so twice that stands for the 94th
// percentile of errors that are distributed normally (1.6 deviations), and for
// the 93rd of those with exponential tails. That is where hedges cost little and
// help most (J. Dean and L. A. Barroso, "The Tail at Scale", CACM 56(2), 2013).
std::optional<Duration> hedge_after(const HedgeOutlook& outlook);

// Whether an attempt of this index ended because its request's time did, and not
// because the site took longer than it may: it had only what earlier attempts had
// left of it, or was still answering.
bool ended_by_deadline(std::size_t attempt, answer::Failure failure, MonotonicTime deadline,
                       MonotonicTime now);

// Whether a failure may be the request's own: a second server error in a row of
// sites is no longer held against them, or one odd request would close them
// all to everybody.
bool may_be_the_requests_own(const Record& record, answer::Failure failure);

// How the books call it; `delivered` says that a part had gone out.
ledger::Outcome outcome_of(answer::Failure failure, bool delivered);

// The same for a request that nothing was set aside for; nothing for any other
// end.
std::optional<ledger::Refusal> refusal_of(End end);

}  // namespace hanse::dispatch
