#include "drivers/serve/record_archive.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "drivers/serve/kept_records.h"

namespace hanse::serve {
namespace {

// Nothing tells that time has passed, so it is looked at now and then.
Duration between_erasures(Duration retention) {
  return std::clamp(Duration(retention.count() / 16), seconds(1), seconds(3'600));
}

}  // namespace

Duration segment_time_for(Duration retention) {
  return std::max(Duration(retention.count() / 8), seconds(1));
}

std::uint64_t payload_segment_bytes_for(std::uint64_t bytes_max) {
  return std::min(std::uint64_t{256} << 20U, bytes_max / 8);
}

RecordArchive::RecordArchive(journal::Disk& disk, RecordArchiveOptions options,
                             const dispatch::SnapshotRef& running)
    : disk_(disk),
      options_(std::move(options)),
      snapshots_(disk, options_.files),
      rule_(options_.rule) {
  if (running != nullptr) use(running);
  thread_ = std::thread([this] { run(); });
}

RecordArchive::~RecordArchive() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  work_.notify_one();
  thread_.join();
}

void RecordArchive::set_rule(const journal::RetentionRule& rule) {
  {
    const std::lock_guard lock(mutex_);
    if (rule_ == rule) return;
    rule_ = rule;
    erase_now_ = true;
  }
  work_.notify_one();
}

void RecordArchive::segment_begun() {
  {
    const std::lock_guard lock(mutex_);
    erase_now_ = true;
  }
  work_.notify_one();
}

bool RecordArchive::look_up(const ledger::RequestId& request, Told told) {
  {
    const std::lock_guard lock(mutex_);
    if (look_ups_.size() == kLookUpsMax) return false;
    look_ups_.push_back({.request = request, .told = std::move(told)});
  }
  work_.notify_one();
  return true;
}

void RecordArchive::run() {
  pthread_setname_np(pthread_self(), "record-archive");
  // Requests come before the past. On Linux this concerns the calling thread
  // alone; a refusal changes nothing.
  constexpr int kNice = 5;
  (void)::setpriority(PRIO_PROCESS, 0, kNice);
  using Clock = std::chrono::steady_clock;
  Clock::time_point due = Clock::now();
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait_until(lock, due, [this] { return stop_ || erase_now_ || !look_ups_.empty(); });
    if (stop_) return;
    if (erase_now_ || Clock::now() >= due) {
      erase_now_ = false;
      const journal::RetentionRule rule = rule_;
      lock.unlock();
      erase(rule);
      due = Clock::now() + std::chrono::nanoseconds(between_erasures(rule.retention).count());
      lock.lock();
    }
    if (look_ups_.empty()) continue;
    LookUp next = std::move(look_ups_.front());
    look_ups_.pop_front();
    lock.unlock();
    next.told(find_record(disk_, options_.files, next.request));
    lock.lock();
  }
}

void RecordArchive::erase(const journal::RetentionRule& rule) {
  const auto report =
      journal::erase_old_payloads(disk_, options_.files.journal.string(), rule, options_.now());
  if (options_.on_erased) options_.on_erased(report);
  const auto snapshots = snapshots_.erase_unused();
  if (options_.on_snapshots_erased) options_.on_snapshots_erased(snapshots);
}

}  // namespace hanse::serve
