// src/core/placement/ranking.h
// The best few of many, kept while a strategy walks over its candidates.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "base/check.h"
#include "base/id.h"

namespace hanse::placement {

// Lower is better: first by `first`, then by `second`. What the two mean is
// the strategy's business. Times, tokens and prices are never negative here.
struct Score {
  std::uint64_t first = 0;
  unsigned __int128 second = 0;

  bool operator==(const Score&) const = default;
  friend bool operator<(const Score& a, const Score& b) {
    return a.first != b.first ? a.first < b.first : a.second < b.second;
  }
};

struct Ranked {
  Score score;
  OfferId offer;
  std::uint64_t cached = 0;  // the tokens that the score reckons with

  friend bool operator<(const Ranked& a, const Ranked& b) {
    return a.score == b.score ? a.offer < b.offer : a.score < b.score;
  }
};

// Holds at most `capacity` candidates, best first; ties break by offer id, in
// whatever order they come.
class Ranking {
 public:
  explicit Ranking(std::size_t capacity) : capacity_(capacity) {
    HANSE_CHECK(capacity > 0);
    best_.reserve(capacity);
  }

  void clear() {
    best_.clear();
    bar_ = kNoBar;
  }

  // What a candidate must not exceed to be kept: lets a strategy skip what it
  // need not compute.
  [[nodiscard]] const Score& bar() const { return bar_.score; }

  // Requires: `score.first` is not the largest number there is.
  void add(const Ranked& candidate) {
    if (candidate < bar_) insert(candidate);
  }

  [[nodiscard]] std::span<const Ranked> best() const { return best_; }

 private:
  static constexpr Ranked kNoBar{{std::numeric_limits<std::uint64_t>::max(), 0}, OfferId(), 0};

  void insert(const Ranked& ranked) {
    if (best_.size() == capacity_) best_.pop_back();
    best_.insert(std::upper_bound(best_.begin(), best_.end(), ranked), ranked);
    if (best_.size() == capacity_) bar_ = best_.back();
  }

  std::size_t capacity_;
  std::vector<Ranked> best_;
  Ranked bar_ = kNoBar;  // the last one kept, once there are enough
};

}  // namespace hanse::placement
