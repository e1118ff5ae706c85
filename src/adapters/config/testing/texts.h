// src/adapters/config/testing/texts.h
// What the tests of this folder share: a fixed day, the source tree, and the
// least configuration that is right.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "adapters/config/load.h"

namespace hanse::config {

// 2026-12-01, a day on which all certificates of the examples are in force.
inline constexpr WallTime kToday{1'796'083'200'000'000'000};

inline Surroundings surroundings() {
  Surroundings given;
  given.now = kToday;
  return given;
}

inline std::filesystem::path source_dir() { return HANSE_SOURCE_DIR; }

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace hanse::config
