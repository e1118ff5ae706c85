#include "core/ledger/ledger.h"

#include <algorithm>
#include <type_traits>

#include <fmt/format.h>

#include "base/check.h"
#include "core/ledger/ledger_state.h"
#include "core/ledger/refuse.h"

namespace hanse::ledger {
namespace {

template <typename Body>
constexpr bool kIsSeal = std::is_same_v<Body, SealedAccount> || std::is_same_v<Body, SealedHold> ||
                         std::is_same_v<Body, SealedAttempt> || std::is_same_v<Body, SealEnded>;

constexpr std::array kHouseKinds = {
    AccountKind::revenue,           AccountKind::cost,
    AccountKind::write_off,         AccountKind::suspense_receivable,
    AccountKind::suspense_unearned, AccountKind::suspense_payable};

}  // namespace

Ledger::Ledger(LedgerLimits limits) : state_(std::make_unique<State>(limits)) {}
Ledger::~Ledger() = default;
Ledger::Ledger(Ledger&&) noexcept = default;
Ledger& Ledger::operator=(Ledger&&) noexcept = default;

Result<Postings> Ledger::apply(const Entry& entry) {
  State& state = *state_;
  if (entry.at < state.last_at) {
    return refuse(ErrorCode::invalid_input,
                  fmt::format("the clock went backwards: {} after {}", to_iso8601(entry.at),
                              to_iso8601(state.last_at)));
  }
  if (state.begun_in_the_middle && state.epoch == Epoch(0) &&
      !std::holds_alternative<SealBegun>(entry.body)) {
    return refuse(ErrorCode::broken, "a ledger that begins in mid-journal needs a seal first");
  }
  state.now = entry.at;
  Result<Postings> posted = std::visit(
      [&state]<typename Body>(const Body& body) -> Result<Postings> {
        using Mode = SealUnderWay::Mode;
        const Mode mode = state.seal.mode;
        if (kIsSeal<Body> != (mode != Mode::none)) {
          // A crash may have cut a seal short; the next epoch goes on.
          const bool cut_short = std::is_same_v<Body, EpochStarted> && mode == Mode::checking;
          if (!cut_short) {
            return refuse(ErrorCode::conflict, kIsSeal<Body>
                                                   ? "a part of a seal stands outside of a seal"
                                                   : "a seal is interrupted");
          }
        }
        return state.on(body);
      },
      entry.body);
  if (!posted) return posted;
  for (const Posting& posting : *posted) state.registry.post(posting);
  state.last_at = entry.at;
  state.position += Position(1);
  return posted;
}

std::optional<AccountNumber> Ledger::find(std::string_view path) const {
  return state_->registry.find(path);
}

std::size_t Ledger::accounts() const { return state_->registry.size(); }

const Account& Ledger::account(AccountNumber number) const {
  const Account* const account = state_->registry.account(number);
  HANSE_CHECK(account != nullptr);
  return *account;
}

Result<AccountNumber> Ledger::account_for(const AccountPath& path, AccountKind kind,
                                          Currency currency, WallTime at, EntrySink& sink) {
  const auto ensure = [&](const AccountPath& wanted,
                          AccountKind wanted_kind) -> Result<AccountNumber> {
    if (const auto number = find(wanted.text())) {
      const Account& found = account(*number);
      if (found.kind == wanted_kind && found.currency == currency) return *number;
      return refuse(ErrorCode::conflict,
                    fmt::format("account {} is of another kind or currency", wanted.text()));
    }
    const AccountNumber number(accounts());
    const Entry entry{
        .at = std::max(at, last_at()),
        .body = AccountRegistered{
            .number = number, .kind = wanted_kind, .currency = currency, .path = wanted}};
    if (auto applied = apply(entry); !applied) return std::unexpected(std::move(applied.error()));
    sink.append(entry);
    return number;
  };
  for (const AccountKind house : kHouseKinds) {
    if (auto done = ensure(house_path(house, currency), house); !done) return done;
  }
  return ensure(path, kind);
}

Sum Ledger::balance_below(std::string_view prefix, Currency currency) const {
  return state_->registry.balance_below(prefix, currency);
}

Position Ledger::position() const { return state_->position; }
Epoch Ledger::epoch() const { return state_->epoch; }
WallTime Ledger::last_at() const { return state_->last_at; }
std::size_t Ledger::open_requests() const { return state_->open.requests(); }
std::size_t Ledger::open_attempts() const { return state_->open.attempts(); }
bool Ledger::is_open(RequestNumber request) const {
  return std::as_const(state_->open).find(request) != nullptr;
}
std::optional<SealedHold> Ledger::find_request(RequestNumber request) const {
  const OpenRequest* const found = std::as_const(state_->open).find(request);
  if (found == nullptr) return std::nullopt;
  return State::sealed_hold(*found);
}
std::optional<SealedAttempt> Ledger::find_attempt(RequestNumber request,
                                                  AttemptNumber attempt) const {
  OpenRequest* const found = state_->open.find(request);
  const OpenAttempt* const open = found ? state_->open.find(*found, attempt) : nullptr;
  if (open == nullptr) return std::nullopt;
  return State::sealed_attempt(*open);
}
Sum Ledger::imbalance(Currency currency) const { return state_->registry.imbalance(currency); }
std::vector<Currency> Ledger::currencies() const { return state_->registry.currencies(); }

void Ledger::close_open_requests_after_crash(WallTime at, EntrySink& sink) {
  State& state = *state_;
  at = std::max(at, state.last_at);
  const auto write = [&](const EntryBody& body) {
    const Entry entry{.at = at, .body = body};
    HANSE_CHECK(apply(entry).has_value());
    sink.append(entry);
  };
  for (const RequestNumber number : state.open.numbers()) {
    if (number.epoch >= state.epoch) continue;
    OpenRequest& request = *state.open.find(number);
    for (const AttemptNumber attempt : state.open.attempts_of(request)) {
      write(State::lost(*state.open.find(request, attempt)));
    }
    write(State::lost(request));
  }
}

void Ledger::seal(WallTime at, EntrySink& sink) {
  State& state = *state_;
  HANSE_CHECK(state.seal.mode == SealUnderWay::Mode::none);
  at = std::max(at, state.last_at);
  const auto write = [&](const EntryBody& body) {
    const Entry entry{.at = at, .body = body};
    HANSE_CHECK(apply(entry).has_value());
    sink.append(entry);
  };
  write(state.seal_begun());
  for (std::size_t i = 0; i < state.registry.size(); ++i) {
    write(state.sealed_account(AccountNumber(i)));
  }
  for (const RequestNumber number : state.open.numbers()) {
    OpenRequest& request = *state.open.find(number);
    write(State::sealed_hold(request));
    for (const AttemptNumber attempt : state.open.attempts_of(request)) {
      write(State::sealed_attempt(*state.open.find(request, attempt)));
    }
  }
  write(SealEnded{.accounts = static_cast<std::uint32_t>(state.registry.size()),
                  .holds = static_cast<std::uint32_t>(state.open.requests()),
                  .attempts = static_cast<std::uint32_t>(state.open.attempts())});
}

bool Ledger::restoring() const { return state_->seal.mode == SealUnderWay::Mode::restoring; }

void Ledger::begin_at(Position position) {
  HANSE_CHECK(state_->position == Position(0) && state_->registry.size() == 0);
  HANSE_CHECK(position >= Position(0));
  state_->position = position;
  state_->begun_in_the_middle = position > Position(0);
}

}  // namespace hanse::ledger
