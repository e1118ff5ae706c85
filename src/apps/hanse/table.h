// src/apps/hanse/table.h
// Columns of text for a terminal: bold headings when somebody watches, amounts
// to the right.
#pragma once

#include <string>
#include <vector>

namespace hanse::app {

class Table {
 public:
  explicit Table(std::vector<std::string> headings) : headings_(std::move(headings)) {}

  // Requires: as many cells as headings.
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  // To standard output, with an empty line after it; nothing without rows.
  void print() const;

 private:
  std::vector<std::string> headings_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace hanse::app
