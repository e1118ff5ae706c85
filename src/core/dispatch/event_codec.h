// src/core/dispatch/event_codec.h
// An event as bytes, for recordings: sizes, ids and times, never content.
//
// A change of the snapshot is told by the new snapshot's digest; its text is
// a block of its own in the recording, see recording.h.
#pragma once

#include "base/digest.h"
#include "base/result.h"
#include "base/time.h"
#include "base/wire.h"
#include "core/dispatch/dispatch.h"
#include "core/dispatch/event.h"
#include "core/dispatch/snapshot.h"

namespace hanse::dispatch {

// An event as it was read. `snapshot` is the digest a SnapshotChanged names;
// its pointer is null until the reader's owner has put the snapshot there.
struct ReadEvent {
  Event event;
  Sha256 snapshot;
};

void write_event(const Event& event, WireWriter& out);
// A failure is the reader's, see WireReader::status().
ReadEvent read_event(WireReader& in);

// An instant, told from the one before it. Both writer and reader begin at
// Instant{}.
void write_instant(Instant now, Instant before, WireWriter& out);
Instant read_instant(Instant before, WireReader& in);

// Whether `event` may be given to a Dispatch that has `snapshot` and
// `options`: all ids are rows, the slot exists, counts are not negative, the
// tenant has a price for the alias.
// Whether a slot is free only the Dispatch knows.
// Fails: broken.
Status check_event(const Event& event, const Snapshot& snapshot, const DispatchOptions& options);

// The word for messages and traces: "arrived" and so on.
std::string_view kind_name(const Event& event);

}  // namespace hanse::dispatch
