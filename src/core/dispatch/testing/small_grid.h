// src/core/dispatch/testing/small_grid.h
// A snapshot for tests: the four sites with a model, prices and tenants.
//
// Prices are round so that bills can be worked out in the head: at ashburn a
// token costs 1 nano-unit, at frankfurt 2, at hamburg 3, at lyon 4, whichever
// its kind; a tenant pays 10.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "core/dispatch/snapshot.h"
#include "core/gate/testing/four_sites.h"

namespace hanse::dispatch::testing {

using gate::testing::day;

inline TokenPrices nanos_per_token(std::int64_t nanos) {
  TokenPrices prices;
  for (TokenPrice& price : prices.values) price = TokenPrice(nanos * 1'000);
  return prices;
}

inline void add_catalog(Snapshot& snapshot) {
  catalog::Catalog& catalog = snapshot.catalog;
  const ModelId model = catalog.models.add({.name = "small", .context_tokens = Tokens(4'096)});
  const VariantId q4 =
      catalog.variants.add({.name = "small/q4", .model = model, .precision = "q4"});
  const VariantId full =
      catalog.variants.add({.name = "small/bf16", .model = model, .precision = "bf16"});
  const ClassId interactive = catalog.classes.add({.name = "interactive",
                                                   .first_token = milliseconds(1'500),
                                                   .per_token = milliseconds(100),
                                                   .time_limit = seconds(60)});
  catalog.classes.add({.name = "batch",
                       .first_token = seconds(30),
                       .per_token = seconds(1),
                       .time_limit = seconds(600)});
  catalog.aliases.add(
      {.name = "any", .model = model, .variants = {q4, full}, .latency_class = interactive});
  catalog.aliases.add(
      {.name = "exact", .model = model, .variants = {full}, .latency_class = interactive});
  catalog.price_books.add(
      {.name = "standard", .prices = {nanos_per_token(10), nanos_per_token(10)}});
}

inline void add_offers(Snapshot& snapshot) {
  fleet::Fleet& fleet = snapshot.fleet;
  const auto offer = [&](SiteId site, const std::string& variant, std::int64_t nanos) {
    fleet.offers.add({.name = fleet.sites[site].name + "/" + variant,
                      .site = site,
                      .variant = *snapshot.catalog.variants.find(variant),
                      .upstream_model = "small",
                      .prices = nanos_per_token(nanos),
                      .profile = {.first_token = milliseconds(40),
                                  .prefill_tokens_per_second = 4'000,
                                  .decode_tokens_per_second = 40}});
  };
  for (std::size_t i = 0; i < fleet.sites.size(); ++i) {
    const SiteId site(i);
    fleet.sites[site].slots = 4;
    fleet.links[i].round_trip = milliseconds(i == 0 ? 80 : 10);
    offer(site, "small/q4", static_cast<std::int64_t>(i) + 1);
  }
  // Only two have the full weights, at a price of their own.
  offer(SiteId(1), "small/bf16", 20);
  offer(SiteId(2), "small/bf16", 30);
}

// A tenant with one project "web" and one key "laptop".
inline KeyId add_tenant(Snapshot& snapshot, const std::string& name, std::optional<Money> budget) {
  limits::Tenants& tenants = snapshot.tenants;
  limits::Tenant tenant;
  tenant.name = name;
  tenant.policy = PolicyId(0);
  tenant.price_book = PriceBookId(0);
  tenant.budget = budget;
  tenant.output_tokens_default = Tokens(256);
  limits::Project project;
  project.name = name + "/web";
  project.tenant = tenants.tenants.add(std::move(tenant));
  limits::Key key;
  key.name = name + "/web/laptop";
  key.tenant = project.tenant;
  key.project = tenants.projects.add(std::move(project));
  return tenants.keys.add(std::move(key));
}

// Tenants: acme has no budget, poor has 1,000 nano-units, thrifty 1,000,000.
inline Snapshot small_grid() {
  gate::testing::World world = gate::testing::four_sites();
  Snapshot snapshot;
  snapshot.catalog.chips = std::move(world.catalog.chips);
  snapshot.fleet = std::move(world.fleet);
  snapshot.labels = std::move(world.labels);
  snapshot.policies = std::move(world.policies);
  add_catalog(snapshot);
  add_offers(snapshot);
  add_tenant(snapshot, "acme", std::nullopt);
  add_tenant(snapshot, "poor", Money(1'000));
  add_tenant(snapshot, "thrifty", Money(1'000'000));
  snapshot.digest = sha256("small grid");
  return snapshot;
}

inline SnapshotRef shared(Snapshot snapshot) {
  return std::make_shared<const Snapshot>(std::move(snapshot));
}

}  // namespace hanse::dispatch::testing
