// src/adapters/journal/testing/arbitrary_entry.h
// Any entry at all, sensible or not, for property tests.
#pragma once

#include <rapidcheck.h>

#include <string>

#include "adapters/journal/entry_codec.h"

namespace hanse::journal::testing {

inline std::int64_t draw_i64() {
  switch (*rc::gen::inRange(0, 4)) {
    case 0: return 0;
    case 1: return *rc::gen::inRange<std::int64_t>(0, 1'000);
    case 2: return *rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << 33);
    default: return *rc::gen::arbitrary<std::int64_t>();
  }
}

template <typename Value>
PerTokenKind<Value> draw_kinds() {
  PerTokenKind<Value> all;
  for (auto& value : all.values) value = Value(draw_i64());
  return all;
}

inline ledger::Progress draw_progress() {
  return {.confirmed = draw_kinds<Tokens>(), .may_leave = draw_kinds<Tokens>()};
}

inline ledger::RequestNumber draw_request() {
  return {ledger::Epoch(*rc::gen::inRange<std::int64_t>(0, ledger::kEpochMax.count())), draw_i64()};
}

inline ledger::AttemptNumber draw_attempt() {
  return ledger::AttemptNumber{*rc::gen::arbitrary<std::uint8_t>()};
}

inline ledger::AccountNumber draw_account() {
  return ledger::AccountNumber(*rc::gen::arbitrary<std::uint32_t>());
}

inline ledger::Outcome draw_outcome() {
  return static_cast<ledger::Outcome>(*rc::gen::inRange(1, 7));
}

inline Usage draw_usage() {
  return {.tokens = draw_kinds<Tokens>(),
          .estimated = *rc::gen::arbitrary<bool>(),
          .contradicted = *rc::gen::arbitrary<bool>()};
}

inline ledger::Sum draw_sum() {
  return static_cast<ledger::Sum>(draw_i64()) * static_cast<ledger::Sum>(draw_i64());
}

inline ledger::AccountRegistered draw_registered() {
  ledger::AccountRegistered registered;
  registered.number = draw_account();
  registered.kind = static_cast<ledger::AccountKind>(*rc::gen::inRange(1, 9));
  for (char& c : registered.currency.letters) c = *rc::gen::arbitrary<char>();
  const std::string path(*rc::gen::inRange<std::size_t>(1, 241), 'p');
  registered.path = ledger::AccountPath::parse(path).value();
  return registered;
}

inline ledger::HoldOpened draw_hold() {
  return {.request = draw_request(),
          .receivable = draw_account(),
          .amount = Money(draw_i64()),
          .prices = draw_kinds<TokenPrice>()};
}

inline ledger::AttemptOpened draw_opened() {
  return {.request = draw_request(),
          .attempt = draw_attempt(),
          .payable = draw_account(),
          .prices = draw_kinds<TokenPrice>(),
          .tokens_max = draw_kinds<Tokens>()};
}

inline ledger::EntryBody draw_body() {
  using namespace ledger;
  switch (*rc::gen::inRange(0, 16)) {
    case 0: {
      EpochStarted body{.epoch = draw_request().epoch, .machine_boot = {}};
      for (auto& byte : body.machine_boot) byte = *rc::gen::arbitrary<std::uint8_t>();
      return body;
    }
    case 1: return draw_registered();
    case 2: return draw_hold();
    case 3: return draw_opened();
    case 4: {
      const Progress tenant = draw_progress();
      return Watermark{.request = draw_request(),
                       .attempt = draw_attempt(),
                       .tenant = tenant,
                       .supplier = *rc::gen::arbitrary<bool>() ? tenant : draw_progress()};
    }
    case 5:
      return AttemptClosed{.request = draw_request(),
                           .attempt = draw_attempt(),
                           .outcome = draw_outcome(),
                           .usage = draw_usage(),
                           .owed = Money(draw_i64())};
    case 6:
      return RequestClosed{.request = draw_request(),
                           .outcome = draw_outcome(),
                           .usage = draw_usage(),
                           .charged = Money(draw_i64()),
                           .written_off = Money(draw_i64())};
    case 7: return HoldReleased{.request = draw_request(), .outcome = draw_outcome()};
    case 8:
      return AttemptLost{.request = draw_request(),
                         .attempt = draw_attempt(),
                         .progress = draw_progress(),
                         .owed = Money(draw_i64()),
                         .in_doubt = Money(draw_i64())};
    case 9:
      return RequestLost{.request = draw_request(),
                         .progress = draw_progress(),
                         .charged = Money(draw_i64()),
                         .written_off = Money(draw_i64()),
                         .in_doubt = Money(draw_i64())};
    case 10:
      return SealBegun{.epoch = draw_request().epoch,
                       .last_sequence = draw_i64(),
                       .accounts = *rc::gen::arbitrary<std::uint32_t>(),
                       .holds = *rc::gen::arbitrary<std::uint32_t>()};
    case 11:
      return SealedAccount{
          .account = draw_registered(), .debits = draw_sum(), .credits = draw_sum()};
    case 12:
      return SealedHold{.hold = draw_hold(),
                        .opened_at = WallTime(draw_i64()),
                        .opened = Position(draw_i64()),
                        .last_attempt = draw_attempt(),
                        .progress = draw_progress()};
    case 13:
      return SealedAttempt{.attempt = draw_opened(),
                           .opened_at = WallTime(draw_i64()),
                           .watermarked = *rc::gen::arbitrary<bool>(),
                           .progress = draw_progress()};
    case 14:
      return RequestRefused{.request = draw_request(),
                            .why = static_cast<Refusal>(*rc::gen::inRange(1, 6))};
    default:
      return SealEnded{.accounts = *rc::gen::arbitrary<std::uint32_t>(),
                       .holds = *rc::gen::arbitrary<std::uint32_t>(),
                       .attempts = *rc::gen::arbitrary<std::uint32_t>()};
  }
}

inline Record draw_record() {
  Record record{.entry = {.at = WallTime(draw_i64()), .body = draw_body()}, .payload = {}};
  if (*rc::gen::arbitrary<bool>()) {
    record.payload = PayloadMark{.salted_digest = sha256("payload"),
                                 .bytes = *rc::gen::inRange<std::uint32_t>(1, 1'000)};
  }
  return record;
}

}  // namespace hanse::journal::testing
