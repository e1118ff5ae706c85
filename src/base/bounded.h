// src/base/bounded.h
// Containers with a bound, so that every queue, list and buffer says how far
// it may grow. Past the bound the caller is told, nothing is dropped.
#pragma once

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

#include "base/check.h"

namespace hanse {

// Up to `N` values in place, in order; never allocates.
template <typename T, std::size_t N>
class InlineVector {
 public:
  // False, and nothing happens, when full.
  [[nodiscard]] bool try_push(T value) {
    if (size_ == N) return false;
    values_[size_++] = std::move(value);
    return true;
  }
  // Requires: not full.
  T& push(T value) {
    HANSE_CHECK(size_ < N);
    values_[size_] = std::move(value);
    return values_[size_++];
  }
  void clear() { size_ = 0; }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] bool full() const { return size_ == N; }
  static constexpr std::size_t capacity() { return N; }

  T& operator[](std::size_t i) {
    HANSE_CHECK(i < size_);
    return values_[i];
  }
  const T& operator[](std::size_t i) const {
    HANSE_CHECK(i < size_);
    return values_[i];
  }
  T& back() { return (*this)[size_ - 1]; }
  const T& back() const { return (*this)[size_ - 1]; }
  T* begin() { return values_.data(); }
  T* end() { return values_.data() + size_; }
  const T* begin() const { return values_.data(); }
  const T* end() const { return values_.data() + size_; }

 private:
  std::array<T, N> values_{};
  std::size_t size_ = 0;
};

// The same with its values on the heap, for rows that are many and mostly
// short: an empty one costs three words, and clear() keeps the memory.
template <typename T, std::size_t N>
class BoundedVector {
 public:
  // False, and nothing happens, when full.
  [[nodiscard]] bool try_push(T value) {
    if (full()) return false;
    values_.push_back(std::move(value));
    return true;
  }
  // Requires: not full.
  T& push(T value) {
    HANSE_CHECK(!full());
    return values_.emplace_back(std::move(value));
  }
  void clear() { values_.clear(); }

  [[nodiscard]] std::size_t size() const { return values_.size(); }
  [[nodiscard]] bool empty() const { return values_.empty(); }
  [[nodiscard]] bool full() const { return values_.size() == N; }
  static constexpr std::size_t capacity() { return N; }

  T& operator[](std::size_t i) {
    HANSE_CHECK(i < values_.size());
    return values_[i];
  }
  const T& operator[](std::size_t i) const {
    HANSE_CHECK(i < values_.size());
    return values_[i];
  }
  T& back() { return (*this)[values_.size() - 1]; }
  const T& back() const { return (*this)[values_.size() - 1]; }
  auto begin() { return values_.begin(); }
  auto end() { return values_.end(); }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }

 private:
  std::vector<T> values_;
};

}  // namespace hanse
