// src/core/ledger/hold_book.h
// Holds: money set aside for a request before its true cost is known.
//
// A hold opens when a request is admitted and ends exactly once, settled at
// the true cost or released. Requests overlap, so the book, not the balance
// alone, decides what a tenant may still spend: on every line,
// settled + held <= leased, and all shards' leases <= the limit.
//
// Plain state: no I/O, no clock, no threads; allocates only while its tables
// grow. One book belongs to one shard.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <vector>

#include "base/money.h"
#include "base/result.h"
#include "core/ledger/budget.h"

namespace hanse::ledger {

struct HoldBookOptions {
  std::size_t open_holds_max = 65'536;
};

// The limits a request counts against: tenant, project, key. A line that is
// not valid() has no limit. Resolved once per configuration snapshot.
struct BudgetScope {
  BudgetLine tenant;
  BudgetLine project;
  BudgetLine key;
};

struct HoldId {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;  // 0 is never given

  bool operator==(const HoldId&) const = default;
};

// charged + written_off is the true cost; charged is never above the hold.
struct Settlement {
  Money charged;
  Money written_off;

  bool operator==(const Settlement&) const = default;
};

// Why a hold was not opened. over_budget: `line` has less left than was asked
// for. at_capacity: as many holds are open as may be; no line is to blame.
struct HoldRefusal {
  ErrorCode code = ErrorCode::over_budget;
  BudgetLine line;

  bool operator==(const HoldRefusal&) const = default;
};

class HoldBook {
 public:
  // Requires: `budget` outlives the book.
  explicit HoldBook(Budget& budget, HoldBookOptions options = {});

  // Sets `amount` aside on each line of `scope`.
  // Requires: amount is not negative; the lines of `scope` differ.
  // Fails: over_budget by the first line that has not so much left; at_capacity
  // past `open_holds_max`. A failed call changes nothing.
  std::expected<HoldId, HoldRefusal> open(const BudgetScope& scope, Money amount);

  // Ends `hold`: what is charged counts as spent, the rest is free again.
  // Requires: true_cost is not negative.
  // Fails: not_found if it has already ended, so a retry cannot bill twice.
  Result<Settlement> settle(HoldId hold, Money true_cost);

  // Ends `hold`; nothing is owed.
  // Fails: not_found if it has already ended.
  Status release(HoldId hold);

  // Returns up to `wanted` of what is leased and neither held nor spent to
  // the treasurer; says how much it was.
  Money recall(BudgetLine line, Money wanted);

  [[nodiscard]] std::size_t open_holds() const { return open_holds_; }
  [[nodiscard]] Money held(BudgetLine line) const;
  [[nodiscard]] Money settled(BudgetLine line) const;
  [[nodiscard]] Money leased(BudgetLine line) const;

 private:
  static constexpr std::size_t kLevels = 3;
  struct Line {
    Money leased;
    Money held;
    Money settled;
  };
  struct Slot {
    std::array<BudgetLine, kLevels> lines;
    Money amount;
    std::uint32_t generation = 0;  // odd while open
    std::uint32_t next_free = 0;
  };

  using Lines = std::array<BudgetLine, kLevels>;
  using Drawn = std::array<Money, kLevels>;

  Line& line(BudgetLine number);
  Slot* find(HoldId hold);
  HoldId take_slot(const Lines& lines, Money amount);
  void undo(const Lines& lines, const Drawn& drawn);
  void end(Slot& slot, std::uint32_t index, Money charged);

  Budget* budget_;
  HoldBookOptions options_;
  std::vector<Line> lines_;
  std::vector<Slot> slots_;
  std::uint32_t first_free_ = 0;
  std::size_t open_holds_ = 0;
};

}  // namespace hanse::ledger
