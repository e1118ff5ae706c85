// Dispatch against a driver that does anything a driver can do, in any order:
// news of attempts that are over, of requests that never were, counts without
// sense. Whatever it is told, the books must hold; the sensible driver is
// simulated in drivers/replay.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "base/random.h"
#include "core/dispatch/dispatch.h"
#include "core/dispatch/testing/small_grid.h"

namespace hanse::dispatch {
namespace {

using testing::day;
using testing::shared;
using testing::small_grid;

constexpr std::uint32_t kSlots = 6;

ledger::Ledger new_ledger() {
  ledger::Ledger ledger;
  ledger
      .apply({.at = day(0),
              .body = ledger::EpochStarted{.epoch = ledger::Epoch(1), .machine_boot = {}}})
      .value();
  return ledger;
}

class WildDriver {
 public:
  explicit WildDriver(std::uint64_t seed)
      : random_(seed), ledger_(new_ledger()), books_(new_ledger()) {
    DispatchOptions options;
    options.requests_max = kSlots;
    dispatch_.emplace(shared(small_grid()), ledger_,
                      Ports{.budget = treasurer_, .slots = slots_, .health = nobody_}, options,
                      now_);
  }

  void step() {
    now_.monotonic = now_.monotonic + Duration(number() >> 20U);
    now_.wall = now_.wall + Duration(number() >> 20U);
    tell(draw());
  }

  // Ends whatever is open, so that nothing may be left.
  void leave() {
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      if (in_use_[slot]) tell(ClientGone{.request = {slot, generation_[slot]}, .usage = {}});
    }
    RC_ASSERT(dispatch_->open_requests() == 0U);
    RC_ASSERT(books_.open_requests() == 0U);
    RC_ASSERT(books_.open_attempts() == 0U);
    const World& world = dispatch_->world();
    for (std::size_t i = 0; i < world.snapshot->fleet.sites.size(); ++i) {
      RC_ASSERT(dispatch_->attempts_at(SiteId(i)) == 0);
      RC_ASSERT(slots_.taken(world.line(SiteId(i))) == 0);
    }
    for (std::size_t i = 0; i < world.snapshot->fleet.offers.size(); ++i) {
      RC_ASSERT(world.placement.loads().of(OfferId(i)).sequences == 0);
    }
  }

 private:
  std::int64_t number() { return static_cast<std::int64_t>(random_.next() >> 1U); }
  // Small mostly, of any size sometimes, negative now and then.
  Tokens tokens() {
    const std::int64_t any = number() >> random_.below(63);
    return Tokens(random_.below(20) == 0 ? -any : any);
  }
  Usage usage() {
    Usage usage;
    for (const TokenKind kind : kAllTokenKinds) {
      if (random_.below(2) == 0) usage.tokens[kind] = tokens();
    }
    return usage;
  }
  Duration paused() { return Duration(tokens().count()); }
  RequestRef some_request() {
    const auto slot = static_cast<std::uint32_t>(random_.below(kSlots));
    const auto back = static_cast<std::uint32_t>(random_.below(8) == 0 ? 1 : 0);
    return {slot, generation_[slot] - back};
  }
  std::uint8_t some_attempt() { return static_cast<std::uint8_t>(random_.below(4)); }

  Event draw() {
    switch (random_.below(12)) {
      case 0:
      case 1:
      case 2: return arrival();
      case 3:
      case 4: return FirstToken{.request = some_request(), .attempt = some_attempt()};
      case 5:
        return Progressed{.request = some_request(),
                          .attempt = some_attempt(),
                          .output = tokens(),
                          .left = tokens()};
      case 6:
      case 7:
        return AttemptEnded{.request = some_request(),
                            .attempt = some_attempt(),
                            .failure = static_cast<answer::Failure>(random_.below(17)),
                            .usage = usage(),
                            .paused = paused(),
                            .retry_after = {}};
      case 8: return ClientGone{.request = some_request(), .usage = usage(), .paused = paused()};
      case 9:
        return SiteReported{
            .site = SiteId(random_.below(5)),
            .finding = random_.below(3) == 0 ? fleet::Finding::fails : fleet::Finding::answers};
      case 10:
        if (random_.below(2) == 0) return Woke{};
        return SiteDrilled{.site = SiteId(random_.below(5)),
                           .lasts = milliseconds(static_cast<std::int64_t>(random_.below(3'000)))};
      default: return SnapshotChanged{shared(small_grid())};
    }
  }

  Event arrival() {
    const auto slot = static_cast<std::uint32_t>(random_.below(kSlots));
    if (in_use_[slot]) return Woke{};
    Arrived arrived;
    arrived.request = {slot, ++generation_[slot]};
    arrived.key = KeyId(random_.below(3));
    arrived.alias = AliasId(random_.below(2));
    arrived.latency_class = ClassId(random_.below(2));
    arrived.prompt_bytes = number() >> random_.below(63);
    arrived.prompt_tokens_max = Tokens(number() >> random_.below(63));
    arrived.output_limit = Tokens(number() >> random_.below(63));
    arrived.choices = static_cast<std::int32_t>(1 + random_.below(128));
    arrived.prompts = static_cast<std::int32_t>(1 + random_.below(1'000'000));
    arrived.streamed = random_.below(2) == 0;
    return arrived;
  }

  void tell(const Event& event) {
    if (const auto* arrived = std::get_if<Arrived>(&event)) in_use_[arrived->request.slot] = true;
    Actions actions;
    auto progress = dispatch_->on(event, now_, actions);
    while (true) {
      for (const Action& action : actions) take(action);
      if (progress == Dispatch::Progress::done) break;
      actions.clear();
      progress = dispatch_->more(actions);
    }
    RC_ASSERT(books_.position() == ledger_.position());
    RC_ASSERT(books_.imbalance({{'E', 'U', 'R'}}) == 0);
  }

  void take(const Action& action) {
    if (const auto* append = std::get_if<Append>(&action)) {
      const auto posted = books_.apply(append->entry);
      if (!posted) RC_FAIL(posted.error().message);
    } else if (const auto* finish = std::get_if<Finish>(&action)) {
      end(finish->request);
    } else if (const auto* refuse = std::get_if<Refuse>(&action)) {
      end(refuse->request);
    } else if (const auto* forget = std::get_if<Forget>(&action)) {
      end(forget->request);
    }
  }

  void end(RequestRef request) {
    RC_ASSERT(in_use_[request.slot]);
    RC_ASSERT(generation_[request.slot] == request.generation);
    in_use_[request.slot] = false;
  }

  Random random_;
  Instant now_{.monotonic = MonotonicTime(1), .wall = day(0)};
  ledger::Treasurer treasurer_;
  fleet::SlotOwner slots_;
  fleet::NobodyElse nobody_;
  ledger::Ledger ledger_;
  ledger::Ledger books_;  // from the entries alone
  std::optional<Dispatch> dispatch_;
  bool in_use_[kSlots] = {};
  std::uint32_t generation_[kSlots] = {};
};

RC_GTEST_PROP(DispatchProperty, TheBooksHoldWhateverADriverSays, (std::uint64_t seed)) {
  WildDriver driver(seed);
  for (int i = 0; i < 200; ++i) driver.step();
  driver.leave();
}

}  // namespace
}  // namespace hanse::dispatch
