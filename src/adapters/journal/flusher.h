// src/adapters/journal/flusher.h
// The thread that makes written entries survive a loss of power: one sync for
// everything that was written since the last, so that the loop never waits for
// a disk. It sleeps while there is nothing to do.
//
// `begin_segment` and `written` belong to the loop's thread; the rest to any.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "adapters/journal/disk.h"
#include "base/time.h"
#include "core/ledger/request_id.h"

namespace hanse::journal {

class Flusher {
 public:
  // `interval` is how long writes gather before they are synced together.
  // `on_change` is called by the flusher's thread after `durable` has risen or
  // the disk has failed; it must be quick and must not call back.
  Flusher(Disk& disk, std::string directory, Duration interval, std::function<void()> on_change);
  // Stops without a last sync.
  ~Flusher();

  // Takes over the files of a segment; what was written before goes to those
  // of the last one. They stay open until the next segment begins and all of
  // this one has been synced.
  void begin_segment(std::unique_ptr<AppendFile> entries, std::unique_ptr<AppendFile> payloads,
                     ledger::Position last);

  // Everything up to `position` has been handed to the operating system.
  void written(ledger::Position position);

  [[nodiscard]] ledger::Position durable() const {
    return ledger::Position(durable_.load(std::memory_order_acquire));
  }
  // How often what was written has been synced.
  [[nodiscard]] std::uint64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }
  // A failed sync is for ever: what the system then still holds is unknown.
  [[nodiscard]] bool failed() const { return failed_.load(std::memory_order_acquire); }
  [[nodiscard]] Status status() const;

  // Whether the disk has taken unusually long over the sync that is under way.
  [[nodiscard]] bool stands() const;

  // Waits until everything written is durable. Not for the loop.
  Status wait_until_durable();

 private:
  struct Segment {
    std::unique_ptr<AppendFile> entries;
    std::unique_ptr<AppendFile> payloads;
  };

  void run();
  Status sync(std::size_t segments, bool directory);

  Disk& disk_;
  std::string directory_;
  Duration interval_;
  std::function<void()> on_change_;

  std::atomic<std::int64_t> written_{0};
  std::atomic<std::int64_t> durable_{0};
  std::atomic<std::uint64_t> syncs_{0};
  std::atomic<bool> idle_{false};
  std::atomic<std::int64_t> syncing_since_{0};  // nanoseconds of the steady clock; or 0
  std::atomic<bool> failed_{false};

  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable progress_;
  std::vector<std::unique_ptr<Segment>> segments_;  // the last is being written
  bool directory_changed_ = false;
  bool hurry_ = false;
  bool stop_ = false;
  Status status_;

  std::thread thread_;
};

}  // namespace hanse::journal
