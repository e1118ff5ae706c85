// src/core/ledger/budget.h
// Budgets shared by shards without a lock on the request path: leases.
//
// A budget line is one limit: of a tenant, a project or a key. Its treasurer
// leases parts of it to shards; a shard spends only what it has been leased.
// So the sum over all shards cannot pass the limit, whatever they do at once,
// and a shard whose treasurer is out of reach goes on with what it has.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/money.h"
#include "base/result.h"

namespace hanse::ledger {

using BudgetLine = Index<struct BudgetLineTag>;

// The port: how a shard reaches its treasurer.
class Budget {
 public:
  virtual ~Budget() = default;

  // The line called `name`, with this limit from now on; `spent` counts
  // towards it if the line is new (after a restart, what the ledger says).
  // Lines survive configuration snapshots by name and are never removed.
  // Requires: limit and spent are not negative.
  virtual BudgetLine set(std::string_view name, Money limit, Money spent) = 0;

  // Leases at least `at_least` and at most `at_most` more of `line`; zero when
  // that much is not to be had now. Never waits: one that must ask over a
  // network answers from what it fetched ahead.
  // Requires: 0 < at_least <= at_most.
  virtual Money draw(BudgetLine line, Money at_least, Money at_most) = 0;

  // Takes back a part of a lease that has been neither held nor spent.
  virtual void give_back(BudgetLine line, Money amount) = 0;

  // How much more has been leased than the limit allows, after it was
  // lowered: to be given back as far as it is free (HoldBook::recall).
  [[nodiscard]] virtual Money overdrawn(BudgetLine line) const = 0;
};

// The treasurer of one process. Plain state; not for several threads.
class Treasurer final : public Budget {
 public:
  BudgetLine set(std::string_view name, Money limit, Money spent) override;
  Money draw(BudgetLine line, Money at_least, Money at_most) override;
  void give_back(BudgetLine line, Money amount) override;
  [[nodiscard]] Money overdrawn(BudgetLine line) const override;

  [[nodiscard]] Money limit(BudgetLine line) const;
  // Limit less leases, never negative.
  [[nodiscard]] Money unleased(BudgetLine line) const;

 private:
  struct Line {
    Money limit;
    Money leased;  // what shards hold or have spent
  };

  std::vector<Line> lines_;
  std::map<std::string, BudgetLine, std::less<>> by_name_;
};

}  // namespace hanse::ledger
