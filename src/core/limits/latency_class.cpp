#include "core/limits/latency_class.h"

#include <fmt/format.h>

#include <string>

namespace hanse::limits {
namespace {

constexpr std::size_t kShownMax = 64;

// What the client sent, short and printable.
std::string shown(std::string_view text) {
  std::string safe(text.substr(0, kShownMax));
  for (char& c : safe) {
    if (c < ' ' || c > '~' || c == '"') c = '?';
  }
  return safe;
}

}  // namespace

Result<ClassId> resolve_class(const catalog::Catalog& catalog, const Key& key, AliasId alias,
                              std::optional<std::string_view> named) {
  if (!named) return key.latency_class.value_or(catalog.aliases[alias].latency_class);
  if (const auto found = catalog.classes.find(*named)) return *found;
  std::string names;
  for (const catalog::LatencyClass& latency : catalog.classes) {
    if (!names.empty()) names += ", ";
    names += latency.name;
  }
  return invalid_input(
      fmt::format("there is no latency class \"{}\"; there are {}", shown(*named), names));
}

}  // namespace hanse::limits
