// src/core/dispatch/event.h
// What happens to the core. Everything that a decision depends on is in an
// event or in the snapshot, so a list of events with their instants can be
// decided again, bit for bit.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "base/id.h"
#include "base/money.h"
#include "base/time.h"
#include "base/usage.h"
#include "core/answer/answer.h"
#include "core/dispatch/snapshot.h"
#include "core/fleet/health_news.h"
#include "core/fleet/sign_book.h"
#include "core/gate/labels.h"

namespace hanse::dispatch {

// A request as driver and dispatch name it to each other: a slot in a bounded
// table, and how often the slot has been used. Not stable, not for books.
struct RequestRef {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;

  bool operator==(const RequestRef&) const = default;
};

// A client's request, authenticated and read. Sizes only, never content.
struct Arrived {
  RequestRef request;
  KeyId key;
  AliasId alias;
  ClassId latency_class;
  gate::LabelSet labels;
  std::int64_t prompt_bytes = 0;
  // No prompt of these bytes, messages and images can have more tokens.
  Tokens prompt_tokens_max{0};
  Tokens output_limit{0};  // of one choice; the tenant's default is in it
  std::int32_t choices = 1;
  std::int32_t prompts = 1;
  bool streamed = false;
};

// The first part of the answer is here, and may go to the client.
struct FirstToken {
  RequestRef request;
  std::uint8_t attempt = 0;
};

// The answer moved on; told in batches. What has come past the last Release is
// held back by the driver and counts all the same.
struct Progressed {
  RequestRef request;
  std::uint8_t attempt = 0;
  // Counted in deltas for the client, of all attempts: what came, and of that
  // what has been sent on.
  Tokens output{0};
  Tokens left{0};
};

struct AttemptEnded {
  RequestRef request;
  std::uint8_t attempt = 0;
  answer::Failure failure = answer::Failure::none;
  // What the attempt used, as far as it is known.
  Usage usage;
  // What the client's answer has used over all attempts: what it pays for.
  Usage billed = {};
  // As in Progressed, by now.
  Tokens output{0};
  // How what the client has could be gone on with.
  answer::Resumable resumable = answer::Resumable::no;
  // Since the first token, how long the site was not read from because the
  // client took nothing.
  Duration paused{};
  // The site asked for this pause (Retry-After).
  std::optional<Duration> retry_after;
};

// The client hung up, or may not be served any longer (the shard stops).
struct ClientGone {
  RequestRef request;
  // What the attempt under way has used so far, counted here.
  Usage usage;
  Usage billed = {};  // as in AttemptEnded
  Duration paused{};  // as in AttemptEnded
};

// What somebody else than a request of this shard has found out about a site
// of the newest snapshot: a probe, or another shard (fleet::HealthNews).
struct SiteReported {
  SiteId site;
  fleet::Finding finding = fleet::Finding::works;
};

// The time of a WakeAt has come.
struct Woke {};

struct SnapshotChanged {
  SnapshotRef snapshot;
};

// An operator leaves a site of the newest snapshot out on purpose, from now on
// for so long, at most DrillBook::kLongest; for no time: its drill is over.
struct SiteDrilled {
  SiteId site;
  Duration lasts;
};

// What the engine of a site of the newest snapshot has told of itself, asked
// because of a Probe.
struct SiteMeasured {
  SiteId site;
  fleet::Sign sign;
};

using Event = std::variant<Arrived, FirstToken, Progressed, AttemptEnded, ClientGone, SiteReported,
                           Woke, SnapshotChanged, SiteDrilled, SiteMeasured>;

}  // namespace hanse::dispatch
