// src/adapters/config/report.h
// Collects what is wrong while the files are read, and knows their texts.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/config/diagnostic.h"
#include "adapters/config/document.h"
#include "adapters/config/load.h"

namespace hanse::config {

// The texts, by line.
class Sources {
 public:
  explicit Sources(std::span<const SourceText> texts);

  [[nodiscard]] std::size_t size() const { return texts_.size(); }
  [[nodiscard]] const SourceText& operator[](std::uint32_t file) const { return texts_[file]; }
  // Without its line break; empty past the end.
  [[nodiscard]] std::string_view line(std::uint32_t file, std::uint32_t line) const;
  // What stands at `place`, up to the end of its first line.
  [[nodiscard]] std::string_view slice(const Place& place) const;

 private:
  std::span<const SourceText> texts_;
  std::vector<std::vector<std::size_t>> line_starts_;  // by file
};

// What a diagnostic says beside its place.
struct Complaint {
  std::string path;
  std::string message;
  std::string hint;
};

class Report {
 public:
  // Requires: `sources` outlives the report.
  explicit Report(const Sources& sources) : sources_(sources) {}

  void error(const Place& place, Complaint complaint);
  void warning(const Place& place, Complaint complaint);
  // Adds another place to the diagnostic that was added last.
  void relate(const Place& place, std::string message);

  // What stands there is a secret: no diagnostic shows it.
  void hide(const Place& place) { hidden_.push_back(place); }

  [[nodiscard]] std::size_t errors() const { return errors_; }
  // Whether an error's path lies in one of the top tables named: what follows
  // from values there would only be noise.
  [[nodiscard]] bool sound(std::initializer_list<std::string_view> top_tables) const;

  [[nodiscard]] const Sources& sources() const { return sources_; }

  // All that was reported, by file, line and column.
  [[nodiscard]] std::vector<Diagnostic> finish() const;

 private:
  struct Entry {
    Diagnostic::Severity severity = Diagnostic::Severity::error;
    Place place;
    Complaint complaint;
    std::vector<std::pair<Place, std::string>> related;
  };

  void add(Diagnostic::Severity severity, const Place& place, Complaint&& complaint);
  [[nodiscard]] Diagnostic dress(const Entry& entry) const;
  [[nodiscard]] std::string shown_line(const Place& place) const;

  const Sources& sources_;
  std::vector<Entry> entries_;
  std::vector<Place> hidden_;
  std::size_t errors_ = 0;
  std::size_t left_out_ = 0;
};

}  // namespace hanse::config
