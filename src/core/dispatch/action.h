// src/core/dispatch/action.h
// What the core tells its driver to do. Actions are in order: whatever follows
// an Append must not be visible outside before that entry has been written.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "base/bounded.h"
#include "base/digest.h"
#include "base/id.h"
#include "base/money.h"
#include "base/time.h"
#include "base/usage.h"
#include "core/dispatch/event.h"
#include "core/dispatch/record.h"
#include "core/gate/gate.h"
#include "core/ledger/entry.h"
#include "core/limits/rate_limiter.h"

namespace hanse::dispatch {

// Write this down. The entry that ends a request says so: its record, final
// by then, belongs beside it.
struct Append {
  ledger::Entry entry;
  std::optional<RequestRef> closes;
};

// Send the request to the permitted site. Answer with FirstToken, Progressed
// and one AttemptEnded.
struct OpenAttempt {
  RequestRef request;
  std::uint8_t attempt = 0;
  gate::Permit permit;
  OfferId offer;
  answer::TakeUp take_up = answer::TakeUp::anew;
  Tokens output_limit;  // of what is asked now: less, when an answer is continued
  AttemptLimits limits;
};

// Give the attempt up at once; it needs no AttemptEnded.
struct CancelAttempt {
  RequestRef request;
  std::uint8_t attempt = 0;
};

// Of the output for the client, of all attempts, this many tokens may have left.
struct Release {
  RequestRef request;
  std::uint8_t attempt = 0;
  Tokens output;
};

// The answer is whole: send what is left of it, with its bill.
struct Finish {
  RequestRef request;
};

// Tell the client why there is no answer: as a status before the first byte,
// as an error event after it. `record(request).end` says why.
struct Refuse {
  RequestRef request;
  // The site's own words for client_error are with the driver.
  std::optional<Duration> retry_after;
  answer::Failure last_failure = answer::Failure::none;
  // Of over_rate: the limit that refused.
  std::optional<limits::RateRefusal> rate = std::nullopt;
  // Of over_budget: whose budget has not so much left.
  std::optional<limits::Level> budget = std::nullopt;
};

// The request has ended without anybody to tell.
struct Forget {
  RequestRef request;
};

// Ask the site's health endpoint, and tell by SiteReported; ask its engine how busy
// it is, and tell by SiteMeasured what it says.
struct Probe {
  SiteId site;
};

struct WakeAt {
  MonotonicTime time;
};

using Action = std::variant<std::monostate, Append, OpenAttempt, CancelAttempt, Release, Finish,
                            Refuse, Forget, Probe, WakeAt>;

// Owned by the caller, filled by Dispatch.
using Actions = InlineVector<Action, 64>;

// Adds everything the action says, so that two runs can be compared.
void add_to(RunDigest& digest, const Action& action);
// The word for messages and traces: "open_attempt" and so on.
std::string_view kind_name(const Action& action);

}  // namespace hanse::dispatch
