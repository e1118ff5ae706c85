// src/core/dispatch/testing/four_sites.h
// A snapshot for tests: four sites under three kinds of law, two tenants, one
// model. The same grid as config/four-sites.toml, smaller.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "core/dispatch/snapshot.h"

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
    add_policies();
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
    catalog.chips.add({.name = "cpu-x86", .title = "x86-64 CPU with AVX2"});
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

  void add_fleet() {
    fleet::Fleet& fleet = snapshot_.fleet;
    const auto supplier = [&](std::string name, std::string title, std::string_view home,
                              std::vector<fleet::Parent> parents = {}) {
      return fleet.suppliers.add({.name = std::move(name),
                                  .title = std::move(title),
                                  .home = fleet::Code(home),
                                  .parents = std::move(parents)});
    };
    const SupplierId us = supplier("atlantic-cloud", "Atlantic Cloud, Inc.", "US");
    const SupplierId german_daughter =
        supplier("atlantic-cloud-germany", "Atlantic Cloud Germany GmbH", "DE",
                 {{.holder = us, .share_ppm = 1'000'000, .basis = "shares"}});
    const SupplierId german = supplier("elbe-compute", "Elbe Compute GmbH", "DE");
    const SupplierId french = supplier("rhone-calcul", "Rhone Calcul SAS", "FR");
    add_site("ashburn", us, "US", prices(40'000, 120'000), milliseconds(85));
    add_site("frankfurt", german_daughter, "DE", prices(50'000, 150'000), milliseconds(8));
    add_site("hamburg", german, "DE", prices(70'000, 210'000), milliseconds(3));
    add_site("lyon", french, "FR", prices(90'000, 270'000), milliseconds(14));
  }

  void add_site(const std::string& name, SupplierId supplier, std::string_view place,
                const TokenPrices& owed, Duration round_trip) {
    fleet::Fleet& fleet = snapshot_.fleet;
    const SiteId site = fleet.sites.add({.name = name,
                                         .supplier = supplier,
                                         .place = fleet::Code(place),
                                         .chip = ChipId(0),
                                         .slots = 4,
                                         .certificates = {},
                                         .engine = {}});
    fleet.offers.add({.name = name + "/smollm2/q4",
                      .site = site,
                      .variant = VariantId(0),
                      .upstream_model = "smollm2",
                      .prices = owed,
                      .profile = {.first_token = milliseconds(40),
                                  .prefill_tokens_per_second = 400,
                                  .decode_tokens_per_second = 40}});
    fleet.links.push_back({.round_trip = round_trip, .bits_per_second = 1'000'000'000});
  }

  void add_policies() {
    gate::LabelVocabulary& labels = snapshot_.labels;
    const gate::LabelSet personal = labels.add(gate::Dimension::data, "personal").value();
    const gate::LabelSet eu = labels.add(gate::Dimension::subjects, "EU").value();
    const gate::LabelSet health = labels.add(gate::Dimension::categories, "health").value();
    const gate::Condition of_eu_people{.data = personal, .subjects = eu, .categories = {}};
    const gate::Condition of_health{.data = {}, .subjects = {}, .categories = health};

    gate::Clause in_the_eu{.kind = gate::Clause::Kind::require_place,
                           .codes = {},
                           .area = "EU",
                           .certificate = {},
                           .chips = {},
                           .suppliers = {}};
    const auto members = fleet::countries_of("EU").value();
    in_the_eu.codes.assign(members.begin(), members.end());
    gate::Clause out_of_reach = in_the_eu;
    out_of_reach.kind = gate::Clause::Kind::deny_reach;
    out_of_reach.codes = {fleet::Code("CN"), fleet::Code("US")};
    out_of_reach.area = "US, CN";
    gate::Clause hds = in_the_eu;
    hds.kind = gate::Clause::Kind::require_certificate;
    hds.codes = {};
    hds.area = "";
    hds.certificate = "HDS";
    snapshot_.policies.add(
        {.name = "european-data",
         .rules = {
             {.name = "eu-personal-stays-in-the-eu", .when = of_eu_people, .clauses = {in_the_eu}},
             {.name = "eu-personal-out-of-foreign-reach",
              .when = of_eu_people,
              .clauses = {out_of_reach}},
             {.name = "health-needs-hds", .when = of_health, .clauses = {hds}},
         }});
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
