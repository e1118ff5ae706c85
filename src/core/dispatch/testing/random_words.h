// src/core/dispatch/testing/random_words.h
// Records and events drawn by chance: any value a member can hold, small ones
// more often, as in life.
#pragma once

#include <string>

#include "base/random.h"
#include "core/dispatch/event.h"
#include "core/dispatch/record.h"
#include "core/dispatch/record_codec.h"

namespace hanse::dispatch::testing {

class RandomWords {
 public:
  explicit RandomWords(std::uint64_t seed) : random_(seed) {}

  std::uint64_t word() { return random_.next() >> random_.below(64); }
  std::int64_t number() {
    const auto magnitude = static_cast<std::int64_t>(word() >> 1U);
    return random_.below(4) == 0 ? -magnitude : magnitude;
  }
  std::uint32_t word32() { return static_cast<std::uint32_t>(random_.next() >> (32 + below(32))); }
  std::int32_t number32() { return static_cast<std::int32_t>(word32()); }
  std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
  bool coin() { return below(2) == 1; }

  template <typename Unit>
  Unit quantity() {
    return Unit(number());
  }
  template <typename Id>
  Id id() {
    return below(8) == 0 ? Id() : Id(below(4) == 0 ? word32() : below(50));
  }
  template <typename Enum>
  Enum one_of(Enum last) {
    return static_cast<Enum>(below(static_cast<std::uint64_t>(last) + 1));
  }
  Instant instant() { return {quantity<MonotonicTime>(), quantity<WallTime>()}; }
  std::optional<Duration> maybe_duration() {
    if (coin()) return std::nullopt;
    return quantity<Duration>();
  }
  std::optional<std::int32_t> maybe_number32() {
    if (coin()) return std::nullopt;
    return number32();
  }
  Sha256 digest() {
    Sha256 digest;
    for (auto& byte : digest.bytes) byte = static_cast<std::uint8_t>(random_.next());
    return digest;
  }
  std::string text(std::size_t size_max) {
    std::string text(below(size_max + 1), '\0');
    for (char& c : text) c = static_cast<char>(random_.next());
    return text;
  }

  Usage usage() {
    Usage usage;
    for (const TokenKind kind : kAllTokenKinds) {
      if (coin()) usage.tokens[kind] = quantity<Tokens>();
    }
    usage.estimated = coin();
    usage.contradicted = coin();
    return usage;
  }

  placement::Prediction prediction() {
    const auto others_wait = coin() ? Duration() : quantity<Duration>();
    return {.first_token = quantity<Duration>(),
            .per_token = quantity<Duration>(),
            .cost = quantity<Money>(),
            .prompt = quantity<Tokens>(),
            .cached = quantity<Tokens>(),
            .output = quantity<Tokens>(),
            .sequences = number32(),
            .promised_first_token = quantity<Duration>(),
            .promised_per_token = quantity<Duration>(),
            .others_wait = others_wait,
            .told_ago = others_wait == Duration() ? Duration() : quantity<Duration>()};
  }

  template <typename Exclusions>
  void fill(Exclusions& excluded) {
    for (auto left = below(kExclusionsKept + 1); left > 0; --left) {
      excluded.push({.site = id<SiteId>(), .why = one_of(Exclusion::Why::same_domain)});
    }
  }

  AttemptRecord attempt() {
    AttemptRecord attempt;
    attempt.opened_at = instant();
    attempt.site = id<SiteId>();
    attempt.decision.chosen = id<OfferId>();
    for (auto left = below(placement::kCandidatesKept + 1); left > 0; --left) {
      attempt.decision.best.push({.offer = id<OfferId>(),
                                  .prediction = prediction(),
                                  .within_objective = coin(),
                                  .reason = one_of(placement::Reason::later_id)});
    }
    attempt.decision.candidates = word32();
    attempt.take_up = one_of(answer::TakeUp::repeated);
    attempt.hedge = coin();
    attempt.outrun = coin();
    fill(attempt.excluded);
    attempt.limits = {.connect = quantity<Duration>(),
                      .headers = quantity<Duration>(),
                      .first_token = quantity<Duration>(),
                      .whole_reply = quantity<Duration>(),
                      .between_tokens = quantity<Duration>(),
                      .rate_window = quantity<Duration>(),
                      .rate_tokens = quantity<Tokens>(),
                      .whole = quantity<Duration>()};
    attempt.first_token = maybe_duration();
    attempt.ended = maybe_duration();
    attempt.failure = one_of(answer::kLastFailure);
    attempt.usage = usage();
    attempt.owed = quantity<Money>();
    return attempt;
  }

