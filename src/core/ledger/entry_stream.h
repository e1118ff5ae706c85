// src/core/ledger/entry_stream.h
// The two ends of a stream of entries. The journal implements both; the books
// and the command line read from one without knowing the other.
#pragma once

#include "base/result.h"
#include "core/ledger/entry.h"

namespace hanse::ledger {

// Takes entries that a ledger has already applied.
class EntrySink {
 public:
  virtual ~EntrySink() = default;

  // Returns where the entry stands.
  virtual Position append(const Entry& entry) = 0;
};

struct PlacedEntry {
  Position position;
  Entry entry;
};

// Gives entries in order, without gaps.
class EntrySource {
 public:
  virtual ~EntrySource() = default;

  [[nodiscard]] virtual const JournalId& journal() const = 0;
  // What a ledger must be told (Ledger::begin_at) before it is given the first
  // entry; zero at the beginning of a journal, else a seal follows.
  [[nodiscard]] virtual Position begins_at() const = 0;

  // True and the next entry, or false when there is none for now.
  // Fails: broken, naming the place, when the bytes are damaged or forged.
  virtual Result<bool> next(PlacedEntry& entry) = 0;
};

}  // namespace hanse::ledger
