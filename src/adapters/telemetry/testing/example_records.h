// src/adapters/telemetry/testing/example_records.h
// Records as dispatch writes them, of requests to the four sites of
// core/dispatch/testing/four_sites.h.
#pragma once

#include <string_view>

#include "core/dispatch/record.h"
#include "core/dispatch/testing/four_sites.h"

namespace hanse::telemetry::testing {

using dispatch::testing::FourSites;

// An answer from hamburg to a request with personal data, lyon being the
// other lawful site.
inline dispatch::Record answered_record(const FourSites& grid) {
  dispatch::Record record;
  record.number = {ledger::Epoch(3), 41};
  record.snapshot = grid.snapshot().digest;
  record.arrived_at = {MonotonicTime(5'000'000'000), WallTime(1'795'408'561'250'000'000)};
  record.key = KeyId(0);
  record.tenant = TenantId(0);
  record.alias = AliasId(0);
  record.latency_class = ClassId(0);
  record.labels = grid.labels("personal; subjects=EU");
  record.prompt_bytes = 152;
  record.prompt_tokens_max = Tokens(180);
  record.output_limit = Tokens(64);
  record.streamed = true;
  record.sites_permitted = 2;
  record.sites_refused = 2;

  dispatch::AttemptRecord& attempt = record.attempts.push({});
  attempt.opened_at = {record.arrived_at.monotonic + microseconds(30),
                       record.arrived_at.wall + microseconds(30)};
  attempt.site = grid.site("hamburg");
  attempt.decision.chosen = grid.offer("hamburg");
  attempt.decision.candidates = 2;
  attempt.decision.best.push({.offer = grid.offer("hamburg"),
                              .prediction = {.first_token = milliseconds(140),
                                             .per_token = milliseconds(25),
                                             .cost = Money(16'100),
                                             .prompt = Tokens(38),
                                             .cached = Tokens(0),
                                             .output = Tokens(64),
                                             .sequences = 1,
                                             .promised_first_token = milliseconds(138),
                                             .promised_per_token = milliseconds(25)},
                              .within_objective = true,
                              .reason = placement::Reason::chosen});
  attempt.decision.best.push({.offer = grid.offer("lyon"),
                              .prediction = {.first_token = milliseconds(151),
                                             .per_token = milliseconds(25),
                                             .cost = Money(20'700),
                                             .prompt = Tokens(38),
                                             .cached = Tokens(0),
                                             .output = Tokens(64),
                                             .sequences = 1,
                                             .promised_first_token = milliseconds(149),
                                             .promised_per_token = milliseconds(25)},
                              .within_objective = true,
                              .reason = placement::Reason::dearer});
  attempt.limits = {.connect = seconds(1),
                    .headers = seconds(10),
                    .first_token = seconds(10),
                    .whole_reply = seconds(30),
                    .between_tokens = seconds(5),
                    .rate_window = seconds(13),
                    .rate_tokens = Tokens(16),
                    .whole = seconds(60)};
  attempt.first_token = milliseconds(161);
  attempt.ended = milliseconds(161 + 24 * 20);
  attempt.usage.tokens[TokenKind::prompt] = Tokens(38);
  attempt.usage.tokens[TokenKind::output] = Tokens(21);
  attempt.owed = Money(7'070);

  record.end = dispatch::End::answered;
  record.took = milliseconds(642);
  record.usage = attempt.usage;
  record.held = Money(44'640);
  record.charged = Money(12'120);
  return record;
}

// Hamburg was reset before its first token, lyon answered.
inline dispatch::Record rescued_record(const FourSites& grid) {
  dispatch::Record record = answered_record(grid);
  record.number.sequence = 42;
  dispatch::AttemptRecord second = record.attempts[0];

  dispatch::AttemptRecord& first = record.attempts[0];
  first.first_token.reset();
  first.ended = milliseconds(12);
  first.failure = answer::Failure::reset;
  first.usage = Usage();
  first.owed = Money(0);

  second.opened_at = {first.opened_at.monotonic + milliseconds(12),
                      first.opened_at.wall + milliseconds(12)};
  second.site = grid.site("lyon");
  placement::Candidate candidate = second.decision.best[1];
  candidate.reason = placement::Reason::chosen;
  second.decision.chosen = candidate.offer;
  second.decision.candidates = 1;
  second.decision.best.clear();
  second.decision.best.push(candidate);
  second.excluded.push({.site = grid.site("hamburg"), .why = dispatch::Exclusion::Why::tried});
  second.owed = Money(9'090);
  record.attempts.push(second);
  record.took = milliseconds(654);
  return record;
}

// Health data that no site may see.
inline dispatch::Record refused_record(const FourSites& grid) {
  dispatch::Record record = answered_record(grid);
  record.number.sequence = 43;
  record.labels = grid.labels("personal; subjects=EU; categories=health");
  record.sites_permitted = 0;
  record.sites_refused = 4;
  record.attempts.clear();
  record.end = dispatch::End::refused_by_law;
  record.took = microseconds(21);
  record.usage = Usage();
  record.held = record.charged = Money(0);
  return record;
}

}  // namespace hanse::telemetry::testing
