// src/drivers/replay/event_queue.h
// What will happen, in the order in which it will: by time, and at the same
// time by who was put in first, so that a run has one order only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/time.h"

namespace hanse::replay {

template <typename What>
class EventQueue {
 public:
  explicit EventQueue(std::size_t capacity) : capacity_(capacity) {}

  // False, and nothing happens, when full.
  [[nodiscard]] bool try_push(MonotonicTime at, What what) {
    if (waiting_.size() == capacity_) return false;
    waiting_.push_back({at, sequence_++, std::move(what)});
    std::ranges::push_heap(waiting_, later);
    longest_ = std::max(longest_, waiting_.size());
    return true;
  }

  [[nodiscard]] bool empty() const { return waiting_.empty(); }
  [[nodiscard]] std::size_t size() const { return waiting_.size(); }
  // The longest it has been.
  [[nodiscard]] std::size_t longest() const { return longest_; }

  // Requires: not empty.
  [[nodiscard]] MonotonicTime next_time() const {
    HANSE_CHECK(!waiting_.empty());
    return waiting_.front().at;
  }
  // Requires: not empty.
  What pop() {
    HANSE_CHECK(!waiting_.empty());
    std::ranges::pop_heap(waiting_, later);
    What what = std::move(waiting_.back().what);
    waiting_.pop_back();
    return what;
  }

 private:
  struct Waiting {
    MonotonicTime at;
    std::uint64_t sequence = 0;
    What what;
  };

  static bool later(const Waiting& a, const Waiting& b) {
    return a.at != b.at ? a.at > b.at : a.sequence > b.sequence;
  }

  std::size_t capacity_;
  std::vector<Waiting> waiting_;  // a heap, the next one first
  std::uint64_t sequence_ = 0;
  std::size_t longest_ = 0;
};

}  // namespace hanse::replay
