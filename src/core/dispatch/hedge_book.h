// src/core/dispatch/hedge_book.h
// How many hedges each latency class may still make.
//
// A hedge is work that may be for nothing, and it is wanted most when sites are
// slow because they have too much to do. So each request of a class earns a
// fraction of one, the class's budget, and a hedge takes a whole one. Nobody
// begins with any, so never more are made than the budget says of the requests
// so far; what is not used is kept up to kKept, which bounds how many are made at
// one time.
//
// Plain state by name, so that a new configuration changes nothing that has been
// earned; bounded by the names that there have been.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/id.h"

namespace hanse::dispatch {

// Given by a class's name, dense from 0 and never reused.
using HedgeLine = Index<struct HedgeLineTag>;

class HedgeBook {
 public:
  static constexpr std::int64_t kKept = 8;  // hedges

  HedgeLine line(const std::string& latency_class) {
    const auto known = std::ranges::find(rows_, latency_class, &Row::name);
    const auto place = static_cast<std::size_t>(known - rows_.begin());
    if (known == rows_.end()) rows_.push_back({.name = latency_class});
    return HedgeLine(place);
  }

  // A request of the class is sent to a site, and earns millionths of a hedge.
  void earned(HedgeLine line, std::int32_t millionths) {
    Row& row = rows_[line.value()];
    row.millionths = std::min(row.millionths + millionths, kKept * kOne);
  }
  [[nodiscard]] bool has_one(HedgeLine line) const { return rows_[line.value()].millionths >= kOne; }
  // Requires: has_one().
  void take(HedgeLine line) {
    HANSE_CHECK(has_one(line));
    rows_[line.value()].millionths -= kOne;
  }

 private:
  static constexpr std::int64_t kOne = 1'000'000;

  struct Row {
    std::string name;
    std::int64_t millionths = 0;
  };
  std::vector<Row> rows_;  // by HedgeLine
};

}  // namespace hanse::dispatch
