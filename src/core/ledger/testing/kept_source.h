// src/core/ledger/testing/kept_source.h
// A source of entries out of memory. Stands in for the journal.
#pragma once

#include <utility>
#include <vector>

#include "core/ledger/entry_stream.h"

namespace hanse::ledger::testing {

class KeptSource final : public EntrySource {
 public:
  explicit KeptSource(std::vector<Entry> entries, Position begins_at = {})
      : entries_(std::move(entries)), begins_at_(begins_at) {
    journal_.bytes[0] = 1;
  }

  [[nodiscard]] const JournalId& journal() const override { return journal_; }
  [[nodiscard]] Position begins_at() const override { return begins_at_; }

  Result<bool> next(PlacedEntry& entry) override {
    if (read_ == entries_.size()) return false;
    ++read_;
    entry = {.position = begins_at_ + Position(static_cast<std::int64_t>(read_)),
             .entry = entries_[read_ - 1]};
    return true;
  }

  // For a source that grows, as a journal does.
  void add(const std::vector<Entry>& more) {
    entries_.insert(entries_.end(), more.begin(), more.end());
  }

 private:
  std::vector<Entry> entries_;
  Position begins_at_;
  JournalId journal_;
  std::size_t read_ = 0;
};

}  // namespace hanse::ledger::testing
