// src/core/placement/testing/small_grid.h
// A catalog and a fleet of as many offers as a test wants, for one alias.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/placement/placement.h"

namespace hanse::placement::testing {

inline Instant at(Duration since_start) {
  return {MonotonicTime(0) + since_start, WallTime(0) + since_start};
}

// What a test wants to say of an offer; the rest is the same for all.
struct Wanted {
  std::int64_t prompt_price = 100;  // pico-units per token
  std::int64_t cached_price = 25;
  std::int64_t output_price = 300;
  Duration first_token = milliseconds(40);
  std::int64_t prefill_per_second = 1'000;
  std::int64_t decode_per_second = 50;
  std::int64_t decode_per_second_full = 0;
  Duration round_trip = milliseconds(10);
  std::int64_t bits_per_second = 1'000'000'000;
  std::int32_t slots = 4;
};

struct Grid {
  catalog::Catalog catalog;
  fleet::Fleet fleet;

  // One site with one offer of the alias; both have the same number.
  OfferId add(const Wanted& wanted) {
    const std::string number = std::to_string(fleet.sites.size());
    fleet::Site site;
    site.name = "site-" + number;
    site.supplier = SupplierId(0);
    site.slots = wanted.slots;
    const SiteId id = fleet.sites.add(std::move(site));
    fleet.links.push_back({wanted.round_trip, wanted.bits_per_second});
    return add_offer(id, wanted);
  }
  OfferId add_offer(SiteId site, const Wanted& wanted) {
    fleet::Offer offer;
    offer.name = "offer-" + std::to_string(fleet.offers.size());
    offer.site = site;
    offer.variant = VariantId(0);
    offer.prices[TokenKind::prompt] = TokenPrice(wanted.prompt_price);
    offer.prices[TokenKind::cached_read] = TokenPrice(wanted.cached_price);
    offer.prices[TokenKind::output] = TokenPrice(wanted.output_price);
    offer.profile = {wanted.first_token, wanted.prefill_per_second, wanted.decode_per_second,
                     wanted.decode_per_second_full};
    return fleet.offers.add(std::move(offer));
  }
  [[nodiscard]] BitSet all() const { return BitSet::full(fleet.sites.size()); }
  [[nodiscard]] Placement placement(std::string_view strategy = "cheapest_within_objective") const {
    return Placement::create(catalog, fleet, strategy).value();
  }
};

// No offers yet; "small" must be there in 1.5 s and write a token in 100 ms.
inline Grid empty_grid() {
  Grid grid;
  const ModelId model = grid.catalog.models.add({"model", Tokens(4'096)});
  const VariantId variant = grid.catalog.variants.add({"model/q4", model, "q4"});
  const ClassId interactive = grid.catalog.classes.add(
      {"interactive", milliseconds(1'500), milliseconds(100), seconds(60)});
  grid.catalog.classes.add({"batch", seconds(30), seconds(1), seconds(600)});
  grid.catalog.aliases.add({"small", model, {variant}, interactive});
  fleet::Supplier supplier;
  supplier.name = "supplier";
  grid.fleet.suppliers.add(std::move(supplier));
  return grid;
}

// 400 bytes of text, which are 100 tokens until more is known; 100 to write.
inline Demand demand() {
  Demand demand;
  demand.tenant = TenantId(0);
  demand.alias = AliasId(0);
  demand.latency_class = ClassId(0);
  demand.prompt_bytes = 400;
  demand.output_limit = Tokens(100);
  return demand;
}

inline Usage usage(std::int64_t prompt, std::int64_t cached, std::int64_t output) {
  Usage usage;
  usage.tokens[TokenKind::prompt] = Tokens(prompt);
  usage.tokens[TokenKind::cached_read] = Tokens(cached);
  usage.tokens[TokenKind::output] = Tokens(output);
  return usage;
}

}  // namespace hanse::placement::testing
