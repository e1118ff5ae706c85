#include "adapters/telemetry/terminal.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace hanse::telemetry {
namespace {

constexpr std::size_t kGap = 2;          // blanks between columns
constexpr std::size_t kFlexibleMin = 8;  // a flexible column never gets narrower

std::string_view code_of(Style style) {
  switch (style) {
    case Style::plain: return "";
    case Style::bold: return "1";
    case Style::dim: return "2";
    case Style::good: return "32";
    case Style::bad: return "31";
    case Style::warning: return "33";
  }
  return "";
}

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

std::string padded(const Cell& cell, std::size_t width, Align align, const Painter& painter) {
  const std::string text = shortened(cell.text, width);
  const std::string blanks(width - columns_of(text), ' ');
  const std::string painted = painter.paint(text, cell.style);
  return align == Align::right ? blanks + painted : painted + blanks;
}

void trim_right(std::string& line) { line.resize(line.find_last_not_of(' ') + 1); }

}  // namespace

std::string Painter::paint(std::string_view text, Style style) const {
  if (!colour_ || style == Style::plain || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", code_of(style), text);
}

std::size_t columns_of(std::string_view text) {
  return text.size() -
         static_cast<std::size_t>(std::count_if(text.begin(), text.end(), continues_character));
}

std::string shortened(std::string_view text, std::size_t columns) {
  if (columns_of(text) <= columns) return std::string(text);
  if (columns == 0) return {};
  std::size_t kept = 0;
  std::size_t bytes = 0;
  while (bytes < text.size() && (continues_character(text[bytes]) || kept < columns - 1)) {
    kept += continues_character(text[bytes]) ? 0 : 1;
    ++bytes;
  }
  return std::string(text.substr(0, bytes)) + "\u2026";
}

std::string wrapped(std::string_view head, std::string_view text, std::size_t columns) {
  const std::string indent(columns_of(head), ' ');
  std::string out;
  std::string line(head);
  bool fresh = true;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    const std::string_view word = text.substr(begin, end - begin);
    begin = end + 1;
    if (!fresh && columns_of(line) + 1 + columns_of(word) > columns) {
      out += line + '\n';
      line = indent;
      fresh = true;
    }
    if (!fresh) line += ' ';
    line += word;
    fresh = false;
  }
  return out + line + '\n';
}

void TextTable::add(std::vector<Cell> row) {
  HANSE_CHECK(row.size() == columns_.size());
  rows_.push_back(std::move(row));
}

std::vector<std::size_t> TextTable::widths(std::size_t room) const {
  std::vector<std::size_t> widths(columns_.size(), 0);
  std::size_t used = 0;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    for (const auto& row : rows_) widths[i] = std::max(widths[i], columns_of(row[i].text));
    if (widths[i] == 0) continue;
    widths[i] = std::max(widths[i], columns_of(columns_[i].title));
    used += widths[i] + kGap;
  }
  used -= std::min(used, kGap);
  for (std::size_t i = 0; i < columns_.size() && used > room; ++i) {
    if (!columns_[i].flexible) continue;
    const std::size_t give = std::min(used - room, widths[i] - std::min(widths[i], kFlexibleMin));
    widths[i] -= give;
    used -= give;
  }
  return widths;
}

std::string TextTable::print(const Painter& painter, std::size_t indent,
                             std::size_t columns) const {
  const std::vector<std::size_t> width = widths(columns - std::min(columns, indent));
  std::string out;
  const auto print_row = [&](const auto& cell_of) {
    std::string line(indent, ' ');
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (width[i] == 0) continue;
      line += padded(cell_of(i), width[i], columns_[i].align, painter);
      line.append(kGap, ' ');
    }
    trim_right(line);
    out += line + '\n';
  };
  const bool titled = std::any_of(columns_.begin(), columns_.end(),
                                  [](const Column& column) { return !column.title.empty(); });
  if (titled) print_row([&](std::size_t i) { return Cell{columns_[i].title, Style::dim}; });
  for (const auto& row : rows_) {
    print_row([&](std::size_t i) { return row[i]; });
  }
  return out;
}

}  // namespace hanse::telemetry
