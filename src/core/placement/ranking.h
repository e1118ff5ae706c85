// src/core/placement/ranking.h
// The best few of many, kept while a strategy walks over its candidates.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
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

  friend bool operator<(const Ranked& a, const Ranked& b) {
    return a.score == b.score ? a.offer < b.offer : a.score < b.score;
  }
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
    seen_ = 0;
  }

  // Whether a candidate with this score, offered after those with smaller ids,
  // would be kept: lets a strategy skip what it need not compute.
  [[nodiscard]] bool would_keep(const Score& score) const {
    return best_.size() < capacity_ || score < best_.back().score;
  }

  // Requires: offers come in rising order of id, so that of equal scores the
  // one that came first stays ahead.
  void add(OfferId offer, const Score& score) {
    ++seen_;
    if (!would_keep(score)) return;
    insert({score, offer});
  }
  // A candidate that would_keep() said not to keep.
  void skip() { ++seen_; }

  [[nodiscard]] std::span<const Ranked> best() const { return best_; }
  // How many candidates were added or skipped.
  [[nodiscard]] std::uint32_t seen() const { return seen_; }

 private:
  void insert(const Ranked& ranked) {
    if (best_.size() == capacity_) best_.pop_back();
    best_.insert(std::upper_bound(best_.begin(), best_.end(), ranked), ranked);
  }

  std::size_t capacity_;
  std::vector<Ranked> best_;
  std::uint32_t seen_ = 0;
};

}  // namespace hanse::placement
