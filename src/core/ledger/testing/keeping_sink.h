// src/core/ledger/testing/keeping_sink.h
// Keeps the entries it is given. Stands in for the journal.
#pragma once

#include <vector>

#include "core/ledger/entry_stream.h"

namespace hanse::ledger::testing {

class KeepingSink final : public EntrySink {
 public:
  Position append(const Entry& entry) override {
    entries.push_back(entry);
    return Position(static_cast<std::int64_t>(entries.size()));
  }
  std::vector<Entry> entries;
};

}  // namespace hanse::ledger::testing
