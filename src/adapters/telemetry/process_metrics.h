// src/adapters/telemetry/process_metrics.h
// What the process takes from the machine, under the names that every
// Prometheus client uses: process_resident_memory_bytes,
// process_virtual_memory_bytes, process_cpu_seconds_total,
// process_start_time_seconds, process_threads.
//
// Read from /proc when a scrape comes: two small files, some microseconds.
// Open descriptors are not counted, for counting tens of thousands of them
// would hold up the loop.
#pragma once

#include "adapters/telemetry/metric_registry.h"

namespace hanse::telemetry {

class ProcessMetrics {
 public:
  // Requires: `registry` outlives this, and has no other.
  explicit ProcessMetrics(MetricRegistry& registry);

  // Values stay as they were when /proc cannot be read.
  void sample();

 private:
  Gauge resident_;
  Gauge virtual_;
  Counter cpu_;
  Gauge start_;
  Gauge threads_;
};

}  // namespace hanse::telemetry
