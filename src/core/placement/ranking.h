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
};

// Holds at most `capacity` candidates, best first; ties break by offer id.
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

  // What a candidate must stay below to be kept: lets a strategy skip what it
  // need not compute.
  [[nodiscard]] const Score& bar() const { return bar_; }

  // Requires: offers come in rising order of id, so that of equal scores the
  // one that came first stays ahead; `score.first` is not the largest number
  // there is.
  void add(OfferId offer, const Score& score) {
    if (score < bar_) insert({score, offer});
  }

  [[nodiscard]] std::span<const Ranked> best() const { return best_; }

 private:
  static constexpr Score kNoBar{std::numeric_limits<std::uint64_t>::max(), 0};

  void insert(const Ranked& ranked) {
    if (best_.size() == capacity_) best_.pop_back();
    const auto better = [](const Ranked& a, const Ranked& b) { return a.score < b.score; };
    best_.insert(std::upper_bound(best_.begin(), best_.end(), ranked, better), ranked);
    if (best_.size() == capacity_) bar_ = best_.back().score;
  }

  std::size_t capacity_;
  std::vector<Ranked> best_;
  Score bar_ = kNoBar;
};

}  // namespace hanse::placement
