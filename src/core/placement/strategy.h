// src/core/placement/strategy.h
// How one of the candidates is chosen: the port that each file in strategies/
// implements.
//
// A strategy is one .cpp file that ends in HANSE_PLACEMENT_STRATEGY(Class,
// "name"); the build finds it and the registry learns of it when the program
// starts. All strategies pass the same suite, strategies_test.cpp.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/placement/demand.h"
#include "core/placement/field.h"
#include "core/placement/ranking.h"

namespace hanse::placement {

class Strategy {
 public:
  virtual ~Strategy() = default;

  // Adds the candidates of `field` to `ranking`, at least those that it keeps;
  // the best one will be chosen. Changes nothing: the same question may be asked
  // for an explanation.
  virtual void rank(Field field, Ranking& ranking) const = 0;

  // Why `other` was not chosen, given both scores.
  // Requires: `other` was ranked behind `chosen`.
  [[nodiscard]] virtual Reason why_not(const Score& chosen, const Score& other) const = 0;

  // `offer` was chosen for `demand`; for strategies that take turns.
  virtual void chose(const Demand& demand, OfferId offer) {
    static_cast<void>(demand);
    static_cast<void>(offer);
  }
};

using StrategyFactory = std::function<std::unique_ptr<Strategy>()>;

// Fails: not_found for a name that no file defines, with those that exist.
Result<std::unique_ptr<Strategy>> make_strategy(std::string_view name);

// All names, sorted: the order of linking must not show anywhere.
std::vector<std::string> strategy_names();

// Requires: no other strategy has this name.
bool register_strategy(std::string_view name, StrategyFactory factory);

}  // namespace hanse::placement

// At namespace scope, inside the strategy's own anonymous namespace.
#define HANSE_PLACEMENT_STRATEGY(Class, name)      \
  [[maybe_unused]] const bool Class##_registered = \
      ::hanse::placement::register_strategy(name, [] { return std::make_unique<Class>(); })
