// src/adapters/journal/find_request.h
// How a request ended, as its journal says: the entry that closes it, and where
// its record lies.
//
// Reads little of a long journal. Numbers of requests rise, and the first entry
// of each segment says which had been used up before it, so a few of those lead
// to the segment in which the request came, and reading begins there. Every
// block that is read is checked as JournalReader checks it.
//
// Needs no lock, and may run beside the process that writes.
#pragma once

#include <string>

#include "adapters/journal/disk.h"
#include "adapters/journal/journal_reader.h"
#include "base/result.h"
#include "core/ledger/request_id.h"

namespace hanse::journal {

// The entry that closes the request: request_closed, hold_released,
// request_refused or request_lost.
// Fails: invalid_input for a request of another journal; not_found for one
// that never came, or whose entries are cut off; unavailable, to be tried
// again, while it is under way; what JournalReader says.
Result<PlacedRecord> find_request_end(Disk& disk, const std::string& directory,
                                      const ledger::RequestId& request);

}  // namespace hanse::journal
