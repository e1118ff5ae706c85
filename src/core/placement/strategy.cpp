#include "core/placement/strategy.h"

#include <map>
#include <utility>

#include "base/check.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace hanse::placement {
namespace {

using Registry = std::map<std::string, StrategyFactory, std::less<>>;

// Inside a function, so that it is there for whichever file registers first.
Registry& registry() {
  static Registry strategies;
  return strategies;
}

}  // namespace

bool register_strategy(std::string_view name, StrategyFactory factory) {
  HANSE_CHECK(registry().emplace(name, std::move(factory)).second);
  return true;
}

std::vector<std::string> strategy_names() {
  std::vector<std::string> names;
  for (const auto& [name, factory] : registry()) names.push_back(name);
  return names;
}

Result<std::unique_ptr<Strategy>> make_strategy(std::string_view name) {
  const auto it = registry().find(name);
  if (it == registry().end()) {
    return fail({ErrorCode::not_found, Fault::client, Retry::no,
                 fmt::format("there is no placement strategy \"{}\"; there are {}", name,
                             fmt::join(strategy_names(), ", "))});
  }
  return it->second();
}

}  // namespace hanse::placement
