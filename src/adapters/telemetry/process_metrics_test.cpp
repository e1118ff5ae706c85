#include "adapters/telemetry/process_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hanse::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(ProcessMetrics, AreThoseOfThisProcess) {
  MetricRegistry registry;
  ProcessMetrics metrics(registry);
  metrics.sample();
  std::string text;
  registry.write(text);
  for (const std::string_view name :
       {"process_resident_memory_bytes", "process_virtual_memory_bytes", "process_threads",
        "process_start_time_seconds"}) {
    EXPECT_THAT(text, HasSubstr('\n' + std::string(name) + ' '));
    EXPECT_THAT(text, Not(HasSubstr('\n' + std::string(name) + " 0\n")));
  }
  EXPECT_THAT(text, HasSubstr("\nprocess_cpu_seconds_total "));
}

}  // namespace
}  // namespace hanse::telemetry
