// src/adapters/config/schema.h
// Every key that a configuration may hold, once, as data: where it stands, of
// which type it is, what it means when it is left out. The reader judges files
// by this table and docs/configuration.md is checked against it, so that
// neither can know a key that the other does not.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/money.h"

namespace hanse::config {

enum class Type : std::uint8_t {
  table,   // of the keys below it
  tables,  // a list of such tables
  boolean,
  integer,
  text,
  texts,        // words; one word may stand without its brackets
  choice,       // one of `words`
  reference,    // the name of something in the top table `refers`
  references,   // several; one may stand without its brackets
  duration,     // "1500ms"; base unit nanoseconds
  size,         // "32KiB"; base unit bytes
  money,        // "25.00"; base unit nano-units
  price,        // "0.120" per million tokens; base unit pico-units per token
  rate,         // "0.92"; base unit nano-units for one unit
  percent,      // 100, 33.3 or "33.3"; base unit millionths
  date,         // 2028-03-31, or a time with its zone; base unit wall time
  path,         // of a file or folder; relative to the file that names it
  environment,  // the name of an environment variable
  url,
  address,    // "127.0.0.1:8411" or "unix:PATH"
  addresses,  // of tcp; one may stand without its brackets
  country,    // ISO 3166-1 alpha-2
  areas,      // countries and areas such as "EU"; one may stand without its brackets
  currency,   // ISO 4217
  labels,     // "personal; subjects=EU"
  sha256,     // 64 hexadecimal digits
};

enum class Presence : std::uint8_t { optional, required };

// Far above what anybody charges or serves in any currency, and low enough that
// no sum of one request comes near the end of Money's 64 bits.
inline constexpr Tokens kRequestTokensMax(10'000'000);                // prompt and output
inline constexpr TokenPrice kTokenPriceMax(100 * 1'000'000'000'000);  // 100 units
inline constexpr Money kBudgetMax(4'000'000'000 * kNanosPerUnit);
static_assert(static_cast<__int128>(kTokenPriceMax.count()) * kRequestTokensMax.count() / 1'000 <=
              std::numeric_limits<std::int64_t>::max() / 8);

struct Key {
  // Segments by dots. "<site>" stands for a name that the user chooses where
  // its own table holds it ("site.<site>") and for the name of such a one
  // elsewhere ("link.<site>"); "[]" marks a list of tables.
  std::string_view path = {};
  Type type = Type::table;
  Presence presence = Presence::optional;
  bool ordered = false;  // a list whose order has a meaning; others are sets
  // What holds when it is left out, as it would be written (without quotes);
  // of a table, "defaults": it is there, with its keys' defaults.
  std::string_view fallback = {};
  std::string_view same_as = {};    // the sibling whose value it takes when left out
  std::string_view otherwise = {};  // in words, when neither says it
  std::string_view refers = {};     // for references
  std::string_view words = {};      // separated by blanks: a choice's, or what else is allowed
  // In the base unit; of a list, 0 where it may be empty.
  std::int64_t least = std::numeric_limits<std::int64_t>::min();
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
  std::string_view unit = {};
  std::string_view example = {};  // as it is written, quotes and all
  std::string_view meaning = {};
};

// In the order of the documentation.
std::span<const Key> gateway_keys();
std::span<const Key> grid_keys();
std::span<const Key> tenant_keys();
std::vector<Key> all_keys();

// The table as a tree, to walk along a document.
struct SchemaNode {
  const Key* key = nullptr;  // null for a table that only holds others by name
  std::map<std::string_view, std::unique_ptr<SchemaNode>> children;
  // What any other name leads to, and that name's placeholder ("site").
  std::unique_ptr<SchemaNode> any;
  std::string_view any_name;
  // Whether such names are defined here, or name something of the top table
  // `any_name`.
  bool any_refers = false;
};

// Built once from all_keys().
const SchemaNode& schema();

// "duration": as the documentation names it.
std::string_view to_string(Type type);
// "a duration such as \"30s\"": as an error asks for it.
std::string_view expectation(Type type);

// The words of a blank-separated list.
std::vector<std::string_view> split_words(std::string_view words);

}  // namespace hanse::config
