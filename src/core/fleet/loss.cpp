#include "core/fleet/loss.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <vector>

#include "base/nearest_word.h"

namespace hanse::fleet {
namespace {

// What a loss of `kind` would have to be called for `site` to be among what it
// takes.
std::vector<std::string> names_for(const Fleet& fleet, SiteId site, Loss::Kind kind) {
  const Site& row = fleet.sites[site];
  switch (kind) {
    case Loss::Kind::site: return {row.name};
    case Loss::Kind::supplier: return {fleet.suppliers[row.supplier].name};
    case Loss::Kind::country:
      if (!row.place) return {};
      return {std::string(row.place->text())};
    case Loss::Kind::law: break;
  }
  std::vector<std::string> systems;
  for (const Reach& reach : reach_of(fleet, site).reaches) {
    systems.emplace_back(reach.system.text());
  }
  return systems;
}

std::string nothing_lost(const Loss& loss) {
  switch (loss.kind) {
    case Loss::Kind::site: return fmt::format("there is no site '{}' in service", loss.name);
    case Loss::Kind::supplier:
      return fmt::format("no site in service is of a supplier '{}'", loss.name);
    case Loss::Kind::country: return fmt::format("no site in service stands in '{}'", loss.name);
    case Loss::Kind::law: return fmt::format("no site in service is under a law '{}'", loss.name);
  }
  return {};
}

std::unexpected<Error> not_found(const Loss& loss, const std::set<std::string>& known) {
  const std::vector<std::string_view> words(known.begin(), known.end());
  const std::string_view near = nearest_word(loss.name, words);
  constexpr std::size_t kListed = 8;
  std::string hint;
  if (!near.empty()) {
    hint = fmt::format(": did you mean '{}'?", near);
  } else if (words.size() <= kListed) {
    hint = fmt::format(": it may be one of {}", fmt::join(words, ", "));
  }
  return fail({ErrorCode::not_found, Fault::client, Retry::no, nothing_lost(loss) + hint});
}

}  // namespace

std::string_view to_string(Loss::Kind kind) {
  switch (kind) {
    case Loss::Kind::site: return "site";
    case Loss::Kind::supplier: return "supplier";
    case Loss::Kind::country: return "country";
    case Loss::Kind::law: return "law";
  }
  return "unknown";
}

Result<BitSet> sites_lost(const Fleet& fleet, std::span<const Loss> losses) {
  BitSet lost(fleet.sites.size());
  for (const Loss& loss : losses) {
    std::set<std::string> known;
    bool found = false;
    fleet.sites.for_each([&](SiteId id, const Site& site) {
      if (site.retired) return;
      for (std::string& name : names_for(fleet, id, loss.kind)) {
        if (name == loss.name) {
          lost.insert(id.value());
          found = true;
        }
        known.insert(std::move(name));
      }
    });
    if (!found) return not_found(loss, known);
  }
  return lost;
}

}  // namespace hanse::fleet
