// src/adapters/journal/retention.h
// What lies beside the chain does not stay for ever: files of payloads are
// removed when everything in them is too old, and the oldest first while all of
// them together are too large. The file that is being written stays. The chain
// still verifies, and the entries keep what they hold.
//
// A file is as old as its youngest payload, which came no later than the next
// segment was begun. So how long a payload stays past its time is how long a
// segment is written for (JournalOptions::segment_time).
//
// May run beside the process that writes, on any thread; needs no lock, and
// twice is as good as once.
#pragma once

#include <cstdint>
#include <string>

#include "adapters/journal/disk.h"
#include "base/result.h"
#include "base/time.h"

namespace hanse::journal {

struct RetentionRule {
  Duration retention = kForever;
  std::uint64_t bytes_max = UINT64_MAX;  // of all payload files

  bool operator==(const RetentionRule&) const = default;
};

struct RetentionReport {
  std::int64_t files_removed = 0;
  std::uint64_t bytes_removed = 0;
  std::uint64_t bytes_kept = 0;
};

// Fails: what the disk reports; what was removed before that stays removed.
Result<RetentionReport> erase_old_payloads(Disk& disk, const std::string& directory,
                                           const RetentionRule& rule, WallTime now);

}  // namespace hanse::journal
