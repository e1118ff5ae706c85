// src/drivers/serve/kept_snapshots.h
// Which of the configurations kept for the records may go.
//
// A reload leaves the old configuration in its file, for records that cite it.
// When the last of those has been erased, nobody will read the file again. It
// stays while
//
//   it is in use: the running one, or that of a request under way, whose record
//   is still to come;
//   a record that is kept cites it; who does is remembered, so that the files of
//   records are read about once for each configuration that is cited by them.
//
// What cannot be told counts as cited.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include "adapters/journal/disk.h"
#include "adapters/journal/format.h"
#include "base/digest.h"
#include "base/result.h"
#include "core/dispatch/snapshot.h"
#include "drivers/serve/books_files.h"

namespace hanse::serve {

class KeptSnapshots {
 public:
  // Requires: `disk` outlives it.
  KeptSnapshots(journal::Disk& disk, BooksFiles files);

  // Its file stays as long as anybody holds `snapshot`. To be called before
  // the file is written or relied on. Any thread.
  void use(const dispatch::SnapshotRef& snapshot);

  // Erases those that are neither in use nor cited; returns how many. One
  // thread at a time.
  // Fails: what the disk or a damaged file of records reports; the rest stays.
  Result<std::int64_t> erase_unused();

 private:
  struct Use {
    Sha256 digest;
    std::weak_ptr<const dispatch::Snapshot> snapshot;
  };

  [[nodiscard]] bool in_use(const Sha256& digest) const;
  // Those with a file that are not in use, and not known to be cited.
  Result<std::set<Sha256>> candidates();
  // Takes out of `unknown` what a kept record cites.
  Status find_cited(std::set<Sha256>& unknown);
  [[nodiscard]] bool is_kept(journal::SegmentNumber records) const;

  journal::Disk& disk_;
  const BooksFiles files_;
  // Where a record lies that cites it.
  std::map<Sha256, journal::SegmentNumber> cited_;
  mutable std::mutex mutex_;
  std::vector<Use> uses_;  // guarded by mutex_, which an erasure holds too
};

}  // namespace hanse::serve
