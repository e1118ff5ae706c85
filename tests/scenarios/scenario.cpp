#include "scenario.h"

#include <fmt/format.h>

namespace hanse::scenarios {
namespace {

// As a file would expect it; the facts are lists and texts already written so.
std::string written(const Facts& facts) {
  std::string text;
  for (const auto& [name, value] : facts) text += fmt::format("  {} = {}\n", name, value);
  return text;
}

std::string differences(const Facts& expected, const Facts& came) {
  std::string text;
  for (const auto& [name, value] : expected) {
    const auto it = came.find(name);
    const std::string actual = it == came.end() ? "(nothing)" : it->second;
    if (actual == value) continue;
    text += fmt::format("  - {} = {}\n  + {} = {}\n", name, value, name, actual);
  }
  return text;
}

}  // namespace

std::string difference(const Scenario& scenario, const Came& came) {
  std::string text;
  for (std::size_t i = 0; i < scenario.asks.size(); ++i) {
    const Ask& ask = scenario.asks[i];
    const std::string differing = differences(ask.expected, came.asks[i]);
    if (differing.empty()) continue;
    text += fmt::format("\nrequest \"{}\" (- expected, + came):\n{} all that came:\n{}", ask.name,
                        differing, written(came.asks[i]));
  }
  const std::string differing = differences(scenario.books, came.books);
  if (!differing.empty()) {
    text += fmt::format("\nbooks (- expected, + came):\n{} all that came:\n{}", differing,
                        written(came.books));
  }
  for (const std::string& complaint : came.complaints) text += "\nbroken: " + complaint + "\n";
  return text;
}

}  // namespace hanse::scenarios
