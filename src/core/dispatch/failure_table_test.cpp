// docs/reliability.md shows the table of failures as it is; with
// HANSE_UPDATE_GOLDEN=1 in the environment it is written anew.
#include "core/dispatch/failure_table.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace hanse::dispatch {
namespace {

constexpr std::string_view kBegin = "<!-- failures -->\n";
constexpr std::string_view kEnd = "<!-- /failures -->";

std::string table() {
  std::string text =
      "| failure | whose fault | again there | elsewhere | the site | alarms the operator |\n"
      "|---|---|---|---|---|---|\n";
  for (const FailureRow& row : failure_table()) {
    if (row.failure == answer::Failure::none) continue;
    const bool tells_nothing = row.blame == Blame::none || row.blame == Blame::nothing;
    text += fmt::format("| {} | {} | {} | {} | {} | {} |\n", to_string(row.failure),
                        to_string(answer::fault_of(row.failure)), to_string(row.again),
                        to_string(row.elsewhere), tells_nothing ? "works" : to_string(row.blame),
                        row.alarms ? "yes" : "");
  }
  return text;
}

TEST(FailureTable, IsShownToPeopleAsItIs) {
  const std::string path = HANSE_SOURCE_DIR "/docs/reliability.md";
  std::ifstream in(path);
  std::string page{std::istreambuf_iterator<char>(in), {}};
  const std::size_t begin = page.find(kBegin);
  const std::size_t end = page.find(kEnd);
  ASSERT_NE(begin, std::string::npos);
  ASSERT_LT(begin, end);
  const std::size_t at = begin + kBegin.size();
  if (std::getenv("HANSE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << page.replace(at, end - at, table());
    return;
  }
  EXPECT_EQ(page.substr(at, end - at), table());
}

}  // namespace
}  // namespace hanse::dispatch
