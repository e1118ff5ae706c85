// Every *.toml of this folder, each as a test of its own.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string>
#include <vector>

#include "scenario.h"

namespace hanse::scenarios {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files() {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(HANSE_SCENARIOS_DIR)) {
    if (entry.path().extension() == ".toml") found.push_back(entry.path());
  }
  std::ranges::sort(found);
  return found;
}

class ScenarioTest : public ::testing::TestWithParam<fs::path> {};

TEST_P(ScenarioTest, ComesOutAsTheFileSays) {
  const auto scenario = read_scenario(GetParam());
  ASSERT_TRUE(scenario.has_value()) << scenario.error().message;
  const auto came = run_scenario(*scenario);
  ASSERT_TRUE(came.has_value()) << GetParam().filename().string() << ": " << came.error().message;
  const std::string differing = difference(*scenario, *came);
  EXPECT_TRUE(differing.empty()) << GetParam().filename().string() << ": " << scenario->about
                                 << "\n"
                                 << differing;
}

INSTANTIATE_TEST_SUITE_P(Files, ScenarioTest, ::testing::ValuesIn(files()), [](const auto& file) {
  std::string name = file.param.stem().string();
  std::ranges::replace_if(name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

TEST(Scenarios, CoverTheRules) { EXPECT_GE(files().size(), 15U); }

}  // namespace
}  // namespace hanse::scenarios
