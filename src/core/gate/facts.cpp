#include "core/gate/facts.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

namespace hanse::gate {
namespace {

using Kind = Clause::Kind;
using Sentences = std::vector<std::string>;
using Breaches = std::optional<Sentences>;

template <typename Value>
bool among(const std::vector<Value>& values, Value value) {
  return std::ranges::find(values, value) != values.end();
}

constexpr std::string_view kMidnight = "T00:00:00.000Z";

// "on 2028-03-31", or with the time of day where it is not midnight.
std::string beginning(WallTime from) {
  std::string text = to_iso8601(from);
  if (text.ends_with(kMidnight)) text.erase(text.size() - kMidnight.size());
  return "on " + text;
}

// `to` is the first instant outside. One that ends at midnight was given by its
// last day, "with 2028-03-31", and people know it by that.
std::string end(WallTime to) {
  std::string text = to_iso8601(to);
  if (!text.ends_with(kMidnight)) return "at " + text;
  text = to_iso8601(WallTime(to.count() - 1));
  text.erase(text.find('T'));
  return "with " + text;
}

Breaches place(const SiteFacts& facts, const Clause& clause) {
  const fleet::Site& site = facts.fleet.sites[facts.site];
  if (!site.place) {
    return Sentences{fmt::format("it is not known where the machines of {} stand", site.name)};
  }
  const auto sovereign = fleet::sovereign_of(*site.place);
  const bool in_territory = sovereign && among(clause.codes, *sovereign);
  const bool listed = among(clause.codes, *site.place);
  const bool kept = clause.kind == Kind::require_place ? listed : !listed && !in_territory;
  if (kept) return std::nullopt;
  if (listed || !sovereign) {
    return Sentences{fmt::format("its machines stand in {}", site.place->text())};
  }
  return Sentences{fmt::format("its machines stand in {}, a territory of {}", site.place->text(),
                               sovereign->text())};
}

Breaches reach(const SiteFacts& facts, const Clause& clause) {
  const bool listed_is_wrong = clause.kind == Kind::deny_reach;
  Sentences sentences;
  for (const fleet::Reach& reach : facts.reach.reaches) {
    if (among(clause.codes, reach.system) != listed_is_wrong) continue;
    sentences.push_back(fleet::describe(facts.fleet, facts.site, reach));
  }
  for (const fleet::Gap& gap : facts.reach.gaps) {
    sentences.push_back(fleet::describe(facts.fleet, facts.site, gap));
  }
  if (sentences.empty()) return std::nullopt;
  return sentences;
}

// Why this one is not in force, or nothing when it is.
std::optional<std::string> lapse(const fleet::Certificate& certificate, WallTime now) {
  if (!certificate.valid_to) {
    return fmt::format("it is not known until when its {} is valid", certificate.name);
  }
  if (*certificate.valid_to <= now) {
    return fmt::format("its {} ended {}", certificate.name, end(*certificate.valid_to));
  }
  if (certificate.valid_from && *certificate.valid_from > now) {
    return fmt::format("its {} begins {}", certificate.name, beginning(*certificate.valid_from));
  }
  return std::nullopt;
}

std::string holds(const fleet::Site& site) {
  if (site.certificates.empty()) return fmt::format("{} holds no certificate", site.name);
  Sentences held;
  for (const fleet::Certificate& certificate : site.certificates) {
    held.push_back(certificate.valid_to
                       ? fmt::format("{} (ends {})", certificate.name, end(*certificate.valid_to))
                       : certificate.name);
  }
  return fmt::format("{} holds {}", site.name, fmt::join(held, ", "));
}

Breaches certificate(const SiteFacts& facts, const Clause& clause) {
  const fleet::Site& site = facts.fleet.sites[facts.site];
  Sentences sentences;
  for (const fleet::Certificate& certificate : site.certificates) {
    if (certificate.name != clause.certificate) continue;
    const auto why = lapse(certificate, facts.now);
    if (!why) return std::nullopt;
    sentences.push_back(*why);
  }
  if (sentences.empty()) sentences.push_back(holds(site));
  return sentences;
}

Breaches chip(const SiteFacts& facts, const Clause& clause) {
  const fleet::Site& site = facts.fleet.sites[facts.site];
  if (!site.chip.valid()) {
    return Sentences{fmt::format("it is not known which chip {} has", site.name)};
  }
  if (among(clause.chips, site.chip) == (clause.kind == Kind::require_chip)) return std::nullopt;
  return Sentences{fmt::format("its chip is {}", facts.catalog.chips[site.chip].name)};
}

Breaches supplier(const SiteFacts& facts, const Clause& clause) {
  const SupplierId supplier = facts.fleet.sites[facts.site].supplier;
  const bool listed = among(clause.suppliers, supplier);
  if (listed == (clause.kind == Kind::require_supplier)) return std::nullopt;
  return Sentences{fmt::format("its operator is {}", fleet::title_of(facts.fleet, supplier))};
}

std::string area(const Clause& clause) {
  if (!clause.area.empty()) return clause.area;
  Sentences codes;
  for (const fleet::Code& code : clause.codes) codes.emplace_back(code.text());
  return fmt::format("{}", fmt::join(codes, " or "));
}

std::string chips(const catalog::Catalog& catalog, const Clause& clause) {
  Sentences names;
  for (const ChipId id : clause.chips) names.push_back(catalog.chips[id].name);
  return fmt::format("{}", fmt::join(names, " or "));
}

std::string suppliers(const fleet::Fleet& fleet, const Clause& clause) {
  Sentences names;
  for (const SupplierId id : clause.suppliers) names.emplace_back(fleet::title_of(fleet, id));
  return fmt::format("{}", fmt::join(names, " or "));
}

}  // namespace

Breaches breaches(const SiteFacts& facts, const Clause& clause) {
  switch (clause.kind) {
    case Kind::require_place:
    case Kind::deny_place: return place(facts, clause);
    case Kind::require_reach:
    case Kind::deny_reach: return reach(facts, clause);
    case Kind::require_certificate: return certificate(facts, clause);
    case Kind::require_chip:
    case Kind::deny_chip: return chip(facts, clause);
    case Kind::require_supplier:
    case Kind::deny_supplier: return supplier(facts, clause);
  }
  return Sentences{"the rule says nothing that is understood"};
}

std::string requirement(const catalog::Catalog& catalog, const fleet::Fleet& fleet,
                        const Clause& clause) {
  switch (clause.kind) {
    case Kind::require_place: return fmt::format("the site must stand in {}", area(clause));
    case Kind::deny_place: return fmt::format("the site may not stand in {}", area(clause));
    case Kind::require_reach:
      return fmt::format("the site may be reached by no law but that of {}", area(clause));
    case Kind::deny_reach:
      return fmt::format("the site may not be reached by the law of {}", area(clause));
    case Kind::require_certificate:
      return fmt::format("the site must hold {}, in force", clause.certificate);
    case Kind::require_chip: return fmt::format("the chip must be {}", chips(catalog, clause));
    case Kind::deny_chip: return fmt::format("the chip may not be {}", chips(catalog, clause));
    case Kind::require_supplier:
      return fmt::format("the operator must be {}", suppliers(fleet, clause));
    case Kind::deny_supplier:
      return fmt::format("the operator may not be {}", suppliers(fleet, clause));
  }
  return "something that is not understood";
}

}  // namespace hanse::gate