  Record record() {
    Record record;
    record.number = {quantity<ledger::Epoch>(), number()};
    record.snapshot = digest();
    record.arrived_at = instant();
    record.key = id<KeyId>();
    record.tenant = id<TenantId>();
    record.alias = id<AliasId>();
    record.latency_class = id<ClassId>();
    record.labels = gate::LabelSet(word());
    record.prompt_bytes = number();
    record.prompt_tokens_max = quantity<Tokens>();
    record.output_limit = quantity<Tokens>();
    record.choices = number32();
    record.streamed = coin();
    record.sites_permitted = word32();
    record.sites_refused = word32();
    fill(record.excluded);
    for (auto left = below(kAttemptsMax + 1); left > 0; --left) record.attempts.push(attempt());
    record.end = one_of(End::client_gone);
    record.took = quantity<Duration>();
    record.usage = usage();
    record.held = quantity<Money>();
    record.charged = quantity<Money>();
    record.written_off = quantity<Money>();
    return record;
  }

  RecordExtras extras() {
    RecordExtras extras;
    if (coin()) {
      for (auto& byte : extras.trace_id) byte = static_cast<std::uint8_t>(random_.next());
    }
    extras.client_request_id = text(RecordExtras::kClientRequestIdBytesMax);
    return extras;
  }

  RequestRef request() { return {word32(), word32()}; }

  // Any kind but SnapshotChanged.
  Event event() {
    switch (below(9)) {
      case 0:
        return Arrived{.request = request(),
                       .key = id<KeyId>(),
                       .alias = id<AliasId>(),
                       .latency_class = id<ClassId>(),
                       .labels = gate::LabelSet(word()),
                       .prompt_bytes = number(),
                       .prompt_tokens_max = quantity<Tokens>(),
                       .output_limit = quantity<Tokens>(),
                       .choices = number32(),
                       .prompts = number32(),
                       .streamed = coin()};
      case 1:
        return FirstToken{.request = request(), .attempt = static_cast<std::uint8_t>(below(256))};
      case 2:
        return Progressed{.request = request(),
                          .attempt = static_cast<std::uint8_t>(below(256)),
                          .output = quantity<Tokens>(),
                          .left = quantity<Tokens>()};
      case 3:
        return AttemptEnded{.request = request(),
                            .attempt = static_cast<std::uint8_t>(below(256)),
                            .failure = one_of(answer::kLastFailure),
                            .usage = usage(),
                            .billed = usage(),
                            .output = quantity<Tokens>(),
                            .resumable = one_of(answer::Resumable::by_appending),
                            .paused = quantity<Duration>(),
                            .retry_after = maybe_duration()};
      case 4:
        return ClientGone{.request = request(),
                          .usage = usage(),
                          .billed = usage(),
                          .paused = quantity<Duration>()};
      case 5: return SiteReported{.site = id<SiteId>(), .finding = one_of(fleet::Finding::answers)};
      case 6: return SiteDrilled{.site = id<SiteId>(), .lasts = quantity<Duration>()};
      case 7:
        return SiteMeasured{
            .site = id<SiteId>(),
            .sign = {.running = number32(), .waiting = number32(), .kv_use_ppm = maybe_number32()}};
      default: return Woke();
    }
  }

 private:
  Random random_;
};

}  // namespace hanse::dispatch::testing
