// The words of records and actions, and the digest of an action.
#include <algorithm>

#include "base/check.h"
#include "core/dispatch/action.h"
#include "core/dispatch/record.h"

namespace hanse::dispatch {
namespace {

void add(RunDigest& digest, RequestRef request) {
  digest.add(std::uint64_t{request.slot} << 32U | request.generation);
}

void add(RunDigest& digest, const TokenCounts& tokens) {
  for (const TokenKind kind : kAllTokenKinds) digest.add_signed(tokens[kind].count());
}

void add(RunDigest& digest, const Usage& usage) {
  add(digest, usage.tokens);
  digest.add(std::uint64_t{usage.estimated} << 1U | std::uint64_t{usage.contradicted});
}

void add(RunDigest& digest, const TokenPrices& prices) {
  for (const TokenKind kind : kAllTokenKinds) digest.add_signed(prices[kind].count());
}

void add(RunDigest& digest, ledger::RequestNumber number) {
  digest.add_signed(number.epoch.count());
  digest.add_signed(number.sequence);
}

// The parts of entries that decide what the books say.
struct EntryDigest {
  RunDigest& digest;

  void operator()(const ledger::HoldOpened& entry) const {
    add(digest, entry.request);
    digest.add(entry.receivable.value());
    digest.add_signed(entry.amount.count());
    add(digest, entry.prices);
  }
  void operator()(const ledger::AttemptOpened& entry) const {
    add(digest, entry.request);
    digest.add(static_cast<std::uint64_t>(entry.attempt));
    digest.add(entry.payable.value());
    add(digest, entry.prices);
    add(digest, entry.tokens_max);
  }
  void operator()(const ledger::Watermark& entry) const {
    add(digest, entry.request);
    digest.add(static_cast<std::uint64_t>(entry.attempt));
    for (const auto& progress : {entry.tenant, entry.supplier}) {
      add(digest, progress.confirmed);
      add(digest, progress.may_leave);
    }
  }
  void operator()(const ledger::AttemptClosed& entry) const {
    add(digest, entry.request);
    digest.add(static_cast<std::uint64_t>(entry.attempt));
    digest.add(static_cast<std::uint64_t>(entry.outcome));
    add(digest, entry.usage);
    digest.add_signed(entry.owed.count());
  }
  void operator()(const ledger::RequestClosed& entry) const {
    add(digest, entry.request);
    digest.add(static_cast<std::uint64_t>(entry.outcome));
    add(digest, entry.usage);
    digest.add_signed(entry.charged.count());
    digest.add_signed(entry.written_off.count());
  }
  void operator()(const ledger::HoldReleased& entry) const {
    add(digest, entry.request);
    digest.add(static_cast<std::uint64_t>(entry.outcome));
  }
  void operator()(const ledger::RequestRefused& entry) const {
    add(digest, entry.request);
    digest.add(static_cast<std::uint64_t>(entry.why));
  }
  void operator()(const ledger::AccountRegistered& entry) const {
    digest.add(entry.number.value());
    digest.add(entry.path.text());
  }
  // The rest is written by journals and recovery, not by decisions.
  template <typename Other>
  void operator()(const Other&) const {}
};

struct ActionDigest {
  RunDigest& digest;

