#include "core/dispatch/policy_of_attempts.h"

#include <algorithm>
#include <limits>

#include "core/dispatch/failure_table.h"

namespace hanse::dispatch {

TokenCounts most_tokens(const Record& record) {
  // What a client asks for may be beyond any sense, but not beyond the books.
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  const auto output = static_cast<__int128>(record.output_limit.count()) * record.choices;
  TokenCounts most;
  most[TokenKind::prompt] = std::min(record.prompt_tokens_max, Tokens(kMost));
  most[TokenKind::output] = Tokens(static_cast<std::int64_t>(std::min<__int128>(output, kMost)));
  return most;
}

Usage bounded(const Usage& reported, const TokenPrices& tenant, const TokenPrices& supplier) {
  constexpr Tokens kMost{std::int64_t{1} << 30};
  Usage usage = reported;
  for (const TokenKind kind : kAllTokenKinds) {
    usage.tokens[kind] = std::clamp(usage.tokens[kind], Tokens(0), kMost);
  }
  // The greatest amount says that there was no room for the true one.
  constexpr Money kNoRoom{std::numeric_limits<std::int64_t>::max()};
  while (cost(usage.tokens, tenant) == kNoRoom || cost(usage.tokens, supplier) == kNoRoom) {
    for (const TokenKind kind : kAllTokenKinds) usage.tokens[kind] = usage.tokens[kind] / 2;
  }
  usage.contradicted = usage.contradicted || usage.tokens != reported.tokens;
  return usage;
}

Money most_it_can_cost(const Record& record, const TokenPrices& prices) {
  // What is free needs no money, not even a nano of it.
  if (prices == TokenPrices{}) return Money(0);
  const TokenCounts most = most_tokens(record);
  CostSum sum;
  sum.add(most[TokenKind::prompt],
          std::max({prices[TokenKind::prompt], prices[TokenKind::cached_read],
                    prices[TokenKind::cache_write]}));
  sum.add(most[TokenKind::output],
          std::max(prices[TokenKind::output], prices[TokenKind::reasoning]));
  // Rounding at settlement is half to even and may go up by half a nano. The
  // greatest amount of all is none: it says that there was no room for it.
  constexpr Money kMost{std::numeric_limits<std::int64_t>::max() - 1};
  return std::min(sum.rounded(), kMost - Money(1)) + Money(1);
}

AttemptLimits limits_of_attempt(const Outlook& outlook) {
  constexpr Tokens kRateTokens{16};
  constexpr std::int64_t kSlowerThanExpected = 8;
  const auto& [latency_class, link, prediction, spread, output_limit, left, others_left] = outlook;
  const auto within = [&](Duration limit) { return std::min(limit, outlook.left); };
  const Duration expected = prediction.first_token;
  const Duration twice = milliseconds(250) + expected * 2;
  Duration first_token = std::max(twice, milliseconds(250) + expected + spread * 4);
  first_token = std::min(first_token, std::max({seconds(5), latency_class.first_token * 2, twice}));
  Duration between_tokens =
      std::max({seconds(2), latency_class.per_token * 10, prediction.per_token * 10});
  const Duration pace = std::max(latency_class.per_token, prediction.per_token);
  Duration rate_window = std::max(seconds(5), pace * (kRateTokens.count() * kSlowerThanExpected));
  if (!others_left) {
    first_token = std::max({first_token, seconds(5), latency_class.first_token * 2, expected * 4});
    between_tokens = std::max(between_tokens, seconds(5));
    rate_window = rate_window * 4;
  }
  first_token = within(first_token);
  // Tokens and times have bounds that keep this within 63 bits' range.
  const __int128 decoding = static_cast<__int128>(pace.count()) * 4 * output_limit.count();
  const Duration whole_reply =
      first_token +
      Duration(static_cast<std::int64_t>(std::min<__int128>(decoding, outlook.left.count())));
  return {
      .connect = std::min(first_token, std::max(seconds(1), link.round_trip * 8)),
      .headers = first_token,
      .first_token = first_token,
      .whole_reply = others_left ? std::min(whole_reply, std::max(first_token, left / 2)) : left,
      .between_tokens = within(between_tokens),
      .rate_window = within(rate_window),
      .rate_tokens = kRateTokens,
      .whole = left,
  };
}

MonotonicTime ended_at(const AttemptRecord& attempt) {
  return attempt.opened_at.monotonic + attempt.ended.value_or(Duration());
}

bool may_be_asked_again(const Record& record, const AttemptRecord& failed) {
  return row_of(failed.failure).again != Again::no &&
         std::ranges::count(record.attempts, failed.site, &AttemptRecord::site) == 1;
}

bool may_be_asked_again(const Record& record, const AttemptRecord& failed, MonotonicTime now) {
  return may_be_asked_again(record, failed) && now >= ended_at(failed) + kPauseBeforeAgain;
}

bool finds_the_rescue_wrong(answer::Failure failure) {
  return failure == answer::Failure::client_request || failure == answer::Failure::context_exceeded;
}

bool refused_to_continue(const AttemptRecord& attempt) {
  return attempt.take_up == answer::TakeUp::continued && finds_the_rescue_wrong(attempt.failure);
}

Duration longest_wait(const catalog::LatencyClass& latency_class, Duration left) {
  return std::min(std::max(seconds(1), latency_class.first_token), left / 2);
}

Duration longest_queueing(const catalog::LatencyClass& latency_class, Duration soonest_first_token,
                          Duration left) {
  // A tenth is left for what is foretold wrongly.
  const Duration objective = latency_class.first_token - latency_class.first_token / 10;
  const Duration most = latency_class.queue_max.value_or(
      std::max(objective - std::min(soonest_first_token, objective), objective / 4));
  return std::min(most, left / 2);
}

void tell_health(fleet::HealthBook& health, fleet::SiteLine site, fleet::Trial trial,
                 answer::Failure failure, Instant now) {
  switch (row_of(failure).blame) {
    // The engine answered, if only that the request is wrong.
    case Blame::none: return health.succeeded(site, trial, now);
    // That it is busy is said in the wait book; it works.
    case Blame::busy:
    // Of its other models it says nothing, see fleet::MissingModels.
    case Blame::no_model:
    case Blame::nothing: return health.told_nothing(site, trial);
    case Blame::soft: return health.failed_softly(site, trial, now);
    case Blame::hard: return health.failed_hard(site, trial, now);
    case Blame::turned_away: return health.turned_away(site, trial, now);
  }
}

void tell_models(fleet::MissingModels& models, fleet::OfferLine offer, answer::Failure failure,
                 MonotonicTime now) {
  if (failure == answer::Failure::model_missing) return models.missed(offer, now);
  if (failure == answer::Failure::none) models.found(offer, now);
}

Exclusion::Why why(fleet::Obstacle obstacle) {
  switch (obstacle) {
    case fleet::Obstacle::suspected: return Exclusion::Why::suspected;
    case fleet::Obstacle::starting: return Exclusion::Why::starting;
    case fleet::Obstacle::circuit_open:
    case fleet::Obstacle::none: break;
  }
  return Exclusion::Why::circuit_open;
}

std::optional<Duration> hedge_after(const HedgeOutlook& outlook) {
  const placement::Prediction& foretold = outlook.prediction;
  const Duration margin = std::max(milliseconds(50), outlook.first_token_spread * 2);
  Duration expected = foretold.first_token;
  Duration after = expected + margin;
  Duration limit = outlook.limits.first_token;
  if (!outlook.streamed) {
    // Tokens and times have bounds that keep this within 63 bits' range.
    const __int128 decoding = static_cast<__int128>(foretold.per_token.count()) *
                              foretold.output.count() / foretold.sequences;
    constexpr __int128 kMost = seconds(24 * 3600).count();
    const Duration answering(static_cast<std::int64_t>(std::min(decoding, kMost)));
    expected = expected + answering;
    after = after + answering * 2;
    limit = outlook.limits.whole_reply;
  }
  const Duration latest = limit / 4 * 3;
  if (expected >= latest) return std::nullopt;
  return std::min(after, latest);
}

bool ended_by_deadline(std::size_t attempt, answer::Failure failure, MonotonicTime deadline,
                       MonotonicTime now) {
  if (now < deadline) return false;
  // A site that was silent for all of a request's time is silent.
  if (failure == answer::Failure::silent) return attempt > 0;
  return failure == answer::Failure::stalled;
}

bool may_be_the_requests_own(const Record& record, answer::Failure failure) {
  if (failure != answer::Failure::server_error) return false;
  const auto failed_so = [](const AttemptRecord& attempt) {
    return attempt.failure == answer::Failure::server_error;
  };
  return std::ranges::count_if(record.attempts, failed_so) > 1;
}

Usage without_undelivered(Usage billed, Tokens deltas) {
  for (const TokenKind kind : {TokenKind::output, TokenKind::reasoning}) {
    const Tokens less = std::clamp(billed.tokens[kind], Tokens(0), std::max(deltas, Tokens(0)));
    billed.tokens[kind] -= less;
    deltas -= less;
  }
  return billed;
}

ledger::Outcome outcome_of(answer::Failure failure, bool delivered) {
  switch (failure) {
    case answer::Failure::none: return ledger::Outcome::completed;
    case answer::Failure::silent:
    case answer::Failure::stalled: return ledger::Outcome::timed_out;
    default: return delivered ? ledger::Outcome::cut : ledger::Outcome::failed;
  }
}

std::optional<ledger::Refusal> refusal_of(End end) {
  switch (end) {
    case End::refused_by_law: return ledger::Refusal::by_law;
    case End::over_rate: return ledger::Refusal::over_rate;
    case End::over_budget: return ledger::Refusal::over_budget;
    case End::asked_to_wait:
    case End::at_capacity: return ledger::Refusal::at_capacity;
    case End::sites_unavailable: return ledger::Refusal::no_site;
    case End::open:
    case End::answered:
    case End::attempts_failed:
    case End::out_of_time:
    case End::client_error:
    case End::cut:
    case End::client_gone: break;
  }
  return std::nullopt;
}

}  // namespace hanse::dispatch
