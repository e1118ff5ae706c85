// src/core/dispatch/seal_codec.h
// The entries of a seal as bytes: a ledger as it stood when a recording began.
// The journal has its own format for all entries; a recording must be readable
// without one.
#pragma once

#include "base/wire.h"
#include "core/ledger/entry.h"

namespace hanse::dispatch {

// Whether seals are made of such entries.
bool is_of_seal(const ledger::EntryBody& body);

// Requires: is_of_seal().
void write_seal_entry(const ledger::Entry& entry, WireWriter& out);
// A failure is the reader's.
ledger::Entry read_seal_entry(WireReader& in);

}  // namespace hanse::dispatch