  void operator()(std::monostate) const {}
  void operator()(const Append& action) const {
    digest.add_signed(action.entry.at.count());
    digest.add(action.entry.body.index());
    std::visit(EntryDigest{digest}, action.entry.body);
  }
  void operator()(const OpenAttempt& action) const {
    add(digest, action.request);
    digest.add(action.attempt);
    digest.add(action.permit.site().value());
    digest.add(action.offer.value());
    digest.add(static_cast<std::uint64_t>(action.take_up));
    digest.add_signed(action.output_limit.count());
    const auto& [connect, headers, first_token, whole_reply, between_tokens, rate_window,
                 rate_tokens, whole] = action.limits;
    for (const Duration limit :
         {connect, headers, first_token, whole_reply, between_tokens, rate_window, whole}) {
      digest.add_signed(limit.count());
    }
    digest.add_signed(rate_tokens.count());
  }
  void operator()(const CancelAttempt& action) const {
    add(digest, action.request);
    digest.add(action.attempt);
  }
  void operator()(const Release& action) const {
    add(digest, action.request);
    digest.add(action.attempt);
    digest.add_signed(action.output.count());
  }
  void operator()(const Finish& action) const { add(digest, action.request); }
  void operator()(const Refuse& action) const {
    add(digest, action.request);
    digest.add_signed(action.retry_after.value_or(Duration(-1)).count());
    digest.add(static_cast<std::uint64_t>(action.last_failure));
    if (action.rate) {
      digest.add(static_cast<std::uint64_t>(action.rate->level));
      digest.add(static_cast<std::uint64_t>(action.rate->limit));
      digest.add_signed(action.rate->allowed);
    }
    if (action.budget) digest.add(static_cast<std::uint64_t>(*action.budget));
  }
  void operator()(const Forget& action) const { add(digest, action.request); }
  void operator()(const Probe& action) const { digest.add(action.site.value()); }
  void operator()(const WakeAt& action) const { digest.add_signed(action.time.count()); }
};

}  // namespace

std::string_view to_string(End end) {
  switch (end) {
    case End::open: return "open";
    case End::answered: return "answered";
    case End::refused_by_law: return "refused_by_law";
    case End::over_budget: return "over_budget";
    case End::over_rate: return "over_rate";
    case End::at_capacity: return "at_capacity";
    case End::sites_unavailable: return "sites_unavailable";
    case End::attempts_failed: return "attempts_failed";
    case End::out_of_time: return "out_of_time";
    case End::client_error: return "client_error";
    case End::cut: return "cut";
    case End::client_gone: return "client_gone";
    case End::asked_to_wait: return "asked_to_wait";
  }
  return "unknown";
}

std::string_view to_string(Exclusion::Why why) {
  switch (why) {
    case Exclusion::Why::circuit_open: return "circuit_open";
    case Exclusion::Why::full: return "full";
    case Exclusion::Why::tried: return "tried";
    case Exclusion::Why::withdrawn: return "withdrawn";
    case Exclusion::Why::asked_to_wait: return "asked_to_wait";
    case Exclusion::Why::cannot_resume: return "cannot_resume";
    case Exclusion::Why::suspected: return "suspected";
    case Exclusion::Why::starting: return "starting";
    case Exclusion::Why::model_missing: return "model_missing";
    case Exclusion::Why::drilled: return "drilled";
    case Exclusion::Why::same_domain: return "same_domain";
  }
  return "unknown";
}

std::string_view to_string(Hedging hedging) {
  switch (hedging) {
    case Hedging::none: return "none";
    case Hedging::won: return "won";
    case Hedging::lost: return "lost";
    case Hedging::dropped: return "dropped";
  }
  return "unknown";
}

std::optional<answer::TakeUp> rescue_of(const Record& record) {
  std::optional<answer::TakeUp> how;
  for (const AttemptRecord& attempt : record.attempts) {
    if (attempt.take_up != answer::TakeUp::anew) how = attempt.take_up;
  }
  return how;
}

std::optional<Duration> first_token_of(const Record& record) {
  for (std::size_t i = record.attempts.size(); i-- > 0;) {
    const AttemptRecord& attempt = record.attempts[i];
    if (attempt.take_up != answer::TakeUp::anew || attempt.outrun) continue;
    if (!attempt.first_token) return std::nullopt;
    return elapsed(record.arrived_at.monotonic, attempt.opened_at.monotonic) + *attempt.first_token;
  }
  return std::nullopt;
}

Hedging hedging_of(const Record& record) {
  const auto hedge = std::ranges::find(record.attempts, true, &AttemptRecord::hedge);
  if (hedge == record.attempts.end()) return Hedging::none;
  if (hedge->first_token) return Hedging::won;
  const bool has_lost = hedge->outrun || hedge->failure != answer::Failure::none;
  return has_lost ? Hedging::lost : Hedging::dropped;
}

bool was_cancelled(const Record& record, const AttemptRecord& attempt) {
  return attempt.failure == answer::Failure::none &&
         (attempt.outrun || record.end != End::answered);
}

const AttemptRecord& telling_attempt(const Record& record) {
  std::size_t last = record.attempts.size() - 1;
  while (last > 0 && record.attempts[last].outrun) --last;
  return record.attempts[last];
}

std::string_view kind_name(const Action& action) {
  static constexpr std::string_view kNames[] = {
      "nothing", "append", "open_attempt", "cancel_attempt", "release",
      "finish",  "refuse", "forget",       "probe",          "wake_at"};
  static_assert(std::size(kNames) == std::variant_size_v<Action>);
  return kNames[action.index()];
}

void add_to(RunDigest& digest, const Action& action) {
  digest.add(action.index());
  std::visit(ActionDigest{digest}, action);
}

}  // namespace hanse::dispatch
