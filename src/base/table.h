// src/base/table.h
// Rows addressed by a typed dense index, with their string ids.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"

namespace hanse {

// `Id` is an Index<...>; every row has a member `std::string name`, unique in
// its table. Rows keep the order in which they were added.
template <typename Id, typename Row>
class Table {
 public:
  // Requires: no row has this name yet.
  Id add(Row row) {
    const Id id(rows_.size());
    HANSE_CHECK(by_name_.emplace(row.name, id).second);
    rows_.push_back(std::move(row));
    return id;
  }

  [[nodiscard]] std::optional<Id> find(std::string_view name) const {
    const auto it = by_name_.find(name);
    if (it == by_name_.end()) return std::nullopt;
    return it->second;
  }

  const Row& operator[](Id id) const {
    HANSE_CHECK(id.value() < rows_.size());
    return rows_[id.value()];
  }
  Row& operator[](Id id) {
    HANSE_CHECK(id.value() < rows_.size());
    return rows_[id.value()];
  }

  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] auto begin() const { return rows_.begin(); }
  [[nodiscard]] auto end() const { return rows_.end(); }

  // Calls `visit(id, row)` in order.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t i = 0; i < rows_.size(); ++i) visit(Id(i), rows_[i]);
  }

 private:
  std::vector<Row> rows_;
  std::map<std::string, Id, std::less<>> by_name_;
};

}  // namespace hanse
