#include "drivers/serve/kept_records.h"

#include <gtest/gtest.h>

#include <string>

#include "adapters/telemetry/testing/example_records.h"
#include "core/dispatch/record_codec.h"

namespace hanse::serve {
namespace {

using dispatch::testing::FourSites;

// The view's text; its reasons come from the gate.
std::string text_of(RecordViewer& viewer, const FourSites& grid,
                    const dispatch::SnapshotRef& snapshot) {
  std::string bytes;
  dispatch::write_record(telemetry::testing::refused_record(grid), {}, bytes);
  const auto view = viewer.view(bytes, snapshot, {.journal = {}, .number = {}}, {{'E', 'U', 'R'}});
  return view ? telemetry::to_json(*view) : view.error().message;
}

TEST(RecordViewer, AnotherSnapshotIsAnotherGate) {
  FourSites grid;
  const dispatch::SnapshotRef strict = grid.shared();
  gate::Policies without_rules;
  for (const gate::Policy& policy : grid.snapshot().policies) {
    without_rules.add({.name = policy.name, .rules = {}});
  }
  grid.snapshot().policies = without_rules;
  const dispatch::SnapshotRef lax = grid.shared();

  RecordViewer viewer;
  RecordViewer fresh_strict;
  RecordViewer fresh_lax;
  const std::string refused = text_of(fresh_strict, grid, strict);
  const std::string permitted = text_of(fresh_lax, grid, lax);
  EXPECT_NE(refused, permitted);
  EXPECT_NE(refused.find("health-needs-hds"), std::string::npos) << refused;
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(text_of(viewer, grid, strict), refused);
    EXPECT_EQ(text_of(viewer, grid, strict), refused);
    EXPECT_EQ(text_of(viewer, grid, lax), permitted);
  }
}

}  // namespace
}  // namespace hanse::serve
