// src/base/quantity.h
// Numbers that know their unit. A Quantity is a signed 64-bit integer of one
// unit; units do not mix, and leave only through `count()`.
#pragma once

#include <compare>
#include <cstdint>

namespace hanse {

template <typename Tag>
class Quantity {
 public:
  constexpr Quantity() = default;
  constexpr explicit Quantity(std::int64_t count) : count_(count) {}

  [[nodiscard]] constexpr std::int64_t count() const { return count_; }

  constexpr auto operator<=>(const Quantity&) const = default;

  constexpr Quantity operator-() const { return Quantity(-count_); }
  constexpr Quantity& operator+=(Quantity other) {
    count_ += other.count_;
    return *this;
  }
  constexpr Quantity& operator-=(Quantity other) {
    count_ -= other.count_;
    return *this;
  }
  friend constexpr Quantity operator+(Quantity a, Quantity b) { return a += b; }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return a -= b; }
  friend constexpr Quantity operator*(Quantity a, std::int64_t factor) {
    return Quantity(a.count_ * factor);
  }
  friend constexpr Quantity operator/(Quantity a, std::int64_t divisor) {
    return Quantity(a.count_ / divisor);
  }

 private:
  std::int64_t count_ = 0;
};

}  // namespace hanse
