// src/base/id.h
// Dense indices with a type. An index is valid inside one snapshot of the
// configuration only; what outlives a snapshot is named by its string id.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace hanse {

template <typename Tag>
class Index {
 public:
  constexpr Index() = default;
  constexpr explicit Index(std::size_t value) : value_(static_cast<std::uint32_t>(value)) {}

  // For subscripting the snapshot's tables.
  [[nodiscard]] constexpr std::size_t value() const { return value_; }
  [[nodiscard]] constexpr bool valid() const { return value_ != kNone; }

  constexpr auto operator<=>(const Index&) const = default;

 private:
  static constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t value_ = kNone;
};

using ModelId = Index<struct ModelTag>;
using VariantId = Index<struct VariantTag>;
using AliasId = Index<struct AliasTag>;
using ChipId = Index<struct ChipTag>;
using ClassId = Index<struct ClassTag>;  // a latency class
using SupplierId = Index<struct SupplierTag>;
using SiteId = Index<struct SiteTag>;
using OfferId = Index<struct OfferTag>;
using PolicyId = Index<struct PolicyTag>;
using TenantId = Index<struct TenantTag>;
using ProjectId = Index<struct ProjectTag>;
using KeyId = Index<struct KeyTag>;
using PriceBookId = Index<struct PriceBookTag>;

}  // namespace hanse
