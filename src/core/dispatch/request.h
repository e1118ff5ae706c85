// src/core/dispatch/request.h
// A request under way, as dispatch keeps it. Lives in a slot that is used
// again, so that steady traffic allocates nothing.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "base/bitset.h"
#include "core/dispatch/event.h"
#include "core/dispatch/record.h"
#include "core/dispatch/twin.h"
#include "core/dispatch/world.h"
#include "core/ledger/entry.h"
#include "core/ledger/hold_book.h"
#include "core/limits/fair_queue.h"
#include "core/limits/rate_limiter.h"

namespace hanse::dispatch {

enum class State : std::uint8_t {
  free,       // ended, or never used
  deciding,   // during a call only: what becomes of it is being decided
  queued,     // no attempt is under way; it goes when a site has room and it is its turn
  pausing,    // likewise; a site is asked again when `paused_until` comes
  waiting,    // an attempt is under way and nothing of it has come
  answering,  // its answer has begun
};

// An attempt that is open.
struct UnderWay {
  std::uint8_t index = 0;                   // in the record
  fleet::Trial trial = fleet::Trial::none;  // of its site, if it is watched
  std::unique_ptr<Twin> twin;               // when its request's world is not the newest
};

struct Request {
  // More answers to one request are asked for by mistake or malice.
  static constexpr std::int64_t kSequencesMax = 1 << 20;

  void begin(const Arrived& event, std::shared_ptr<World> now_world, ledger::RequestNumber number,
             Instant now) {
    const Snapshot& snapshot = *now_world->snapshot;
    world = std::move(now_world);
    ref = event.request;
    state = State::deciding;
    hold = {};
    counted_at.reset();
    admission.reset();
    current = {};
    beside.reset();
    hedge_at = {};
    hedged = false;
    may_leave = has_left = output = attempt_base = Tokens(0);
    watermarked = delivered = false;
    resumable = answer::Resumable::no;
    billed = Usage();
    last_failure = answer::Failure::none;
    waits_until = now.monotonic;
    deadline = now.monotonic + snapshot.catalog.classes[event.latency_class].time_limit;

    record.number = number;
    record.snapshot = snapshot.digest;
    record.arrived_at = now;
    record.key = event.key;
    record.tenant = snapshot.tenants.keys[event.key].tenant;
    record.alias = event.alias;
    record.latency_class = event.latency_class;
    record.labels = event.labels;
    record.prompt_bytes = event.prompt_bytes;
    record.prompt_tokens_max = event.prompt_tokens_max;
    record.output_limit = event.output_limit;
    record.choices = static_cast<std::int32_t>(
        std::min(std::int64_t{event.choices} * event.prompts, kSequencesMax));
    record.streamed = event.streamed;
    record.excluded.clear();
    record.attempts.clear();
    record.end = End::open;
    record.queued = Duration();
    record.took = Duration();
    record.usage = Usage();
    record.held = record.charged = record.written_off = Money();

    demand.tenant = record.tenant;
    demand.alias = record.alias;
    demand.latency_class = record.latency_class;
    demand.prompt_bytes = record.prompt_bytes;
    demand.output_limit = record.output_limit;
    demand.choices = record.choices;
    demand.streamed = record.streamed;
    demand.variant = VariantId();
  }

  [[nodiscard]] gate::Question question() const {
    return {.policy = world->snapshot->tenants.tenants[record.tenant].policy,
            .labels = record.labels};
  }
  [[nodiscard]] bool attempt_is_open() const {
    return state == State::waiting || state == State::answering;
  }
  // The current attempt, or the last one that was.
  // Requires: an attempt has been opened.
  AttemptRecord& attempt() { return record.attempts[current.index]; }
  [[nodiscard]] const AttemptRecord& attempt() const { return record.attempts[current.index]; }
  [[nodiscard]] std::uint8_t attempt_index() const { return current.index; }
  [[nodiscard]] ledger::AttemptNumber attempt_number() const {
    return static_cast<ledger::AttemptNumber>(current.index + 1);
  }
  // Makes the open attempt of this index the current one; false when there is none.
  bool turn_to(std::uint8_t index) {
    if (!attempt_is_open()) return false;
    if (beside && beside->index == index) std::swap(current, *beside);
    return current.index == index;
  }
  // The current attempt is over. Requires: there is another beside it.
  void go_on_with_the_other() {
    current = *std::move(beside);
    beside.reset();
  }
  // Requires: attempt_is_open().
  template <typename Visit>
  void for_each_under_way(Visit&& visit) {
    visit(current);
    if (beside) visit(*beside);
  }

  RequestRef ref;
  State state = State::free;
  std::shared_ptr<World> world;
  placement::Demand demand;
  TokenPrices tenant_prices;
  ledger::HoldId hold;
  std::optional<limits::Admission> admission;  // at its rates
  MonotonicTime deadline;
  UnderWay current;                // the attempt that is looked at: mostly the only one
  std::optional<UnderWay> beside;  // the other one, while there are two and none has answered
  MonotonicTime hedge_at;          // of the current attempt, if it has no first token then
  bool hedged = false;             // it had its hedge
  MonotonicTime first_token_at;
  MonotonicTime paused_until;
  limits::Ticket ticket;  // while queued
  MonotonicTime queued_at;
  // What its tenant was counted for it, and at which priority, if it was.
  limits::Served expected;
  std::optional<std::uint8_t> counted_at;
  MonotonicTime waits_until;  // not longer for any site, since the last attempt
  // Of the client's answer, over all attempts, in deltas.
  Tokens may_leave;          // by the last watermark
  Tokens has_left;           // never more
  Tokens output;             // has come, when the last attempt ended
  Tokens attempt_base;       // had come when the attempt under way took the answer up
  bool watermarked = false;  // the attempt under way has been
  bool delivered = false;    // the client has been given a part, or may have
  answer::Resumable resumable = answer::Resumable::no;
  Usage billed;  // for that part
  answer::Failure last_failure = answer::Failure::none;
  BitSet permitted;  // sites that the gate permits and that offer the alias
  Record record;
};

// Where it stands among those who wait: 0 goes first.
std::uint8_t priority_of(const Request& request);
inline constexpr std::uint8_t kQueuePriorities = 1 + catalog::kClassPriorities;

}  // namespace hanse::dispatch
