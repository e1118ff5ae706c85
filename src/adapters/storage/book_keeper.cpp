#include "adapters/storage/book_keeper.h"

#include <sys/resource.h>

#include <chrono>
#include <map>
#include <utility>

#include <fmt/format.h>

namespace hanse::storage {

using ledger::Position;

BookKeeper::BookKeeper(Books& books, OpenSource open, BookKeeperOptions options)
    : books_(books), open_(std::move(open)), options_(options), thread_([this] { run(); }) {}

BookKeeper::~BookKeeper() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void BookKeeper::written(Position position) {
  std::int64_t before = written_.load();
  while (before < position.count() && !written_.compare_exchange_weak(before, position.count())) {
  }
  // Sequentially consistent with the thread, which announces that it is idle
  // before it looks at written_ a last time.
  if (!idle_.load()) return;
  {
    const std::lock_guard lock(mutex_);
  }
  wake_.notify_one();
}

std::optional<Error> BookKeeper::trouble() const {
  const std::lock_guard lock(mutex_);
  return trouble_;
}

Status BookKeeper::catch_up() {
  std::unique_lock lock(mutex_);
  hurry_ = true;
  wake_.notify_one();
  // A failure that was there before may have been repaired since.
  const std::uint64_t failures = failures_;
  progress_.wait(
      lock, [&] { return stop_ || booked_.load() >= written_.load() || failures_ > failures; });
  hurry_ = false;
  if (booked_.load() >= written_.load()) return {};
  // It may have booked something since, and be out of trouble; not all of it.
  if (failures_ > failures) return std::unexpected(*last_failure_);
  if (trouble_) return std::unexpected(*trouble_);
  return {};
}

void BookKeeper::run() {
  pthread_setname_np(pthread_self(), "book-keeper");
  // On a machine that is short of cores requests come before books. On Linux
  // this concerns the calling thread alone; a refusal changes nothing.
  constexpr int kNice = 5;
  (void)::setpriority(PRIO_PROCESS, 0, kNice);
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      idle_.store(true);
      wake_.wait(lock, [this] { return stop_ || written_.load() > booked_.load(); });
      idle_.store(false);
    }
    if (pause(options_.gather)) return;
    Status done = work();
    {
      const std::lock_guard lock(mutex_);
      if (!done) {
        trouble_ = last_failure_ = done.error();
        ++failures_;
      }
    }
    progress_.notify_all();
    if (!done && pause(options_.retry)) return;
  }
}

Status BookKeeper::work() {
  if (!source_) {
    if (auto opened = open(); !opened) return opened;
  }
  const Position limit(written_.load());
  ledger::PlacedEntry placed;
  for (bool more = true; more;) {
    while (more && projection_->taken() < limit && projection_->rows() < options_.batch_rows) {
      const auto next = source_->next(placed);
      Status taken;
      if (next && *next) taken = projection_->take(placed);
      if (!next || !taken) {
        // What has been read cannot be read on; begin again where the books are.
        source_.reset();
        return next ? taken : std::unexpected(next.error());
      }
      more = *next;
    }
    if (!more && projection_->taken() < limit) {
      return fail({ErrorCode::broken, Fault::us, Retry::later,
                   fmt::format("the journal ends at entry {}, though {} were written",
                               projection_->taken().count(), limit.count())});
    }
    if (projection_->empty()) break;
    const BookBatch& batch = projection_->batch();
    // The batch stays and is written again when the store has recovered.
    if (auto written = books_.write(batch); !written) return written;
    const std::lock_guard lock(mutex_);
    trouble_.reset();
    booked_.store(batch.last.count(), std::memory_order_release);
    projection_->next_batch();
    progress_.notify_all();
    if (stop_) return {};
  }
  return {};
}

Status BookKeeper::open() {
  // Whose journal it is, the source knows; how far the books are, the store.
  auto any = open_(Position(0));
  if (!any) return std::unexpected(std::move(any.error()));
  const auto reached = books_.position((*any)->journal());
  if (!reached) return std::unexpected(reached.error());
  if (*reached > Position(written_.load())) {
    return fail({ErrorCode::conflict, Fault::us, Retry::no,
                 fmt::format("the books know entry {}, but the journal ends at {}: it is another "
                             "one or has lost its end; rebuild the books",
                             reached->count(), written_.load())});
  }
  if (*reached > Position(0)) {
    any = open_(*reached);
    if (!any) return std::unexpected(std::move(any.error()));
  }
  source_ = std::move(*any);
  projection_.emplace(*source_, *reached);
  const std::lock_guard lock(mutex_);
  trouble_.reset();
  booked_.store(reached->count(), std::memory_order_release);
  return {};
}

bool BookKeeper::pause(Duration duration) {
  std::unique_lock lock(mutex_);
  if (duration > Duration(0)) {
    wake_.wait_for(lock, std::chrono::nanoseconds(duration.count()),
                   [this] { return stop_ || hurry_; });
  }
  return stop_;
}

Result<Position> book_all(ledger::EntrySource& source, Books& books, std::size_t batch_rows) {
  auto reached = books.position(source.journal());
  if (!reached) return reached;
  if (*reached < source.begins_at()) {
    return fail({ErrorCode::conflict, Fault::us, Retry::no,
                 fmt::format("the journal begins at entry {}, the books have only {}",
                             source.begins_at().count() + 1, reached->count())});
  }
  Projection projection(source, *reached);
  ledger::PlacedEntry placed;
  for (;;) {
    const auto more = source.next(placed);
    if (!more) return std::unexpected(more.error());
    if (*more) {
      if (auto taken = projection.take(placed); !taken) {
        return std::unexpected(std::move(taken.error()));
      }
      if (projection.rows() < batch_rows) continue;
    }
    if (!projection.empty()) {
      const BookBatch& batch = projection.batch();
      if (auto written = books.write(batch); !written) {
        return std::unexpected(std::move(written.error()));
      }
      reached = batch.last;
      projection.next_batch();
    }
    if (*more) continue;
    if (projection.taken() < *reached) {
      return fail({ErrorCode::conflict, Fault::us, Retry::no,
                   fmt::format("the books know entry {}, but the journal ends at {}",
                               reached->count(), projection.taken().count())});
    }
    return reached;
  }
}

}  // namespace hanse::storage
