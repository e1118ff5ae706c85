#include "apps/hanse/table.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace hanse::app {
namespace {

bool is_number(std::string_view cell) {
  return !cell.empty() && cell.find_first_not_of("0123456789.-") == std::string_view::npos;
}

}  // namespace

void Table::print() const {
  if (rows_.empty()) return;
  std::vector<std::size_t> widths;
  for (const std::string& heading : headings_) widths.push_back(heading.size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  const bool bold = isatty(STDOUT_FILENO) == 1;
  const auto line = [&](const std::vector<std::string>& cells,
                        const std::vector<std::string>& like) {
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) text += "  ";
      text += is_number(like[i]) ? fmt::format("{:>{}}", cells[i], widths[i])
                                 : fmt::format("{:<{}}", cells[i], widths[i]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  const std::string heading = line(headings_, rows_.front());
  fmt::print("{}\n", bold ? "\033[1m" + heading + "\033[0m" : heading);
  for (const auto& row : rows_) fmt::print("{}\n", line(row, row));
  fmt::print("\n");
}

}  // namespace hanse::app
