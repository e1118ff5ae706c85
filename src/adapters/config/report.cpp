#include "adapters/config/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

namespace hanse::config {
namespace {

// Enough to mend a file by; a file of nothing but mistakes must not cost more
// memory than that.
constexpr std::size_t kEntriesMax = 1000;

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U; }

// The byte where code point `column` (from 1) of `line` begins, or its end.
std::size_t byte_of(std::string_view line, std::uint32_t column) {
  std::uint32_t seen = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (!is_continuation(line[i]) && ++seen == column) return i;
  }
  return line.size();
}

}  // namespace

Sources::Sources(std::span<const SourceText> texts) : texts_(texts) {
  for (const SourceText& source : texts_) {
    std::vector<std::size_t>& starts = line_starts_.emplace_back(1, 0);
    for (std::size_t i = 0; i < source.text.size(); ++i) {
      if (source.text[i] == '\n') starts.push_back(i + 1);
    }
  }
}

std::string_view Sources::line(std::uint32_t file, std::uint32_t line) const {
  if (file >= texts_.size() || line == 0 || line > line_starts_[file].size()) return {};
  const std::string_view text = texts_[file].text;
  const std::size_t start = line_starts_[file][line - 1];
  std::string_view content = text.substr(start, text.find('\n', start) - start);
  if (content.ends_with('\r')) content.remove_suffix(1);
  return content;
}

std::string_view Sources::slice(const Place& place) const {
  const std::string_view content = line(place.file, place.line);
  const std::size_t start = byte_of(content, place.column);
  return content.substr(start, byte_of(content, place.column + place.length) - start);
}

void Report::error(const Place& place, Complaint complaint) {
  ++errors_;
  add(Diagnostic::Severity::error, place, std::move(complaint));
}

void Report::warning(const Place& place, Complaint complaint) {
  add(Diagnostic::Severity::warning, place, std::move(complaint));
}

void Report::add(Diagnostic::Severity severity, const Place& place, Complaint&& complaint) {
  if (entries_.size() == kEntriesMax) {
    ++left_out_;
    return;
  }
  entries_.push_back({severity, place, std::move(complaint), {}});
}

void Report::relate(const Place& place, std::string message) {
  if (left_out_ == 0 && !entries_.empty()) {
    entries_.back().related.emplace_back(place, std::move(message));
  }
}

bool Report::sound(std::initializer_list<std::string_view> top_tables) const {
  if (left_out_ != 0) return false;
  return std::ranges::none_of(entries_, [&](const Entry& entry) {
    if (entry.severity != Diagnostic::Severity::error) return false;
    const std::string_view path = entry.complaint.path;
    const std::string_view top = path.substr(0, path.find('.'));
    // What has no path, a syntax error, may have hidden anything.
    return top.empty() || std::ranges::find(top_tables, top) != top_tables.end();
  });
}

std::string Report::shown_line(const Place& place) const {
  const std::string_view line = sources_.line(place.file, place.line);
  std::string shown(line);
  for (const Place& secret : hidden_) {
    if (secret.file != place.file || place.line < secret.line || place.line > secret.last_line) {
      continue;
    }
    if (secret.last_line != secret.line) return {};
    // Blotted letter by letter, so that what follows keeps its column.
    const std::size_t start = byte_of(shown, secret.column);
    const std::size_t end = byte_of(shown, secret.column + secret.length);
    std::string blot;
    for (std::size_t i = start; i < end; ++i) {
      if (!is_continuation(shown[i])) blot += '*';
    }
    shown.replace(start, end - start, blot);
  }
  return shown;
}

Diagnostic Report::dress(const Entry& entry) const {
  const auto name = [this](const Place& place) {
    return place.file < sources_.size() ? sources_[place.file].name : std::string();
  };
  Diagnostic diagnostic{
      .severity = entry.severity,
      .file = name(entry.place),
      .line = static_cast<int>(entry.place.line),
      .column = static_cast<int>(entry.place.column),
      .length = static_cast<int>(entry.place.length),
      .path = entry.complaint.path,
      .message = entry.complaint.message,
      .hint = entry.complaint.hint,
      .source = shown_line(entry.place),
      .related = {},
  };
  for (const auto& [place, message] : entry.related) {
    diagnostic.related.push_back(
        {name(place), static_cast<int>(place.line), static_cast<int>(place.column), message});
  }
  return diagnostic;
}

std::vector<Diagnostic> Report::finish() const {
  std::vector<const Entry*> ordered;
  for (const Entry& entry : entries_) ordered.push_back(&entry);
  // Entries lie in one vector, so that their addresses tell which came first.
  std::ranges::sort(ordered, {}, [](const Entry* entry) {
    return std::tuple(entry->place.file, entry->place.line, entry->place.column, entry);
  });
  std::vector<Diagnostic> diagnostics;
  for (const Entry* entry : ordered) diagnostics.push_back(dress(*entry));
  if (left_out_ != 0) {
    Diagnostic more;
    if (errors_ == 0) more.severity = Diagnostic::Severity::warning;
    more.message = fmt::format("{} more are not shown; mend these first", left_out_);
    diagnostics.push_back(std::move(more));
  }
  return diagnostics;
}

}  // namespace hanse::config
