// src/adapters/storage/projection.h
// From entries to rows. Runs the one ledger over all entries, so what reaches
// the books has passed the same rules as on the way into the journal, and what
// the books show is what the ledger says.
//
// Plain state: no I/O, no thread.
#pragma once

#include <cstdint>
#include <vector>

#include "adapters/storage/books.h"
#include "core/ledger/entry_stream.h"
#include "core/ledger/ledger.h"

namespace hanse::storage {

class Projection {
 public:
  // Entries will come from `source`, which begins at or before `booked`, the
  // position that the store has reached.
  Projection(const ledger::EntrySource& source, ledger::Position booked);

  // Adds what the entry comes to. Entries up to `booked` only bring the ledger
  // to where the store is.
  // Fails: broken when the entry does not follow or the ledger refuses it.
  Status take(const ledger::PlacedEntry& placed);

  // What has been taken since the last `next_batch`, with the balances as they
  // are now. Stays the same until an entry is taken.
  const BookBatch& batch();
  [[nodiscard]] bool empty() const { return batch_.last == batch_.after; }
  [[nodiscard]] std::size_t rows() const { return batch_.rows(); }
  void next_batch();

  // The last entry taken.
  [[nodiscard]] ledger::Position taken() const { return taken_; }
  [[nodiscard]] const ledger::Ledger& ledger() const { return ledger_; }

 private:
  void add_rows(const ledger::PlacedEntry& placed, const ledger::Postings& postings);
  void add_postings(const ledger::PlacedEntry& placed, const ledger::Postings& postings,
                    ledger::RequestNumber request, ledger::AttemptNumber attempt);

  ledger::Ledger ledger_;
  ledger::Position booked_;
  ledger::Position taken_;
  BookBatch batch_;
  std::vector<bool> touched_;  // by account
  std::vector<ledger::AccountNumber> touched_accounts_;
  // Of the closing entry that is being taken, before the ledger forgets it.
  ledger::SealedHold hold_;
  ledger::SealedAttempt attempt_;
};

}  // namespace hanse::storage
