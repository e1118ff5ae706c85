#include "drivers/serve/trace.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace hanse::serve {
namespace {

namespace field = telemetry::field;

const std::string& site_of(const dispatch::AttemptRecord& attempt,
                           const dispatch::Snapshot& snapshot) {
  return snapshot.fleet.sites[attempt.site].name;
}

// As people count.
std::int64_t number_of(std::size_t index) { return static_cast<std::int64_t>(index) + 1; }

}  // namespace

telemetry::LogField Trace::request(const dispatch::Record& record) const {
  return field::request({.journal = journal_, .number = record.number});
}

void Trace::attempt_opened(const dispatch::Record& record, std::size_t index,
                           const dispatch::Snapshot& snapshot) const {
  if (!on()) return;
  const dispatch::AttemptRecord& attempt = record.attempts[index];
  log_.debug("attempt opened", {request(record), field::count("attempt", number_of(index)),
                                field::site(site_of(attempt, snapshot)),
                                field::duration("first_token_limit", attempt.limits.first_token),
                                field::duration("limit", attempt.limits.whole)});
}

void Trace::attempt_ended(const dispatch::Record& record, std::size_t index,
                          const dispatch::Snapshot& snapshot) const {
  if (!on()) return;
  const dispatch::AttemptRecord& attempt = record.attempts[index];
  const bool answered = attempt.failure == answer::Failure::none;
  log_.debug("attempt ended",
             {request(record), field::count("attempt", number_of(index)),
              field::site(site_of(attempt, snapshot)),
              field::outcome(answered ? "answered" : to_string(attempt.failure)),
              field::duration("first_token", attempt.first_token.value_or(Duration())),
              field::duration("took", attempt.ended.value_or(Duration()))});
}

void Trace::attempt_cancelled(const dispatch::Record& record, std::size_t index,
                              const dispatch::Snapshot& snapshot) const {
  if (!on()) return;
  const dispatch::AttemptRecord& attempt = record.attempts[index];
  log_.debug("attempt cancelled", {request(record), field::count("attempt", number_of(index)),
                                   field::site(site_of(attempt, snapshot)),
                                   field::duration("took", attempt.ended.value_or(Duration()))});
}

void Trace::request_ended(const dispatch::Record& record) const {
  if (!on()) return;
  log_.debug("request ended",
             {request(record), field::outcome(to_string(record.end)),
              field::count("attempts", static_cast<std::int64_t>(record.attempts.size())),
              field::duration("took", record.took)});
}

void Trace::told_again(ledger::RequestNumber request, std::string_view outcome) const {
  if (!on()) return;
  log_.debug("answer told again",
             {field::request({.journal = journal_, .number = request}), field::outcome(outcome)});
}

void Trace::site_probed(std::string_view site, bool healthy) const {
  if (!on()) return;
  log_.debug("site probed", {field::site(site), field::outcome(healthy ? "well" : "not_well")});
}

void Trace::turned_away(std::string_view code) const {
  if (!on()) return;
  log_.debug("request turned away", {field::outcome(code)});
}

}  // namespace hanse::serve
