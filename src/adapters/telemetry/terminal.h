// src/adapters/telemetry/terminal.h
// Text for a terminal: styled words, tables whose columns fit, and sentences
// that wrap. Inside the module.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hanse::telemetry {

enum class Style : std::uint8_t { plain, bold, dim, good, bad, warning };

// `text` between the ANSI codes of `style`, or alone without colour.
class Painter {
 public:
  explicit Painter(bool colour) : colour_(colour) {}

  [[nodiscard]] std::string paint(std::string_view text, Style style) const;

 private:
  bool colour_;
};

// Characters, not bytes; every one is taken to be one column wide.
std::size_t columns_of(std::string_view text);
// At most `columns` characters; what is left out shows as an ellipsis.
std::string shortened(std::string_view text, std::size_t columns);

// The words of `text` on lines of at most `columns`, the first behind `head`,
// the others behind as many blanks. Ends with a line feed.
std::string wrapped(std::string_view head, std::string_view text, std::size_t columns);

struct Cell {
  std::string text;
  Style style = Style::plain;
};

enum class Align : std::uint8_t { left, right };

struct Column {
  std::string title;
  Align align = Align::left;
  // Gives way first when the table is too wide; at most one per table does.
  bool flexible = false;
};

class TextTable {
 public:
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Requires: a cell for each column.
  void add(std::vector<Cell> row);
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  // Columns that hold nothing in any row are left out, and so is a line of
  // titles that are all empty.
  [[nodiscard]] std::string print(const Painter& painter, std::size_t indent,
                                  std::size_t columns) const;

 private:
  [[nodiscard]] std::vector<std::size_t> widths(std::size_t room) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace hanse::telemetry
