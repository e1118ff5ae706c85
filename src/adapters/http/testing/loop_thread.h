// src/adapters/http/testing/loop_thread.h
// A loop on a thread of its own, so that a test can speak to it over blocking
// sockets from the main thread.
#pragma once

#include <chrono>
#include <condition_variable>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "adapters/http/loop.h"

namespace hanse::http::testing {

class LoopThread {
 public:
  explicit LoopThread(LoopOptions options = {}) : loop(options), thread_([this] { loop.run(); }) {}
  ~LoopThread() { join(); }

  // Runs `task` on the loop's thread and returns what it returns.
  template <typename Task>
  auto call(Task task) {
    // Shared, because the result may be read before the task has returned.
    const auto packaged =
        std::make_shared<std::packaged_task<std::invoke_result_t<Task>()>>(std::move(task));
    auto result = packaged->get_future();
    loop.post([packaged] { (*packaged)(); });
    return result.get();
  }

  // Waits until `holds`, asked on the loop's thread, is true; false after ten
  // seconds.
  template <typename Condition>
  bool eventually(Condition holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!call(holds)) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

  void join() {
    if (!thread_.joinable()) return;
    loop.stop();
    thread_.join();
  }

  Loop loop;

 private:
  std::thread thread_;
};

// Notes from the loop's thread that a test waits for.
class Notes {
 public:
  void add(std::string note) {
    const std::lock_guard lock(mutex_);
    notes_.push_back(std::move(note));
    changed_.notify_all();
  }
  // All notes, once there are `count`, or after ten seconds.
  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(10), [&] { return notes_.size() >= count; });
    return notes_;
  }
  std::vector<std::string> all() { return wait_for(0); }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> notes_;
};

}  // namespace hanse::http::testing
