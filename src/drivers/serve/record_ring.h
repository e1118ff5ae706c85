// src/drivers/serve/record_ring.h
// The newest decision records of a shard, for whoever asks right after a
// request. Older ones are in the journal.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "core/dispatch/snapshot.h"
#include "core/ledger/request_id.h"

namespace hanse::serve {

// Bounded by count; entries are used again, so steady traffic allocates
// nothing.
class RecordRing {
 public:
  explicit RecordRing(std::size_t records_max) : records_max_(records_max) {}

  struct Entry {
    ledger::RequestNumber number;
    WallTime ended_at;
    dispatch::SnapshotRef snapshot;  // that the record's ids belong to
    std::string bytes;               // as record_codec.h writes them
  };

  // The entry to fill for a new record; the oldest one goes.
  Entry& next() {
    if (entries_.size() < records_max_) return entries_.emplace_back();
    Entry& entry = entries_[oldest_];
    oldest_ = (oldest_ + 1) % records_max_;
    entry.bytes.clear();
    return entry;
  }

  // Null when it is not among the newest.
  [[nodiscard]] const Entry* find(ledger::RequestNumber number) const {
    for (const Entry& entry : entries_) {
      if (entry.number == number) return &entry;
    }
    return nullptr;
  }

  // Calls `visit` with up to `most` entries, the newest first.
  template <typename Visit>
  void for_newest(std::size_t most, Visit&& visit) const {
    const std::size_t size = entries_.size();
    for (std::size_t i = 0; i < size && i < most; ++i) {
      visit(entries_[(oldest_ + size - 1 - i) % size]);
    }
  }

 private:
  std::size_t records_max_;
  std::size_t oldest_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace hanse::serve
