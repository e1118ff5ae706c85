#include "drivers/replay/action_words.h"

#include <fmt/format.h>

namespace hanse::replay {
namespace {

std::string name(dispatch::RequestRef request) {
  return fmt::format("request {}.{}", request.slot, request.generation);
}

// The parts of an entry that are not in every one of its kind.
struct EntryWords {
  std::string operator()(const ledger::HoldOpened& e) const {
    return fmt::format("{} for account {}", to_decimal(e.amount), e.receivable.value());
  }
  std::string operator()(const ledger::AttemptOpened& e) const {
    return fmt::format("{} for account {}", static_cast<int>(e.attempt), e.payable.value());
  }
  std::string operator()(const ledger::Watermark& e) const {
    return fmt::format("{} output up to {}", static_cast<int>(e.attempt),
                       e.supplier.may_leave[TokenKind::output].count());
  }
  std::string operator()(const ledger::AttemptClosed& e) const {
    return fmt::format("{} {} owed {}", static_cast<int>(e.attempt), ledger::to_string(e.outcome),
                       to_decimal(e.owed));
  }
  std::string operator()(const ledger::RequestClosed& e) const {
    return fmt::format("{} charged {} written off {}", ledger::to_string(e.outcome),
                       to_decimal(e.charged), to_decimal(e.written_off));
  }
  std::string operator()(const ledger::HoldReleased& e) const {
    return std::string(ledger::to_string(e.outcome));
  }
  std::string operator()(const ledger::RequestRefused& e) const {
    return std::string(ledger::to_string(e.why));
  }
  std::string operator()(const ledger::AccountRegistered& e) const {
    return fmt::format("{} {}", e.number.value(), e.path.text());
  }
  template <typename Other>
  std::string operator()(const Other&) const {
    return {};
  }
};

struct ActionWords {
  std::string operator()(std::monostate) const { return {}; }
  std::string operator()(const dispatch::Append& a) const {
    return fmt::format("{} {}", ledger::kind_name(a.entry.body),
                       std::visit(EntryWords{}, a.entry.body));
  }
  std::string operator()(const dispatch::OpenAttempt& a) const {
    return fmt::format("{} attempt {} site {} offer {} limit {}, first token within {}",
                       name(a.request), a.attempt, a.permit.site().value(), a.offer.value(),
                       a.output_limit.count(), to_string(a.limits.first_token));
  }
  std::string operator()(const dispatch::CancelAttempt& a) const {
    return fmt::format("{} attempt {}", name(a.request), a.attempt);
  }
  std::string operator()(const dispatch::Release& a) const {
    return fmt::format("{} attempt {} up to {}", name(a.request), a.attempt, a.output.count());
  }
  std::string operator()(const dispatch::Finish& a) const { return name(a.request); }
  std::string operator()(const dispatch::Refuse& a) const {
    std::string words =
        fmt::format("{} last failure {}", name(a.request), answer::to_string(a.last_failure));
    if (a.budget) words += fmt::format(", the budget of the {}", limits::to_string(*a.budget));
    if (a.rate) {
      words += fmt::format(", the {}'s {} {}", limits::to_string(a.rate->level), a.rate->allowed,
                           limits::to_string(a.rate->limit));
    }
    if (a.retry_after) words += ", again in " + to_string(*a.retry_after);
    return words;
  }
  std::string operator()(const dispatch::Forget& a) const { return name(a.request); }
  std::string operator()(const dispatch::Probe& a) const {
    return fmt::format("site {}", a.site.value());
  }
  std::string operator()(const dispatch::WakeAt& a) const {
    return fmt::format("{} after the start", to_string(elapsed(MonotonicTime(), a.time)));
  }
};

}  // namespace

std::string describe(const dispatch::Action& action) {
  return fmt::format("{} {}", dispatch::kind_name(action), std::visit(ActionWords{}, action));
}

}  // namespace hanse::replay
