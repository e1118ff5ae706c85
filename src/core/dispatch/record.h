// src/core/dispatch/record.h
// What an auditor may see of one request: who asked under which snapshot, what
// was foretold, tried, measured and paid. Sizes and names, never content.
//
// A record holds what cannot be computed again. The reasons of the gate are
// not in it: they follow from the snapshot, the labels and the instant.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bounded.h"
#include "base/digest.h"
#include "base/id.h"
#include "base/money.h"
#include "base/time.h"
#include "base/usage.h"
#include "core/answer/answer.h"
#include "core/gate/labels.h"
#include "core/ledger/request_id.h"
#include "core/placement/demand.h"

namespace hanse::dispatch {

inline constexpr std::size_t kAttemptsMax = 8;
inline constexpr std::size_t kExclusionsKept = 8;

// How long each phase of an attempt may take. The first four are measured from
// its opening, as is the last.
struct AttemptLimits {
  Duration connect;
  Duration headers;      // to the head of a streamed reply
  Duration first_token;  // of one
  // To the whole of a reply in one piece: its first byte comes with its last.
  Duration whole_reply;
  Duration between_tokens;
  // In any such time at least so many tokens, once there has been one.
  Duration rate_window;
  Tokens rate_tokens{0};
  Duration whole;

  bool operator==(const AttemptLimits&) const = default;
};

// A permitted site that was not a candidate.
struct Exclusion {
  enum class Why : std::uint8_t {
    circuit_open,   // health says that it does not work
    full,           // as many requests as it may have
    tried,          // failed this very request already
    withdrawn,      // retired or gone since the request came
    asked_to_wait,  // wants to be left alone for a while (Retry-After)
    cannot_resume,  // could not go on with what the client has
    suspected,      // several sites of its supplier or country have failed together
    starting,       // has come back, and begins with few requests
    model_missing,  // says that it has no such model
    drilled,        // an operator leaves it out
    same_domain,    // fails together with the site that a hedge is to help out
  };
  SiteId site;
  Why why = Why::circuit_open;

  bool operator==(const Exclusion&) const = default;
};

struct AttemptRecord {
  Instant opened_at;
  SiteId site;
  placement::Decision decision;
  answer::TakeUp take_up = answer::TakeUp::anew;  // of what earlier attempts began
  bool hedge = false;   // opened beside another attempt, which was late
  bool outrun = false;  // given up because the other of the two was first
  InlineVector<Exclusion, kExclusionsKept> excluded;
  AttemptLimits limits;
  std::optional<Duration> first_token;  // since opened_at
  std::optional<Duration> ended;        // since opened_at
  answer::Failure failure = answer::Failure::none;
  Usage usage;
  Money owed;  // to the supplier
};

// Why a request ended as it did.
enum class End : std::uint8_t {
  open,            // not ended yet
  answered,        // the whole answer went out
  refused_by_law,  // the gate permits no site
  over_budget,
  over_rate,
  at_capacity,        // a permitted site is full or starting, or a bound of ours is reached
  sites_unavailable,  // no permitted site works just now; none was tried
  attempts_failed,    // all that could be tried failed
  out_of_time,        // the class's time limit passed, before an answer or in mid-stream
  client_error,       // the engine says that the request itself is wrong
  cut,                // lost after a part had gone out; the client was told
  client_gone,
  asked_to_wait,  // every permitted site wants to be left alone for a while; none was tried
};

std::string_view to_string(End end);
std::string_view to_string(Exclusion::Why why);

// Whether an answer that broke was gone on with, and how at last; nothing if
// every attempt began it anew.
struct Record;
std::optional<answer::TakeUp> rescue_of(const Record& record);
// From the arrival to the first token that the client could be given: of the
// last attempt that began the answer and was not outrun. Nothing if it had none.
std::optional<Duration> first_token_of(const Record& record);
// How a request's hedge came off.
enum class Hedging : std::uint8_t {
  none,     // it had none
  won,      // the hedge answered, first or alone
  lost,     // the other was first, or the hedge failed
  dropped,  // neither had answered when the request ended
};
std::string_view to_string(Hedging hedging);
Hedging hedging_of(const Record& record);
// Whether an attempt was given up for no failure of its own: the other of two was
// first, or the request ended otherwise.
// Requires: it has ended.
bool was_cancelled(const Record& record, const AttemptRecord& attempt);
// The last attempt that was not outrun: the one whose answer the client has, or
// whose failure it was told. Requires: there is one.
const AttemptRecord& telling_attempt(const Record& record);

struct Record {
  ledger::RequestNumber number;
  Sha256 snapshot;
  Instant arrived_at;
  KeyId key;
  TenantId tenant;
  AliasId alias;
  ClassId latency_class;
  gate::LabelSet labels;
  std::int64_t prompt_bytes = 0;
  Tokens prompt_tokens_max{0};
  Tokens output_limit{0};
  std::int32_t choices = 1;
  bool streamed = false;

  std::uint32_t sites_permitted = 0;
  std::uint32_t sites_refused = 0;
  // Permitted but not asked when no attempt could be made at all.
  InlineVector<Exclusion, kExclusionsKept> excluded;
  BoundedVector<AttemptRecord, kAttemptsMax> attempts;

  End end = End::open;
  Duration took;
  Usage usage;  // what the tenant is charged for
  Money held;
  Money charged;
  Money written_off;
};

}  // namespace hanse::dispatch
