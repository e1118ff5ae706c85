#include "core/ledger/entry.h"

namespace hanse::ledger {

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::completed: return "completed";
    case Outcome::failed: return "failed";
    case Outcome::cut: return "cut";
    case Outcome::cancelled: return "cancelled";
    case Outcome::timed_out: return "timed_out";
    case Outcome::lost: return "lost";
  }
  return "unknown";
}

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::by_law: return "by_law";
    case Refusal::over_rate: return "over_rate";
    case Refusal::over_budget: return "over_budget";
    case Refusal::at_capacity: return "at_capacity";
    case Refusal::no_site: return "no_site";
  }
  return "unknown";
}

std::string_view kind_name(const EntryBody& body) {
  struct Name {
    std::string_view operator()(const EpochStarted&) const { return "epoch_started"; }
    std::string_view operator()(const AccountRegistered&) const { return "account_registered"; }
    std::string_view operator()(const HoldOpened&) const { return "hold_opened"; }
    std::string_view operator()(const AttemptOpened&) const { return "attempt_opened"; }
    std::string_view operator()(const Watermark&) const { return "watermark"; }
    std::string_view operator()(const AttemptClosed&) const { return "attempt_closed"; }
    std::string_view operator()(const RequestClosed&) const { return "request_closed"; }
    std::string_view operator()(const HoldReleased&) const { return "hold_released"; }
    std::string_view operator()(const AttemptLost&) const { return "attempt_lost"; }
    std::string_view operator()(const RequestLost&) const { return "request_lost"; }
    std::string_view operator()(const SealBegun&) const { return "seal_begun"; }
    std::string_view operator()(const SealedAccount&) const { return "sealed_account"; }
    std::string_view operator()(const SealedHold&) const { return "sealed_hold"; }
    std::string_view operator()(const SealedAttempt&) const { return "sealed_attempt"; }
    std::string_view operator()(const SealEnded&) const { return "seal_ended"; }
    std::string_view operator()(const RequestRefused&) const { return "request_refused"; }
  };
  return std::visit(Name{}, body);
}

}  // namespace hanse::ledger
