#include "core/fleet/fleet.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bitset.h"
#include "base/check.h"

namespace hanse::fleet {
namespace {

// `system` and all that it brings with it.
void add(ReachSet& set, const Reach& direct) {
  set.reaches.push_back(direct);
  const auto sovereign = sovereign_of(direct.through);
  if (sovereign) {
    set.reaches.push_back(direct);
    set.reaches.back().system = *sovereign;
  }
  if (is_eu_member(sovereign.value_or(direct.through))) {
    set.reaches.push_back(direct);
    set.reaches.back().system = kEuropeanUnion;
  }
}

// An entity on the way up, and those between the operator and it.
struct Step {
  SupplierId entity;
  std::vector<SupplierId> chain;  // ends with `entity`; empty for the operator
};

void add_entity(ReachSet& set, const Supplier& supplier, const Step& step) {
  if (!supplier.home) {
    set.gaps.push_back({Gap::Fact::home, step.entity});
  } else {
    add(set, {.system = *supplier.home,
              .basis = step.chain.empty() ? Reach::Basis::home : Reach::Basis::parent,
              .through = *supplier.home,
              .entity = step.entity,
              .chain = step.chain});
  }
  if (!supplier.parents_known) set.gaps.push_back({Gap::Fact::parents, step.entity});
}

// "100 %", "33.3333 %".
std::string percent(std::int32_t ppm) {
  std::string text = fmt::format("{}.{:04}", ppm / 10'000, ppm % 10'000);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + " %";
}

std::string control(const Fleet& fleet, SupplierId holder, SupplierId held) {
  const auto& parents = fleet.suppliers[held].parents;
  const auto it = std::ranges::find(parents, holder, &Parent::holder);
  HANSE_CHECK(it != parents.end());
  std::string text = fmt::format("controls {}", title_of(fleet, held));
  if (!it->basis.empty()) text += fmt::format(" by {}", it->basis);
  if (it->share_ppm > 0) text += fmt::format(", {}", percent(it->share_ppm));
  return text;
}

// Why the system of `through` is that of `system`: nothing when they are one.
std::string bridge(const Reach& reach) {
  if (reach.system == reach.through) return {};
  const auto sovereign = sovereign_of(reach.through);
  if (reach.system == kEuropeanUnion) {
    return sovereign ? fmt::format(", a territory of the member state {}", sovereign->text())
                     : std::string(", a member state");
  }
  return fmt::format(", a territory of {}", reach.system.text());
}

}  // namespace

std::string_view title_of(const Fleet& fleet, SupplierId supplier) {
  const Supplier& row = fleet.suppliers[supplier];
  return row.title.empty() ? row.name : row.title;
}

ReachSet reach_of(const Fleet& fleet, SiteId site) {
  ReachSet set;
  const Site& row = fleet.sites[site];
  if (!row.place) {
    set.gaps.push_back({Gap::Fact::place, row.supplier});
  } else {
    add(set, {.system = *row.place,
              .basis = Reach::Basis::place,
              .through = *row.place,
              .entity = {},
              .chain = {}});
  }

  // Breadth first, so that each entity is met by its shortest chain and once.
  BitSet met(fleet.suppliers.size());
  met.insert(row.supplier.value());
  std::vector<Step> steps = {{row.supplier, {}}};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step step = steps[i];
    const Supplier& supplier = fleet.suppliers[step.entity];
    add_entity(set, supplier, step);
    for (const Parent& parent : supplier.parents) {
      if (met.contains(parent.holder.value())) continue;
      met.insert(parent.holder.value());
      steps.push_back({parent.holder, step.chain});
      steps.back().chain.push_back(parent.holder);
    }
  }
  return set;
}

std::string describe(const Fleet& fleet, SiteId site, const Reach& reach) {
  const std::string head = fmt::format("{} reaches it: ", reach.system.text());
  switch (reach.basis) {
    case Reach::Basis::place:
      return head + fmt::format("its machines stand in {}{}", reach.through.text(), bridge(reach));
    case Reach::Basis::home:
      return head + fmt::format("its operator {} has its home in {}{}",
                                title_of(fleet, reach.entity), reach.through.text(), bridge(reach));
    case Reach::Basis::parent: break;
  }
  std::string text = head + fmt::format("{} (home {}{}) ", title_of(fleet, reach.entity),
                                        reach.through.text(), bridge(reach));
  for (std::size_t i = reach.chain.size(); i-- > 0;) {
    const SupplierId held = i > 0 ? reach.chain[i - 1] : fleet.sites[site].supplier;
    text += control(fleet, reach.chain[i], held);
    if (i > 0) text += ", which ";
  }
  return text;
}

std::string describe(const Fleet& fleet, SiteId site, const Gap& gap) {
  switch (gap.fact) {
    case Gap::Fact::place:
      return fmt::format("it is not known where the machines of {} stand", fleet.sites[site].name);
    case Gap::Fact::home:
      return fmt::format("the home of {} is not known", title_of(fleet, gap.entity));
    case Gap::Fact::parents:
      return fmt::format("it is not known who controls {}", title_of(fleet, gap.entity));
  }
  return {};
}

}  // namespace hanse::fleet
