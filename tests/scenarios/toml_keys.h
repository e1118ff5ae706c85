// tests/scenarios/toml_keys.h
// Reading files in which every key must be known: a misspelt expectation would
// otherwise never fail.
#pragma once

#include <toml++/toml.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/time.h"

namespace hanse::scenarios {

// Thrown while a file is read; whoever reads it makes it a Result.
struct Wrong {
  std::string what;
  toml::source_region where;
};

inline Duration duration(std::string_view text, const toml::node& node) {
  static constexpr std::array<std::pair<std::string_view, std::int64_t>, 7> kUnits = {
      {{"ns", 1},
       {"us", 1'000},
       {"ms", 1'000'000},
       {"s", 1'000'000'000},
       {"m", 60'000'000'000},
       {"h", 3'600'000'000'000},
       {"d", 86'400'000'000'000}}};
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  for (const auto& [name, nanos] : kUnits) {
    if (error == std::errc() && unit == name) return Duration(number * nanos);
  }
  throw Wrong{fmt::format("\"{}\" is no duration such as \"1500ms\", \"2s\" or \"3d\"", text),
              node.source()};
}

// A table whose keys are asked for one by one; what was not asked for is wrong.
class Keys {
 public:
  explicit Keys(const toml::table& table) : table_(table) {}

  // Requires: every key that there can be has been asked for.
  void done() const {
    for (const auto& [key, node] : table_) {
      if (asked_.contains(key.str())) continue;
      throw Wrong{fmt::format("there is no key \"{}\" here; there are {}", key.str(),
                              fmt::join(asked_, ", ")),
                  node.source()};
    }
  }

  const toml::node* find(std::string_view key) {
    asked_.emplace(key);
    return table_.get(key);
  }
  const toml::node& get(std::string_view key) {
    if (const toml::node* node = find(key)) return *node;
    throw Wrong{fmt::format("\"{}\" is missing", key), table_.source()};
  }

  std::string text(std::string_view key) { return as_text(get(key)); }
  std::string text(std::string_view key, std::string otherwise) {
    const toml::node* node = find(key);
    return node == nullptr ? std::move(otherwise) : as_text(*node);
  }
  Duration time(std::string_view key) { return duration(text(key), get(key)); }
  std::optional<Duration> maybe_time(std::string_view key) {
    return find(key) == nullptr ? std::nullopt : std::optional(time(key));
  }
  std::optional<std::int64_t> maybe_number(std::string_view key) {
    const toml::node* node = find(key);
    if (node == nullptr) return std::nullopt;
    if (const auto value = node->value_exact<std::int64_t>()) return value;
    throw Wrong{fmt::format("\"{}\" must be a whole number", key), node->source()};
  }
  std::int64_t number(std::string_view key, std::int64_t otherwise) {
    return maybe_number(key).value_or(otherwise);
  }
  bool flag(std::string_view key, bool otherwise) {
    const toml::node* node = find(key);
    if (node == nullptr) return otherwise;
    if (const auto value = node->value_exact<bool>()) return *value;
    throw Wrong{fmt::format("\"{}\" must be true or false", key), node->source()};
  }
  // Calls `visit(keys)` for each table of an array of tables.
  template <typename Visit>
  void each(std::string_view key, Visit visit) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const toml::array* array = node->as_array();
    if (array == nullptr) throw Wrong{fmt::format("[[{}]] is meant", key), node->source()};
    for (const toml::node& item : *array) {
      const toml::table* table = item.as_table();
      if (table == nullptr) throw Wrong{fmt::format("[[{}]] is meant", key), item.source()};
      Keys keys(*table);
      visit(keys);
      keys.done();
    }
  }
  template <typename Visit>
  void in(std::string_view key, Visit visit) {
    const toml::node* node = find(key);
    if (node == nullptr) return;
    const toml::table* table = node->as_table();
    if (table == nullptr) throw Wrong{fmt::format("[{}] is meant", key), node->source()};
    Keys keys(*table);
    visit(keys);
    keys.done();
  }

 private:
  static std::string as_text(const toml::node& node) {
    if (const auto value = node.value_exact<std::string>()) return *value;
    throw Wrong{"a text is expected here", node.source()};
  }

  const toml::table& table_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace hanse::scenarios
