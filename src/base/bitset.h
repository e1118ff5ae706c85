// src/base/bitset.h
// A set of small integers whose universe is known when a snapshot is built:
// sites, offers, labels. Whole-set operations go a word at a time.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"

namespace hanse {

class BitSet {
 public:
  BitSet() = default;
  explicit BitSet(std::size_t size) : size_(size), words_((size + 63) / 64, 0) {}

  static BitSet full(std::size_t size) {
    BitSet set(size);
    for (auto& word : set.words_) word = ~std::uint64_t{0};
    set.clear_tail();
    return set;
  }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool contains(std::size_t i) const {
    HANSE_CHECK(i < size_);
    return ((words_[i / 64] >> (i % 64)) & 1U) != 0;
  }
  void insert(std::size_t i) {
    HANSE_CHECK(i < size_);
    words_[i / 64] |= std::uint64_t{1} << (i % 64);
  }
  void erase(std::size_t i) {
    HANSE_CHECK(i < size_);
    words_[i / 64] &= ~(std::uint64_t{1} << (i % 64));
  }
  // A universe that is now so large; nothing of what is new is in the set.
  // Requires: it does not shrink.
  void grow(std::size_t size) {
    HANSE_CHECK(size >= size_);
    size_ = size;
    words_.resize((size + 63) / 64, 0);
  }
  // Keeps the capacity, so that a scratch set allocates once.
  void assign(const BitSet& other) {
    size_ = other.size_;
    words_.assign(other.words_.begin(), other.words_.end());
  }

  // Requires: both sets have the same size.
  BitSet& operator&=(const BitSet& other) {
    HANSE_CHECK(size_ == other.size_);
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
    return *this;
  }
  BitSet& operator|=(const BitSet& other) {
    HANSE_CHECK(size_ == other.size_);
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
    return *this;
  }
  // Removes what is in `other`.
  BitSet& operator-=(const BitSet& other) {
    HANSE_CHECK(size_ == other.size_);
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= ~other.words_[i];
    return *this;
  }

  [[nodiscard]] bool empty() const {
    for (const auto word : words_) {
      if (word != 0) return false;
    }
    return true;
  }
  [[nodiscard]] std::size_t count() const {
    std::size_t n = 0;
    for (const auto word : words_) n += static_cast<std::size_t>(std::popcount(word));
    return n;
  }

  // Calls `visit(i)` for each member in rising order.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      for (std::uint64_t word = words_[w]; word != 0; word &= word - 1) {
        visit(w * 64 + static_cast<std::size_t>(std::countr_zero(word)));
      }
    }
  }

  bool operator==(const BitSet&) const = default;

 private:
  void clear_tail() {
    if (size_ % 64 != 0) words_.back() &= (std::uint64_t{1} << (size_ % 64)) - 1;
  }

  std::size_t size_ = 0;
  std::vector<std::uint64_t> words_;
};

}  // namespace hanse
