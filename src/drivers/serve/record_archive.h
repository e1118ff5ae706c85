// src/drivers/serve/record_archive.h
// The decision records that lie beside the journal, on a thread of their own:
// erases those whose time or room is over, and the configurations that no
// record cites any more; looks up what is asked for and is no longer in memory. The request path
// never waits for either.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "adapters/journal/disk.h"
#include "adapters/journal/retention.h"
#include "adapters/telemetry/record_view.h"
#include "base/result.h"
#include "core/ledger/request_id.h"
#include "drivers/serve/books_files.h"
#include "drivers/serve/kept_snapshots.h"

namespace hanse::serve {

struct RecordArchiveOptions {
  BooksFiles files;
  journal::RetentionRule rule;
  std::function<WallTime()> now;
  // What an erasure came to, of records and then of configurations; called on
  // the archive's thread.
  std::function<void(const Result<journal::RetentionReport>&)> on_erased{};
  std::function<void(const Result<std::int64_t>&)> on_snapshots_erased{};
};

// All but the destructor may be called from any thread.
class RecordArchive {
 public:
  static constexpr std::size_t kLookUpsMax = 16;
  using Told = std::function<void(Result<telemetry::RecordView>)>;

  // Erases at once what is due. `running` is the configuration that records
  // are about to cite; see KeptSnapshots::use(), it may be null where there is
  // none. Requires: `disk` outlives the archive.
  RecordArchive(journal::Disk& disk, RecordArchiveOptions options,
                const dispatch::SnapshotRef& running = nullptr);
  // Look-ups that still wait are told nothing.
  ~RecordArchive();
  RecordArchive(const RecordArchive&) = delete;
  RecordArchive& operator=(const RecordArchive&) = delete;

  // From now on.
  void set_rule(const journal::RetentionRule& rule);
  // Before a configuration's file is written or relied on.
  void use(const dispatch::SnapshotRef& snapshot) { snapshots_.use(snapshot); }
  // The journal has left a segment: there may be something to erase.
  void segment_begun();
  // Calls `told` on the archive's thread. False, and nothing is called, when
  // as many are waiting as may.
  [[nodiscard]] bool look_up(const ledger::RequestId& request, Told told);

 private:
  struct LookUp {
    ledger::RequestId request;
    Told told;
  };

  void run();
  void erase(const journal::RetentionRule& rule);

  journal::Disk& disk_;
  const RecordArchiveOptions options_;
  KeptSnapshots snapshots_;
  std::mutex mutex_;
  std::condition_variable work_;
  journal::RetentionRule rule_;
  std::deque<LookUp> look_ups_;
  bool erase_now_ = false;
  bool stop_ = false;
  std::thread thread_;
};

// For how long a segment may be written when its records are kept for
// `retention`: so much longer may a record stay.
Duration segment_time_for(Duration retention);
// How large a file of records may become when all may take `bytes_max`.
std::uint64_t payload_segment_bytes_for(std::uint64_t bytes_max);

}  // namespace hanse::serve
