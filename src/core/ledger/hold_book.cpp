#include "core/ledger/hold_book.h"

#include <algorithm>
#include <limits>
#include <span>

#include "base/check.h"

namespace hanse::ledger {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();

std::unexpected<Error> ended() {
  return fail({ErrorCode::not_found, Fault::us, Retry::no, "this hold has already ended"});
}

bool distinct(std::span<const BudgetLine> lines) {
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (std::size_t j = i + 1; j < lines.size(); ++j) {
      if (lines[i].valid() && lines[i] == lines[j]) return false;
    }
  }
  return true;
}

}  // namespace

HoldBook::HoldBook(Budget& budget, HoldBookOptions options)
    : budget_(&budget), options_(options), first_free_(kNone) {
  HANSE_CHECK(options_.open_holds_max < kNone);
}

std::expected<HoldId, HoldRefusal> HoldBook::open(const BudgetScope& scope, Money amount) {
  HANSE_CHECK(amount >= Money(0));
  if (open_holds_ == options_.open_holds_max) {
    return std::unexpected(HoldRefusal{.code = ErrorCode::at_capacity, .line = {}});
  }
  const Lines lines = {scope.tenant, scope.project, scope.key};
  HANSE_CHECK(distinct(lines));
  Drawn drawn{};
  for (std::size_t level = 0; level < kLevels; ++level) {
    if (!lines[level].valid()) continue;
    Line& at = line(lines[level]);
    const Money missing = amount - (at.leased - at.held - at.settled);
    if (missing <= Money(0)) continue;
    drawn[level] = budget_->draw(lines[level], missing, missing);
    at.leased += drawn[level];
    if (drawn[level] >= missing) continue;
    undo(lines, drawn);
    return std::unexpected(HoldRefusal{.code = ErrorCode::over_budget, .line = lines[level]});
  }
  for (const BudgetLine number : lines) {
    if (number.valid()) line(number).held += amount;
  }
  return take_slot(lines, amount);
}

// Gives back what the first levels drew before a later one refused.
void HoldBook::undo(const Lines& lines, const Drawn& drawn) {
  for (std::size_t level = 0; level < kLevels; ++level) {
    if (drawn[level] == Money(0)) continue;
    line(lines[level]).leased -= drawn[level];
    budget_->give_back(lines[level], drawn[level]);
  }
}

HoldId HoldBook::take_slot(const Lines& lines, Money amount) {
  if (first_free_ == kNone) {
    first_free_ = static_cast<std::uint32_t>(slots_.size());
    slots_.push_back({.lines = {}, .amount = {}, .generation = 0, .next_free = kNone});
  }
  const std::uint32_t index = first_free_;
  Slot& slot = slots_[index];
  first_free_ = slot.next_free;
  slot.lines = lines;
  slot.amount = amount;
  ++slot.generation;
  ++open_holds_;
  return {.slot = index, .generation = slot.generation};
}

Result<Settlement> HoldBook::settle(HoldId hold, Money true_cost) {
  HANSE_CHECK(true_cost >= Money(0));
  Slot* const slot = find(hold);
  if (slot == nullptr) return ended();
  const Money charged = std::min(true_cost, slot->amount);
  end(*slot, hold.slot, charged);
  return Settlement{.charged = charged, .written_off = true_cost - charged};
}

Status HoldBook::release(HoldId hold) {
  Slot* const slot = find(hold);
  if (slot == nullptr) return ended();
  end(*slot, hold.slot, Money(0));
  return {};
}

void HoldBook::end(Slot& slot, std::uint32_t index, Money charged) {
  for (const BudgetLine number : slot.lines) {
    if (!number.valid()) continue;
    Line& at = line(number);
    at.held -= slot.amount;
    at.settled += charged;
    HANSE_CHECK(at.held >= Money(0) && at.held + at.settled <= at.leased);
  }
  ++slot.generation;
  slot.next_free = first_free_;
  first_free_ = index;
  --open_holds_;
}

Money HoldBook::recall(BudgetLine number, Money wanted) {
  HANSE_CHECK(wanted >= Money(0));
  Line& at = line(number);
  const Money returned = std::min(wanted, at.leased - at.held - at.settled);
  if (returned == Money(0)) return returned;
  at.leased -= returned;
  budget_->give_back(number, returned);
  return returned;
}

Money HoldBook::held(BudgetLine number) const {
  return number.value() < lines_.size() ? lines_[number.value()].held : Money(0);
}

Money HoldBook::settled(BudgetLine number) const {
  return number.value() < lines_.size() ? lines_[number.value()].settled : Money(0);
}

Money HoldBook::leased(BudgetLine number) const {
  return number.value() < lines_.size() ? lines_[number.value()].leased : Money(0);
}

HoldBook::Line& HoldBook::line(BudgetLine number) {
  HANSE_CHECK(number.valid());
  if (number.value() >= lines_.size()) lines_.resize(number.value() + 1);
  return lines_[number.value()];
}

HoldBook::Slot* HoldBook::find(HoldId hold) {
  if (hold.slot >= slots_.size()) return nullptr;
  Slot& slot = slots_[hold.slot];
  const bool open = slot.generation % 2 == 1;
  return open && slot.generation == hold.generation ? &slot : nullptr;
}

}  // namespace hanse::ledger
