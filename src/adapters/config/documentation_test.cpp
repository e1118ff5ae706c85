// docs/configuration.md and the reader know the same keys.
//
// Each table of keys stands in the document between `<!-- keys: PATH -->` and
// `<!-- /keys -->`. It must be, to the letter, what the schema says; with
// HANSE_UPDATE_GOLDEN=1 in the environment it is written anew.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "adapters/config/convert.h"
#include "adapters/config/load.h"
#include "adapters/config/report.h"
#include "adapters/config/schema.h"
#include "adapters/config/testing/texts.h"

namespace hanse::config {
namespace {

std::filesystem::path document_path() { return source_dir() / "docs" / "configuration.md"; }

// The table that a key is documented in: the nearest above it.
std::string_view table_of(const Key& key) {
  std::string_view best;
  for (const Key& other : all_keys()) {
    const bool above = key.path.starts_with(other.path) && key.path.size() > other.path.size() &&
                       key.path[other.path.size()] == '.';
    if (other.type == Type::table && above && other.path.size() > best.size()) best = other.path;
  }
  return best;
}

bool is_number(Type type) {
  return type == Type::integer || type == Type::duration || type == Type::size ||
         type == Type::money || type == Type::price || type == Type::rate;
}

std::string bounds_of(const Key& key) {
  if (!is_number(key.type)) return {};
  const std::string most = print_base(key.type, key.most);
  if (key.least <= 0) return fmt::format(", at most {}", most);
  if (key.least == key.most) return {};
  return fmt::format(", {} to {}", print_base(key.type, key.least), most);
}

std::string type_of(const Key& key) {
  std::string text(to_string(key.type));
  if (key.type == Type::choice) {
    text.clear();
    for (const std::string_view word : split_words(key.words)) {
      text += fmt::format("{}`{}`", text.empty() ? "" : ", ", word);
    }
    return text;
  }
  if (!key.refers.empty()) {
    text += fmt::format(" of a {}", key.refers == "price" ? "price book" : key.refers);
  }
  if (!key.unit.empty()) text += fmt::format(", {}", key.unit);
  text += bounds_of(key);
  for (const std::string_view word : split_words(key.words)) text += fmt::format(", or `{}`", word);
  return text;
}

std::string default_of(const Key& key) {
  if (key.presence == Presence::required) return "required";
  if (!key.fallback.empty()) return fmt::format("`{}`", key.fallback);
  if (!key.same_as.empty()) return fmt::format("as `{}`", key.same_as);
  return key.otherwise.empty() ? "none" : std::string(key.otherwise);
}

// What the document must hold for the table at `path`; "" is the document.
std::string expected_block(std::string_view path) {
  std::string text;
  std::string rows;
  for (const Key& key : all_keys()) {
    if (key.path == path && key.type == Type::table) {
      text += fmt::format("**`[{}]`**: {}", key.path, key.meaning);
      if (key.presence == Presence::required) text += " It is required.";
      text += "\n\n";
    }
    if (key.type == Type::table || table_of(key) != path) continue;
    const std::string_view name = path.empty() ? key.path : key.path.substr(path.size() + 1);
    rows += fmt::format("| `{}` | {} | {} | {} | `{}` |\n", name, type_of(key), default_of(key),
                        key.meaning, key.example);
  }
  if (rows.empty()) return text + "Its keys are ids.\n";
  return text + "| key | type | default | meaning | example |\n|---|---|---|---|---|\n" + rows;
}

struct Block {
  std::string path;
  std::string text;
};

// Splits a document at its blocks and puts it together again with each block's
// text replaced by what `visit` makes of it.
template <typename Visit>
std::string walk_blocks(const std::string& document, Visit&& visit) {
  constexpr std::string_view kOpen = "<!-- keys:";
  constexpr std::string_view kClose = "<!-- /keys -->";
  std::string result;
  std::size_t at = 0;
  while (true) {
    const std::size_t open = document.find(kOpen, at);
    if (open == std::string::npos) return result + document.substr(at);
    const std::size_t end_of_open = document.find(" -->\n", open) + 5;
    const std::size_t close = document.find(kClose, open);
    if (close == std::string::npos) return result + document.substr(at);
    std::string path = document.substr(open + kOpen.size(), end_of_open - 5 - open - kOpen.size());
    if (path.starts_with(' ')) path.erase(0, 1);
    result += document.substr(at, end_of_open - at);
    result += visit(Block{path, document.substr(end_of_open, close - end_of_open)});
    at = close;
  }
}

// The fenced blocks of TOML.
std::vector<std::string> fragments(const std::string& document) {
  std::vector<std::string> found;
  constexpr std::string_view kFence = "```toml\n";
  for (std::size_t at = document.find(kFence); at != std::string::npos;
       at = document.find(kFence, at + 1)) {
    const std::size_t start = at + kFence.size();
    found.push_back(document.substr(start, document.find("```", start) - start));
  }
  return found;
}

TEST(Documentation, HasEveryKeyAsTheSchemaHasIt) {
  const std::string document = read_text(document_path());
  if (std::getenv("HANSE_UPDATE_GOLDEN") != nullptr) {
    const std::string renewed = walk_blocks(
        document, [](const Block& block) { return "\n" + expected_block(block.path) + "\n"; });
    std::ofstream(document_path(), std::ios::binary) << renewed;
    return;
  }
  std::set<std::string> documented;
  walk_blocks(document, [&](const Block& block) {
    EXPECT_EQ(block.text, "\n" + expected_block(block.path) + "\n") << "keys: " << block.path;
    EXPECT_TRUE(documented.insert(block.path).second) << block.path << " is documented twice";
    return block.text;
  });
  std::set<std::string> tables = {""};
  for (const Key& key : all_keys()) {
    if (key.type == Type::table) tables.insert(std::string(key.path));
  }
  EXPECT_EQ(documented, tables);
}

TEST(Documentation, ItsFragmentsAreRight) {
  const auto with = [](std::string_view name) {
    const std::string file = std::string(name) + ".toml";
    return SourceText{file, read_text(source_dir() / "tests" / "config" / "with" / file)};
  };
  const auto found = fragments(read_text(document_path()));
  EXPECT_GE(found.size(), 4U);
  for (const std::string& fragment : found) {
    const std::vector<SourceText> texts = {
        with("gateway"), with("grid"), with("tenant"), {"fragment.toml", fragment}};
    const Loaded loaded = load_texts(texts, surroundings());
    EXPECT_NE(loaded.configuration, nullptr) << fragment << render(loaded.diagnostics, Colour::off);
  }
}

TEST(Schema, SaysWhatEveryKeyMeans) {
  std::set<std::string_view> paths;
  for (const Key& key : all_keys()) {
    EXPECT_TRUE(paths.insert(key.path).second) << key.path << " is there twice";
    EXPECT_TRUE(key.meaning.ends_with('.')) << key.path;
    if (key.type == Type::table) continue;
    EXPECT_FALSE(key.example.empty()) << key.path;
    if (key.presence == Presence::required) {
      EXPECT_TRUE(key.fallback.empty() && key.same_as.empty() && key.otherwise.empty()) << key.path;
    }
  }
}

// Numbers meet in sums and products, and instants are added to durations.
TEST(Schema, EveryNumberHasABound) {
  for (const Key& key : all_keys()) {
    if (!is_number(key.type)) continue;
    EXPECT_LT(key.most, std::numeric_limits<std::int64_t>::max()) << key.path;
  }
}

// An example that the reader would refuse misleads twice.
TEST(Schema, ExamplesAndDefaultsAreRight) {
  for (const Key& key : all_keys()) {
    if (key.type == Type::table || key.type == Type::tables) continue;
    const SourceText source{"example.toml", fmt::format("x = {}\n", key.example)};
    const Sources sources(std::span(&source, 1));
    Report report(sources);
    Node document = parse_document(report, 0);
    ASSERT_EQ(report.errors(), 0U) << key.path;
    for (const Trouble& trouble : convert(*document.find("x"), key)) {
      ADD_FAILURE() << key.path << ": " << trouble.message;
    }
    if (!key.fallback.empty()) fallback_of(key, Place());
  }
}

}  // namespace
}  // namespace hanse::config
