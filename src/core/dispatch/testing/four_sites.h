// src/core/dispatch/testing/four_sites.h
// A snapshot for tests: the four sites with the prices and the model of
// config/four-sites.toml, and two tenants. For what people will read; where
// bills are worked out in the head, small_grid.h has round prices.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/digest.h"
#include "core/dispatch/snapshot.h"
#include "core/gate/testing/four_sites.h"

namespace hanse::dispatch::testing {

// Prices per million tokens, in millionths of a currency unit: 120'000 is 0.12.
inline TokenPrices prices(std::int64_t prompt, std::int64_t output) {
  TokenPrices prices;
  prices[TokenKind::prompt] = TokenPrice(prompt);
  prices[TokenKind::cached_read] = TokenPrice(prompt / 4);
  prices[TokenKind::cache_write] = TokenPrice(prompt);
  prices[TokenKind::output] = TokenPrice(output);
  prices[TokenKind::reasoning] = TokenPrice(output);
  return prices;
}

class FourSites {
 public:
  FourSites() {
    add_catalog();
    add_fleet();
    add_tenants();
    snapshot_.digest = sha256("four sites");
  }

  // To be changed before it is used; the digest does not follow.
  Snapshot& snapshot() { return snapshot_; }
  [[nodiscard]] const Snapshot& snapshot() const { return snapshot_; }
  [[nodiscard]] SnapshotRef shared() const { return std::make_shared<const Snapshot>(snapshot_); }

  [[nodiscard]] SiteId site(std::string_view name) const {
    return snapshot_.fleet.sites.find(name).value();
  }
  [[nodiscard]] OfferId offer(std::string_view site) const {
    return snapshot_.fleet.offers.find(std::string(site) + "/smollm2/q4").value();
  }
  [[nodiscard]] gate::LabelSet labels(std::string_view text) const {
    return snapshot_.labels.parse(text).value();
  }

 private:
  void add_catalog() {
    catalog::Catalog& catalog = snapshot_.catalog;
    const ModelId model = catalog.models.add({.name = "smollm2", .context_tokens = Tokens(4'096)});
    const VariantId variant =
        catalog.variants.add({.name = "smollm2/q4", .model = model, .precision = "q4_k_m"});
    const ClassId interactive = catalog.classes.add({.name = "interactive",
                                                     .first_token = milliseconds(1'500),
                                                     .per_token = milliseconds(100),
                                                     .time_limit = seconds(60)});
    catalog.classes.add({.name = "batch",
                         .first_token = seconds(30),
                         .per_token = seconds(1),
                         .time_limit = seconds(600)});
    catalog.aliases.add(
        {.name = "smollm2", .model = model, .variants = {variant}, .latency_class = interactive});
    catalog.price_books.add({.name = "standard", .prices = {prices(120'000, 360'000)}});
  }

  // Sites, suppliers, labels and rules are the gate's; here they get prices.
  void add_fleet() {
    gate::testing::World world = gate::testing::four_sites();
    snapshot_.catalog.chips = std::move(world.catalog.chips);
    snapshot_.fleet = std::move(world.fleet);
    snapshot_.labels = std::move(world.labels);
    snapshot_.policies = std::move(world.policies);
    const auto title = [&](std::string_view supplier, std::string title) {
      fleet::Fleet& fleet = snapshot_.fleet;
      fleet.suppliers[fleet.suppliers.find(supplier).value()].title = std::move(title);
    };
    title("elbe-compute", "Elbe Compute GmbH");
    title("rhone-calcul", "Rhone Calcul SAS");
    add_offer("ashburn", prices(40'000, 120'000), milliseconds(85));
    add_offer("frankfurt", prices(50'000, 150'000), milliseconds(8));
    add_offer("hamburg", prices(70'000, 210'000), milliseconds(3));
    add_offer("lyon", prices(90'000, 270'000), milliseconds(14));
  }

  void add_offer(const std::string& name, const TokenPrices& owed, Duration round_trip) {
    fleet::Fleet& fleet = snapshot_.fleet;
    const SiteId at = site(name);
    fleet.sites[at].slots = 4;
    fleet.links[at.value()].round_trip = round_trip;
    fleet.offers.add({.name = name + "/smollm2/q4",
                      .site = at,
                      .variant = VariantId(0),
                      .upstream_model = "smollm2",
                      .prices = owed,
                      .profile = {.first_token = milliseconds(40),
                                  .prefill_tokens_per_second = 400,
                                  .decode_tokens_per_second = 40}});
  }

  void add_tenants() {
    limits::Tenants& tenants = snapshot_.tenants;
    for (const std::string name : {"acme", "zeta"}) {
      limits::Tenant tenant;
      tenant.name = name;
      tenant.title = name == "acme" ? "Acme Machines AG" : "Zeta Hospital";
      tenant.policy = PolicyId(0);
      tenant.price_book = PriceBookId(0);
      tenant.budget = Money(25 * kNanosPerUnit);
      tenant.output_tokens_default = Tokens(256);
      const TenantId id = tenants.tenants.add(std::move(tenant));
      limits::Project project;
      project.name = name + "/web";
      project.tenant = id;
      const ProjectId project_id = tenants.projects.add(std::move(project));
      limits::Key key;
      key.name = name + "/web/laptop";
      key.project = project_id;
      key.tenant = id;
      tenants.keys.add(std::move(key));
    }
  }

  Snapshot snapshot_;
};

}  // namespace hanse::dispatch::testing
