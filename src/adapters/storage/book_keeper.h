// src/adapters/storage/book_keeper.h
// The thread that keeps the books: reads what the journal has written, books
// it in batches, and says how far it has come. A slow or dead store holds up
// nobody: the keeper tries again, the lag grows, and whoever admits requests
// decides at which lag to stop.
//
// It books no further than it is told. Tell it what is durable (the journal's
// on_durable is the place): books that knew entries which a loss of power then
// took from the journal would have to be rebuilt.
//
// Any thread may call any method.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "adapters/storage/books.h"
#include "adapters/storage/projection.h"
#include "base/time.h"
#include "core/ledger/entry_stream.h"

namespace hanse::storage {

// Opens a journal for reading, at or before the entry after `after`, where a
// ledger can begin.
using OpenSource =
    std::function<Result<std::unique_ptr<ledger::EntrySource>>(ledger::Position after)>;

struct BookKeeperOptions {
  // A batch is written when it has so many rows, or nothing more is there.
  std::size_t batch_rows = 4'000;
  // How long what is written gathers before it is booked together.
  Duration gather = milliseconds(20);
  // Between two tries when the store or the journal fails.
  Duration retry = milliseconds(500);
};

class BookKeeper {
 public:
  // Requires: `books` outlives the keeper and is left to its thread.
  BookKeeper(Books& books, OpenSource open, BookKeeperOptions options = {});
  // Stops after the batch that is being written.
  ~BookKeeper();

  // Entries up to here may be booked.
  void written(ledger::Position position);

  [[nodiscard]] ledger::Position booked() const {
    return ledger::Position(booked_.load(std::memory_order_acquire));
  }
  // Entries that may be booked and are not yet.
  [[nodiscard]] std::int64_t lag() const { return written_.load() - booked_.load(); }
  // Why it is not getting on, while it is not.
  [[nodiscard]] std::optional<Error> trouble() const;

  // Waits until all that may be booked has been, or returns what keeps it
  // from being so. Not for the loop.
  Status catch_up();

 private:
  void run();
  // One round: opens if need be, reads to the end, books.
  Status work();
  Status open();
  // True when stopped.
  bool pause(Duration duration);

  Books& books_;
  OpenSource open_;
  BookKeeperOptions options_;

  // Of the thread alone.
  std::unique_ptr<ledger::EntrySource> source_;
  std::optional<Projection> projection_;

  std::atomic<std::int64_t> written_{0};
  std::atomic<std::int64_t> booked_{0};
  std::atomic<bool> idle_{false};

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable progress_;
  std::optional<Error> trouble_;
  std::optional<Error> last_failure_;
  std::uint64_t failures_ = 0;
  bool hurry_ = false;
  bool stop_ = false;

  std::thread thread_;
};

// Books everything that `source` gives into `books`, which has reached at least
// the place where the source begins (an empty store needs one that begins at
// the beginning). Returns how far the books are then.
Result<ledger::Position> book_all(ledger::EntrySource& source, Books& books,
                                  std::size_t batch_rows = 4'000);

}  // namespace hanse::storage
