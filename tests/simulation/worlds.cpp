#include "worlds.h"

#include <array>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/random.h"
#include "core/dispatch/testing/small_grid.h"

namespace hanse::simulation {
namespace {

using dispatch::Snapshot;
using dispatch::testing::day;
using dispatch::testing::nanos_per_token;

// Swiss data stays where a certificate holds, and those end one by one.
void add_certificate_rule(Snapshot& snapshot) {
  const auto swiss = snapshot.labels.find(gate::Dimension::subjects, "CH").value();
  snapshot.policies[PolicyId(0)].rules.push_back(
      {"swiss-needs-iso", {{}, swiss, {}}, {gate::testing::certificate("ISO-27001")}});
}

fleet::Fleet twelve_sites(const Snapshot& small) {
  using fleet::Code;
  fleet::Fleet fleet;
  constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kSuppliers = {
      {{"north", "DE"}, {"south", "FR"}, {"west", "US"}}};
  constexpr std::array<std::string_view, 4> kCountries = {"DE", "FR", "US", "JP"};
  std::int64_t number = 0;
  for (const auto& [supplier_name, home] : kSuppliers) {
    fleet::Supplier supplier;
    supplier.name = supplier_name;
    supplier.home = Code(home);
    const SupplierId owner = fleet.suppliers.add(std::move(supplier));
    for (const std::string_view country : kCountries) {
      fleet::Site site;
      site.name = fmt::format("{}-{}", supplier_name, country);
      site.supplier = owner;
      site.place = Code(country);
      site.chip = ChipId(0);
      site.slots = 8;
      site.certificates = {{"ISO-27001", std::nullopt, day(20 + 5 * number)}};
      const SiteId id = fleet.sites.add(std::move(site));
      fleet.links.push_back({.round_trip = milliseconds(country == "JP" ? 160 : 10 + 5 * number)});
      const auto offer = [&](std::string_view variant, std::int64_t nanos) {
        fleet.offers.add({.name = fmt::format("{}/{}", fleet.sites[id].name, variant),
                          .site = id,
                          .variant = *small.catalog.variants.find(variant),
                          .upstream_model = "small",
                          .prices = nanos_per_token(nanos),
                          .profile = {.first_token = milliseconds(40),
                                      .prefill_tokens_per_second = 8'000,
                                      .decode_tokens_per_second = 80}});
      };
      offer("small/q4", 1 + number % 5);
      if (number % 3 != 0) offer("small/bf16", 6 + number % 4);
      ++number;
    }
  }
  return fleet;
}

// The same sites in the opposite order: every index changes, no name does.
Snapshot with_sites_reversed(Snapshot snapshot) {
  const fleet::Fleet before = std::move(snapshot.fleet);
  const std::size_t last = before.sites.size() - 1;
  snapshot.fleet = {};
  snapshot.fleet.suppliers = before.suppliers;
  for (std::size_t i = 0; i <= last; ++i) {
    snapshot.fleet.sites.add(before.sites[SiteId(last - i)]);
    snapshot.fleet.links.push_back(before.links[last - i]);
  }
  for (std::size_t i = before.offers.size(); i-- > 0;) {
    fleet::Offer offer = before.offers[OfferId(i)];
    offer.site = SiteId(last - offer.site.value());
    snapshot.fleet.offers.add(std::move(offer));
  }
  snapshot.digest = sha256("reversed");
  return snapshot;
}

// A site closes for good, and everybody may spend and ask less than before.
Snapshot with_less(Snapshot snapshot) {
  snapshot.fleet.sites[SiteId(2)].retired = true;
  for (std::size_t i = 0; i < snapshot.tenants.tenants.size(); ++i) {
    snapshot.tenants.tenants[TenantId(i)].budget = Money(20'000);
    snapshot.tenants.keys[KeyId(i)].budget = Money(15'000);
    snapshot.tenants.tenants[TenantId(i)].rates.requests_at_once = 2;
    snapshot.tenants.keys[KeyId(i)].rates.requests_per_minute = 200;
  }
  snapshot.digest = sha256("less");
  return snapshot;
}

Snapshot snapshot_of(const Facts& facts) {
  Snapshot snapshot = dispatch::testing::small_grid();
  add_certificate_rule(snapshot);
  if (facts.grid == Grid::twelve) snapshot.fleet = twelve_sites(snapshot);
  for (std::size_t i = 0; i < snapshot.fleet.sites.size(); ++i) {
    snapshot.fleet.sites[SiteId(i)].engine.continues_chat = (facts.continuing >> i & 1U) != 0;
  }
  if (!facts.budgets) {
    for (std::size_t i = 0; i < snapshot.tenants.tenants.size(); ++i) {
      snapshot.tenants.tenants[TenantId(i)].budget.reset();
    }
  }
  for (std::size_t i = 0; i < facts.rescue.size(); ++i) {
    snapshot.tenants.tenants[TenantId(i)].rescue = facts.rescue[i];
  }
  for (std::size_t i = 0; i < facts.hedge_ppm.size(); ++i) {
    snapshot.catalog.classes[ClassId(i)].hedge_budget_ppm = facts.hedge_ppm[i];
  }
  snapshot.catalog.variants[VariantId(0)].context_tokens = facts.short_context;
  return snapshot;
}

}  // namespace

std::string_view to_string(Grid grid) { return grid == Grid::small ? "small" : "twelve"; }

std::optional<Grid> parse_grid(std::string_view word) {
  for (const Grid grid : {Grid::small, Grid::twelve}) {
    if (word == to_string(grid)) return grid;
  }
  return std::nullopt;
}

Facts draw_facts(std::uint64_t seed) {
  Random random(seed ^ 0x0F1E'2D3C'4B5A'6978U);
  Facts facts;
  facts.grid = random.chance_ppm(350'000) ? Grid::twelve : Grid::small;
  // None, all, or each by itself.
  switch (random.below(3)) {
    case 0: break;
    case 1: facts.continuing = ~0U; break;
    default: facts.continuing = static_cast<std::uint32_t>(random.next()); break;
  }
  facts.continuing &= facts.grid == Grid::small ? 0xFU : 0xFFFU;
  for (int tenant = 0; tenant < 3; ++tenant) {
    const auto drawn = static_cast<std::uint8_t>(random.below(5));
    facts.rescue.push_back(drawn < 3 ? static_cast<limits::Rescue>(drawn)
                                     : limits::Rescue::any_variant);
  }
  if (random.chance_ppm(300'000)) {
    facts.short_context = Tokens(64 + static_cast<std::int64_t>(random.below(2'000)));
  }
  facts.budgets = random.chance_ppm(333'333);
  facts.reloads = random.chance_ppm(300'000);
  for (int latency_class = 0; latency_class < 2; ++latency_class) {
    constexpr std::array<std::int32_t, 4> kBudgets = {20'000, 200'000, 700'000, 1'000'000};
    facts.hedge_ppm.push_back(random.chance_ppm(400'000) ? kBudgets[random.below(4)] : 0);
  }
  return facts;
}

std::vector<dispatch::SnapshotRef> snapshots_of(const Facts& facts) {
  using dispatch::testing::shared;
  Snapshot snapshot = snapshot_of(facts);
  std::vector<dispatch::SnapshotRef> all;
  if (facts.reloads) {
    all = {shared(snapshot), shared(with_sites_reversed(snapshot)), shared(with_less(snapshot))};
  } else {
    all = {shared(std::move(snapshot))};
  }
  return all;
}

}  // namespace hanse::simulation
