#include "adapters/journal/flusher.h"

#include <pthread.h>

#include <chrono>
#include <utility>

namespace hanse::journal {
namespace {

// A sync that takes longer than this is no ordinary one.
constexpr Duration kStandsAfter = milliseconds(100);

std::int64_t steady_nanoseconds() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Flusher::Flusher(Disk& disk, std::string directory, Duration interval,
                 std::function<void()> on_change)
    : disk_(disk),
      directory_(std::move(directory)),
      interval_(interval),
      on_change_(std::move(on_change)),
      thread_([this] { run(); }) {}

Flusher::~Flusher() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_all();
  thread_.join();
}

void Flusher::begin_segment(std::unique_ptr<AppendFile> entries,
                            std::unique_ptr<AppendFile> payloads, ledger::Position last) {
  const std::lock_guard lock(mutex_);
  if (segments_.empty()) {
    // What a start found on the disk has survived.
    written_.store(last.count());
    durable_.store(last.count());
  }
  segments_.push_back(std::make_unique<Segment>(std::move(entries), std::move(payloads)));
  directory_changed_ = true;
}

void Flusher::written(ledger::Position position) {
  written_.store(position.count());
  // Sequentially consistent with the flusher, which announces that it is idle
  // before it looks at written_ a last time.
  if (!idle_.load()) return;
  {
    const std::lock_guard lock(mutex_);
  }
  work_.notify_one();
}

Status Flusher::status() const {
  const std::lock_guard lock(mutex_);
  return status_;
}

bool Flusher::stands() const {
  const std::int64_t since = syncing_since_.load();
  return since != 0 && steady_nanoseconds() - since > kStandsAfter.count();
}

Status Flusher::wait_until_durable() {
  std::unique_lock lock(mutex_);
  hurry_ = true;
  work_.notify_one();
  progress_.wait(lock, [this] { return failed_.load() || durable_.load() == written_.load(); });
  hurry_ = false;
  return status_;
}

void Flusher::run() {
  pthread_setname_np(pthread_self(), "journal-flusher");
  std::unique_lock lock(mutex_);
  while (!stop_ && !failed_.load()) {
    idle_.store(true);
    work_.wait(lock, [this] { return stop_ || written_.load() != durable_.load(); });
    idle_.store(false);
    if (stop_) return;
    if (interval_ > Duration(0)) {
      work_.wait_for(lock, std::chrono::nanoseconds(interval_.count()),
                     [this] { return stop_ || hurry_; });
      if (stop_) return;
    }
    const std::int64_t target = written_.load();
    const std::size_t segments = segments_.size();
    const bool directory = std::exchange(directory_changed_, false);
    lock.unlock();
    syncing_since_.store(steady_nanoseconds());
    Status done = sync(segments, directory);
    syncing_since_.store(0);
    lock.lock();
    if (done) {
      segments_.erase(segments_.begin(),
                      segments_.begin() + static_cast<std::ptrdiff_t>(segments - 1));
      durable_.store(target, std::memory_order_release);
      syncs_.fetch_add(1, std::memory_order_relaxed);
    } else {
      status_ = std::move(done);
      failed_.store(true, std::memory_order_release);
    }
    progress_.notify_all();
    if (on_change_) {
      lock.unlock();
      on_change_();
      lock.lock();
    }
  }
}

// Payloads before the entries that speak of them, older segments before newer.
Status Flusher::sync(std::size_t segments, bool directory) {
  for (std::size_t i = 0; i < segments; ++i) {
    const Segment* segment = nullptr;
    {
      const std::lock_guard lock(mutex_);
      segment = segments_[i].get();
    }
    if (auto done = segment->payloads->sync(); !done) return done;
    if (auto done = segment->entries->sync(); !done) return done;
  }
  if (directory) return disk_.sync_directory(directory_);
  return {};
}

}  // namespace hanse::journal
