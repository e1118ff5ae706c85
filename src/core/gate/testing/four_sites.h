// src/core/gate/testing/four_sites.h
// The fleet and the rules of config/four-sites.toml in a few lines, for tests.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/gate/gate.h"

namespace hanse::gate::testing {

// Midnight UTC, so many days after 2027-01-01.
inline WallTime day(std::int64_t days) {
  constexpr std::int64_t kNewYear2027 = 1'798'761'600;
  return WallTime((kNewYear2027 + days * 86'400) * 1'000'000'000);
}

inline Clause area(Clause::Kind kind, std::vector<std::string> words) {
  return area_clause(kind, words).value();
}

inline Clause certificate(std::string name) {
  Clause clause;
  clause.kind = Clause::Kind::require_certificate;
  clause.certificate = std::move(name);
  return clause;
}

inline Clause chips(Clause::Kind kind, std::vector<ChipId> listed) {
  Clause clause;
  clause.kind = kind;
  clause.chips = std::move(listed);
  return clause;
}

inline Clause suppliers(Clause::Kind kind, std::vector<SupplierId> listed) {
  Clause clause;
  clause.kind = kind;
  clause.suppliers = std::move(listed);
  return clause;
}

struct World {
  catalog::Catalog catalog;
  fleet::Fleet fleet;
  Policies policies;
  LabelVocabulary labels;

  SupplierId supplier(std::string name, std::optional<fleet::Code> home,
                      std::vector<fleet::Parent> parents = {}) {
    fleet::Supplier row;
    row.name = std::move(name);
    row.home = home;
    row.parents = std::move(parents);
    return fleet.suppliers.add(std::move(row));
  }
  SiteId site(std::string name, SupplierId operator_, std::optional<fleet::Code> place,
              std::vector<fleet::Certificate> certificates = {}) {
    fleet::Site row;
    row.name = std::move(name);
    row.supplier = operator_;
    row.place = place;
    row.chip = ChipId(0);
    row.certificates = std::move(certificates);
    fleet.links.emplace_back();
    return fleet.sites.add(std::move(row));
  }
  [[nodiscard]] LabelSet read(std::string_view text) const { return labels.parse(text).value(); }
};

// Certificates end 100 days after 2027-01-01, C5 of hamburg 200 days after.
inline World four_sites() {
  using fleet::Code;
  World world;
  world.catalog.chips.add({.name = "cpu-x86", .title = "x86-64 CPU with AVX2"});
  const SupplierId atlantic = world.supplier("atlantic-cloud", Code("US"));
  world.fleet.suppliers[atlantic].title = "Atlantic Cloud, Inc.";
  const SupplierId germany =
      world.supplier("atlantic-cloud-germany", Code("DE"), {{atlantic, 1'000'000, "shares"}});
  world.fleet.suppliers[germany].title = "Atlantic Cloud Germany GmbH";
  const SupplierId elbe = world.supplier("elbe-compute", Code("DE"));
  const SupplierId rhone = world.supplier("rhone-calcul", Code("FR"));
  const fleet::Certificate iso{"ISO-27001", std::nullopt, day(100)};
  world.site("ashburn", atlantic, Code("US"), {iso});
  world.site("frankfurt", germany, Code("DE"), {iso, {"C5", std::nullopt, day(100)}});
  world.site("hamburg", elbe, Code("DE"), {iso, {"C5", day(10), day(200)}});
  world.site("lyon", rhone, Code("FR"), {iso});

  const LabelSet personal = world.labels.add(Dimension::data, "personal").value();
  const LabelSet eu = world.labels.add(Dimension::subjects, "EU").value();
  world.labels.add(Dimension::subjects, "CH").value();
  const LabelSet health = world.labels.add(Dimension::categories, "health").value();
  world.policies.add({.name = "european-data",
                      .rules = {
                          {"eu-personal-stays-in-the-eu",
                           {personal, eu, {}},
                           {area(Clause::Kind::require_place, {"EU"})}},
                          {"eu-personal-out-of-foreign-reach",
                           {personal, eu, {}},
                           {area(Clause::Kind::deny_reach, {"US", "CN"})}},
                          {"health-needs-hds", {{}, {}, health}, {certificate("HDS")}},
                      }});
  return world;
}

}  // namespace hanse::gate::testing
