// src/core/ledger/testing/seeds.h
// Runs a simulation over many seeds and says how to repeat one that fails.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>

namespace hanse::ledger::testing {

// Calls `run(seed)` for the seeds 1 to `count`, or for HANSE_SEED alone.
template <typename Run>
void for_each_seed(std::uint64_t count, Run&& run) {
  std::uint64_t first = 1;
  if (const char* const wanted = std::getenv("HANSE_SEED")) {
    first = std::strtoull(wanted, nullptr, 10);
    count = first;
  }
  for (std::uint64_t seed = first; seed <= count; ++seed) {
    const ::testing::TestInfo* const test = ::testing::UnitTest::GetInstance()->current_test_info();
    SCOPED_TRACE("repeat with: HANSE_SEED=" + std::to_string(seed) +
                 " <this program> --gtest_filter=" + test->test_suite_name() + "." + test->name());
    run(seed);
    if (::testing::Test::HasFatalFailure() || ::testing::Test::HasNonfatalFailure()) return;
  }
}

}  // namespace hanse::ledger::testing
