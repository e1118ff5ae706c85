// Wrong configurations and what is said about them.
//
// Each tests/config/GROUP/NAME.toml is one, and NAME.expected beside it is the
// report. A first line `# with: gateway grid` names files of tests/config/with/
// that are loaded before it, so that a case holds nothing but its mistake.
// With HANSE_UPDATE_GOLDEN=1 in the environment the reports are written anew.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "adapters/config/load.h"
#include "adapters/config/testing/texts.h"

namespace hanse::config {
namespace {

using testing::HasSubstr;
using testing::Not;

std::filesystem::path golden_dir() { return source_dir() / "tests" / "config"; }

std::vector<std::filesystem::path> cases() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(golden_dir())) {
    const bool helper = entry.path().parent_path().filename() == "with";
    if (entry.path().extension() == ".toml" && !helper) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

// The texts of a case: those it is loaded with, then itself.
std::vector<SourceText> texts_of(const std::filesystem::path& file) {
  const std::string text = read_text(file);
  std::vector<SourceText> texts;
  constexpr std::string_view kWith = "# with: ";
  if (text.starts_with(kWith)) {
    std::istringstream names(text.substr(kWith.size(), text.find('\n') - kWith.size()));
    for (std::string name; names >> name;) {
      name += ".toml";
      texts.push_back({name, read_text(golden_dir() / "with" / name)});
    }
  }
  texts.push_back({file.filename().string(), text});
  return texts;
}

class WrongConfiguration : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(WrongConfiguration, IsReportedAsExpected) {
  const auto texts = texts_of(GetParam());
  const Loaded loaded = load_texts(texts, surroundings());
  const std::string report = render(loaded.diagnostics, Colour::off);
  const std::filesystem::path expected =
      std::filesystem::path(GetParam()).replace_extension("expected");
  if (std::getenv("HANSE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(expected, std::ios::binary) << report;
  }
  EXPECT_EQ(report, read_text(expected));
  EXPECT_FALSE(loaded.diagnostics.empty());
  const bool any_error = std::ranges::any_of(loaded.diagnostics, [](const Diagnostic& diagnostic) {
    return diagnostic.severity == Diagnostic::Severity::error;
  });
  EXPECT_EQ(loaded.configuration == nullptr, any_error);
}

// What stands in a file by mistake must not travel on into logs and tickets.
TEST_P(WrongConfiguration, ShowsNoSecret) {
  const auto texts = texts_of(GetParam());
  const Loaded loaded = load_texts(texts, surroundings());
  for (const std::string& report :
       {render(loaded.diagnostics, Colour::off), to_json(loaded.diagnostics)}) {
    for (const std::string_view secret :
         {"12345678", "hunter2", "hunter3", "correct horse battery staple"}) {
      EXPECT_THAT(report, Not(HasSubstr(secret)));
    }
  }
}

TEST_P(WrongConfiguration, IsAlsoReportedAsJson) {
  const auto texts = texts_of(GetParam());
  const Loaded loaded = load_texts(texts, surroundings());
  const auto list = nlohmann::json::parse(to_json(loaded.diagnostics));
  ASSERT_EQ(list.size(), loaded.diagnostics.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    EXPECT_EQ(list[i]["line"], loaded.diagnostics[i].line);
    EXPECT_EQ(list[i]["message"], loaded.diagnostics[i].message);
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, WrongConfiguration, testing::ValuesIn(cases()),
                         [](const auto& info) {
                           return info.param.parent_path().filename().string() + "_" +
                                  info.param.stem().string();
                         });

TEST(Golden, HasManyDistinctCases) { EXPECT_GE(cases().size(), 40U); }

}  // namespace
}  // namespace hanse::config
