#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "adapters/config/diagnostic.h"

namespace hanse::config {
namespace {

// The part of a long line that is shown, in code points.
constexpr std::size_t kLineShownMax = 120;

struct Paint {
  std::string_view error;
  std::string_view warning;
  std::string_view note;
  std::string_view strong;
  std::string_view caret;
  std::string_view plain;
};

constexpr Paint kPaint = {.error = "\x1b[1;31m",
                          .warning = "\x1b[1;35m",
                          .note = "\x1b[1;36m",
                          .strong = "\x1b[1m",
                          .caret = "\x1b[1;32m",
                          .plain = "\x1b[0m"};

// The bytes of the code point at `i`, or 0 if none begins there: overlong
// forms, surrogates and what lies past U+10FFFF are none.
std::size_t code_point_length(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t k) -> std::uint32_t {
    return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0;
  };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4) return 0;
  for (std::size_t k = 1; k < length; ++k) {
    if ((byte(k) & 0xC0U) != 0x80) return 0;
  }
  const std::uint32_t second = byte(1);
  if (first == 0xE0 && second < 0xA0) return 0;
  if (first == 0xED && second > 0x9F) return 0;
  if (first == 0xF0 && second < 0x90) return 0;
  if (first == 0xF4 && second > 0x8F) return 0;
  return length;
}

// Each code point of `text` as it may be shown: controls (also those of C1)
// and bytes that are no text become '?', a tab one blank.
std::vector<std::string> shown(std::string_view text) {
  std::vector<std::string> points;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = code_point_length(text, i);
    const std::string_view point = text.substr(i, std::max<std::size_t>(1, length));
    const auto first = static_cast<unsigned char>(point[0]);
    const bool c1 = length == 2 && first == 0xC2 && static_cast<unsigned char>(point[1]) < 0xA0;
    if (point == "\t") {
      points.emplace_back(" ");
    } else if (length == 0 || c1 || first < 0x20 || first == 0x7F) {
      points.emplace_back("?");
    } else {
      points.emplace_back(point);
    }
    i += std::max<std::size_t>(1, length);
  }
  return points;
}

std::string safe(std::string_view text) {
  std::string result;
  for (const std::string& point : shown(text)) result += point;
  return result;
}

std::string position(const std::string& file, int line, int column) {
  if (file.empty()) return {};
  if (line == 0) return fmt::format("{}: ", safe(file));
  return fmt::format("{}:{}:{}: ", safe(file), line, column);
}

// The source line and a caret below what is wrong.
std::string excerpt(const Diagnostic& diagnostic, const Paint& paint) {
  const std::vector<std::string> points = shown(diagnostic.source);
  if (diagnostic.line == 0 || points.empty()) return {};
  const auto column = static_cast<std::size_t>(std::max(1, diagnostic.column)) - 1;
  // A window that holds the column, three quarters of it before the end.
  std::size_t start = 0;
  if (points.size() > kLineShownMax && column > kLineShownMax * 3 / 4) {
    start = std::min(column - kLineShownMax / 4, points.size() - kLineShownMax);
  }
  const std::size_t end = std::min(points.size(), start + kLineShownMax);
  std::string text = start > 0 ? "..." : "";
  for (std::size_t i = start; i < end; ++i) text += points[i];
  if (end < points.size()) text += "...";

  const std::size_t caret = std::min(column, points.size()) - std::min(start, column);
  const auto length = static_cast<std::size_t>(std::max(1, diagnostic.length));
  const std::size_t room = end > start + caret ? end - start - caret : 1;
  const std::string gutter(std::max<std::size_t>(5, fmt::formatted_size("{}", diagnostic.line)),
                           ' ');
  return fmt::format("{:>5} | {}\n{} | {}{}^{}{}\n", diagnostic.line, text, gutter,
                     std::string(caret + (start > 0 ? 3 : 0), ' '), paint.caret,
                     std::string(std::min(length, room) - 1, '~'), paint.plain);
}

std::string render_one(const Diagnostic& diagnostic, const Paint& paint) {
  const bool error = diagnostic.severity == Diagnostic::Severity::error;
  std::string text = fmt::format("{}{}{}{}{}: {}{}{}\n", paint.strong,
                                 position(diagnostic.file, diagnostic.line, diagnostic.column),
                                 error ? paint.error : paint.warning, error ? "error" : "warning",
                                 paint.plain, paint.strong, safe(diagnostic.message), paint.plain);
  text += excerpt(diagnostic, paint);
  if (!diagnostic.hint.empty()) {
    text += fmt::format("      = {}hint{}: {}\n", paint.note, paint.plain, safe(diagnostic.hint));
  }
  for (const Diagnostic::Related& related : diagnostic.related) {
    text +=
        fmt::format("      = {}note{}: {}{}\n", paint.note, paint.plain,
                    position(related.file, related.line, related.column), safe(related.message));
  }
  return text;
}

std::string counted(std::size_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace

std::string render(std::span<const Diagnostic> diagnostics, Colour colour) {
  if (diagnostics.empty()) return {};
  const Paint paint = colour == Colour::on ? kPaint : Paint{};
  std::string text;
  std::size_t errors = 0;
  for (const Diagnostic& diagnostic : diagnostics) {
    text += render_one(diagnostic, paint);
    if (diagnostic.severity == Diagnostic::Severity::error) ++errors;
  }
  const std::size_t warnings = diagnostics.size() - errors;
  if (errors != 0) text += counted(errors, "error");
  if (errors != 0 && warnings != 0) text += ", ";
  if (warnings != 0) text += counted(warnings, "warning");
  return text + "\n";
}

std::string to_json(std::span<const Diagnostic> diagnostics) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Diagnostic& diagnostic : diagnostics) {
    nlohmann::ordered_json related = nlohmann::ordered_json::array();
    for (const Diagnostic::Related& place : diagnostic.related) {
      related.push_back({{"file", place.file},
                         {"line", place.line},
                         {"column", place.column},
                         {"message", place.message}});
    }
    const bool error = diagnostic.severity == Diagnostic::Severity::error;
    list.push_back({{"severity", error ? "error" : "warning"},
                    {"file", diagnostic.file},
                    {"line", diagnostic.line},
                    {"column", diagnostic.column},
                    {"length", diagnostic.length},
                    {"path", diagnostic.path},
                    {"message", diagnostic.message},
                    {"hint", diagnostic.hint},
                    {"source", diagnostic.source},
                    {"related", std::move(related)}});
  }
  return list.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace hanse::config
