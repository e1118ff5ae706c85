#include "core/ledger/budget.h"

#include <algorithm>

#include "base/check.h"

namespace hanse::ledger {

BudgetLine Treasurer::set(std::string_view name, Money limit, Money spent) {
  HANSE_CHECK(limit >= Money(0) && spent >= Money(0));
  if (const auto it = by_name_.find(name); it != by_name_.end()) {
    lines_[it->second.value()].limit = limit;
    return it->second;
  }
  const BudgetLine line(lines_.size());
  lines_.push_back({.limit = limit, .leased = spent});
  by_name_.emplace(name, line);
  return line;
}

Money Treasurer::overdrawn(BudgetLine line) const {
  HANSE_CHECK(line.value() < lines_.size());
  const Line& at = lines_[line.value()];
  return std::max(Money(0), at.leased - at.limit);
}

Money Treasurer::limit(BudgetLine line) const {
  HANSE_CHECK(line.value() < lines_.size());
  return lines_[line.value()].limit;
}

Money Treasurer::unleased(BudgetLine line) const {
  HANSE_CHECK(line.value() < lines_.size());
  const Line& at = lines_[line.value()];
  return std::max(Money(0), at.limit - at.leased);
}

Money Treasurer::draw(BudgetLine line, Money at_least, Money at_most) {
  HANSE_CHECK(Money(0) < at_least && at_least <= at_most);
  const Money left = unleased(line);
  if (left < at_least) return Money(0);
  const Money granted = std::min(left, at_most);
  lines_[line.value()].leased += granted;
  return granted;
}

void Treasurer::give_back(BudgetLine line, Money amount) {
  HANSE_CHECK(line.value() < lines_.size());
  Line& at = lines_[line.value()];
  HANSE_CHECK(Money(0) <= amount && amount <= at.leased);
  at.leased -= amount;
}

}  // namespace hanse::ledger
