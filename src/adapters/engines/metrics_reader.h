// src/adapters/engines/metrics_reader.h
// How busy an engine says it is: the few lines that matter of a page in
// Prometheus' text format, read as the bytes come.
//
// A page may be long, and nobody vouches for it. So nothing of it is kept but
// the line under way, lines that are too long are passed over, and a number
// that is none, negative or absurd counts as if its line were not there.
// Several series of a name (one per model, rank or process) are summed; of
// shares the largest counts.
//
// Source: the Prometheus text exposition format, version 0.0.4.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/engines/engine.h"

namespace hanse::engines {

struct EngineLoad {
  std::int32_t running = 0;  // sequences
  std::int32_t waiting = 0;
  std::optional<std::int32_t> kv_use_ppm = {};

  bool operator==(const EngineLoad&) const = default;
};

class MetricsReader {
 public:
  static constexpr std::size_t kLineBytesMax = 4'096;
  static constexpr std::size_t kPageBytesMax = std::size_t{4} << 20U;
  static constexpr std::int32_t kSequencesMax = 1'000'000;  // more is absurd

  explicit MetricsReader(const MetricNames& names) : names_(names) {}

  // More of the page. False when it is longer than anybody needs; then nothing
  // of it counts.
  bool push(std::string_view bytes);
  // All of it has come: what it says; nothing when it says neither how much
  // runs nor how much waits.
  [[nodiscard]] std::optional<EngineLoad> finish();

 private:
  void take_line(std::string_view line);

  MetricNames names_;
  std::string line_;  // as far as it has come
  bool line_too_long_ = false;
  std::size_t bytes_ = 0;
  std::optional<std::int32_t> running_;
  std::optional<std::int32_t> waiting_;
  std::array<std::optional<std::int32_t>, 2> kv_use_;
};

}  // namespace hanse::engines
