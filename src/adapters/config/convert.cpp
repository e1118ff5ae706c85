#include "adapters/config/convert.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "adapters/config/values.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/money.h"
#include "base/nearest_word.h"
#include "core/fleet/country.h"

namespace hanse::config {
namespace {

using Checked = std::optional<Trouble>;

// "\"process\" or \"power\"".
std::string list_choices(const Key& key) {
  const auto words = split_words(key.words);
  std::string list;
  for (const std::string_view word : words) {
    const std::string_view separator = list.empty() ? "" : word == words.back() ? " or " : ", ";
    list += fmt::format("{}\"{}\"", separator, word);
  }
  return list;
}

std::string expected(const Key& key, const Node& found, std::string_view why = {}) {
  std::string text = "expected ";
  if (key.type == Type::choice) {
    text += list_choices(key);
  } else {
    text += expectation(key.type);
    for (const std::string_view word : split_words(key.words)) {
      text += fmt::format(" or \"{}\"", word);
    }
  }
  text += fmt::format(", found {}", describe(found));
  if (!why.empty()) text += fmt::format(": {}", why);
  return text;
}

Trouble wrong(const Key& key, const Node& node, std::string_view why = {}, std::string hint = {}) {
  return {node.place, expected(key, node, why), std::move(hint)};
}

// The half sentence behind the last colon of an error of base, which names
// the value and the kind before it.
std::string_view reason_of(std::string_view message) {
  const std::size_t colon = message.rfind(": ");
  return colon == std::string_view::npos ? message : message.substr(colon + 2);
}

// What to write when a number stands where its type needs quotes.
std::string quoted_hint(const Key& key, const Node& node) {
  if (node.kind != Node::Kind::integer && node.kind != Node::Kind::real) return {};
  switch (key.type) {
    case Type::duration:
      return fmt::format("write a unit: \"{}s\" or \"{}ms\"", node.text, node.text);
    case Type::size: return fmt::format("write a unit: \"{}B\" or \"{}MiB\"", node.text, node.text);
    case Type::money:
    case Type::price:
    case Type::rate: return fmt::format("in quotes no digit is lost: \"{}\"", node.text);
    default: return fmt::format("in quotes: \"{}\"", node.text);
  }
}

}  // namespace

std::string print_base(Type type, std::int64_t value) {
  if (type == Type::duration) return print(Duration(value));
  if (type == Type::size) return print(Bytes(value));
  if (type == Type::money || type == Type::rate) return to_decimal(Money(value));
  if (type == Type::price) return to_decimal_per_million(TokenPrice(value));
  return fmt::format("{}", value);
}

namespace {

Checked check_bounds(const Node& node, const Key& key) {
  const bool too_small = node.number < key.least;
  if (!too_small && node.number <= key.most) return std::nullopt;
  const bool with_unit = key.type == Type::integer || key.type == Type::price;
  const std::string unit =
      key.unit.empty() || !with_unit ? std::string() : fmt::format(" ({})", key.unit);
  return Trouble{
      node.place,
      fmt::format("expected at {} {}{}, found {}", too_small ? "least" : "most",
                  print_base(key.type, too_small ? key.least : key.most), unit, describe(node)),
      ""};
}

// Takes over a parsed number and its canonical text.
Checked settle(Node& node, const Key& key, std::int64_t number, std::string canonical) {
  node.number = number;
  if (auto trouble = check_bounds(node, key)) return trouble;
  node.text = std::move(canonical);
  return std::nullopt;
}

Checked convert_boolean(Node& node, const Key& key) {
  if (node.kind == Node::Kind::boolean) return std::nullopt;
  const bool quoted =
      node.kind == Node::Kind::text && (node.text == "true" || node.text == "false");
  return wrong(key, node, "", quoted ? fmt::format("without quotes: {}", node.text) : "");
}

Checked convert_integer(Node& node, const Key& key) {
  if (node.kind == Node::Kind::integer) return check_bounds(node, key);
  const bool digits = node.kind == Node::Kind::text && !node.text.empty() &&
                      node.text.find_first_not_of("0123456789") == std::string::npos;
  return wrong(key, node, "", digits ? fmt::format("without quotes: {}", node.text) : "");
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

Checked convert_text(Node& node, const Key& key) {
  if (node.text.empty()) return wrong(key, node, "it is empty");
  if (has_control(node.text)) {
    return Trouble{node.place, "expected a text on one line, without control characters", ""};
  }
  return std::nullopt;
}

Checked convert_choice(Node& node, const Key& key) {
  const auto words = split_words(key.words);
  if (std::ranges::find(words, node.text) != words.end()) return std::nullopt;
  const std::string_view near = nearest_word(node.text, words);
  return wrong(key, node, "", near.empty() ? "" : fmt::format("did you mean '{}'?", near));
}

template <typename Value>
Checked convert_parsed(Node& node, const Key& key, Parsed<Value> parsed) {
  if (!parsed) return wrong(key, node, parsed.error());
  return settle(node, key, parsed->count(), print(*parsed));
}

Checked convert_decimal(Node& node, const Key& key) {
  if (key.type == Type::price) {
    const auto price = parse_price_per_million(node.text);
    if (!price) return wrong(key, node, reason_of(price.error().message));
    return settle(node, key, price->count(), to_decimal_per_million(*price));
  }
  const auto money = parse_money(node.text);
  if (!money) return wrong(key, node, reason_of(money.error().message));
  if (key.type == Type::rate && money->count() <= 0) return wrong(key, node, "it is not positive");
  return settle(node, key, money->count(), to_decimal(*money));
}

Checked convert_percent(Node& node, const Key& key) {
  if (node.kind != Node::Kind::integer && node.kind != Node::Kind::real &&
      node.kind != Node::Kind::text) {
    return wrong(key, node);
  }
  const auto percent = parse_percent(node.text);
  if (!percent) return wrong(key, node);
  node.kind = Node::Kind::real;
  return settle(node, key, *percent, print_percent(*percent));
}

Checked convert_date(Node& node, const Key& key) {
  // Milliseconds are as fine as any law; finer ones would not survive printing.
  constexpr std::int64_t kNanosPerMilli = 1'000'000;
  if (node.kind == Node::Kind::date) return std::nullopt;
  if (node.kind == Node::Kind::date_time) {
    node.number -= node.number % kNanosPerMilli;
    node.text = to_iso8601(WallTime(node.number));
    return std::nullopt;
  }
  if (node.kind == Node::Kind::local_date_time) {
    return wrong(key, node, "", "add the zone, Z for UTC, or give the day alone");
  }
  const bool quoted = node.kind == Node::Kind::text && node.text.starts_with("20");
  return wrong(key, node, "", quoted ? fmt::format("without quotes: {}", node.text) : "");
}

Checked convert_environment(Node& node, const Key& key) {
  const bool name = !node.text.empty() && std::ranges::all_of(node.text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (name && node.text.front() > '9') return std::nullopt;
  // It may be the credential itself, so it is not repeated.
  return Trouble{node.place, fmt::format("expected {}", expectation(key.type)),
                 "a credential never stands in a configuration: put it into the environment and "
                 "write the variable's name here",
                 true};
}

Checked convert_path(Node& node, const Key& key) {
  if (auto trouble = convert_text(node, key)) return trouble;
  for (const std::string_view start : {"sk-", "hk-", "Bearer "}) {
    if (node.text.starts_with(start)) {
      return Trouble{node.place, "expected the path of a file, found what looks like a credential",
                     "put the credential into a file and write the file's path here", true};
    }
  }
  node.text = std::filesystem::path(node.text).lexically_normal().generic_string();
  return std::nullopt;
}

Checked convert_url(Node& node, const Key& key) {
  if (has_userinfo(node.text)) {
    return Trouble{node.place, "expected a URL without user and password",
                   "a credential never stands in a configuration: use credential_file or "
                   "credential_env",
                   true};
  }
  if (node.text.contains('?')) {
    return Trouble{node.place, "expected a URL without a query", "", true};
  }
  const auto url = parse_url(node.text);
  if (!url) return wrong(key, node, url.error());
  node.text = url->text();
  return std::nullopt;
}

Checked convert_address(Node& node, const Key& key) {
  const auto address = parse_address(node.text);
  if (!address) return wrong(key, node, address.error());
  if (key.type == Type::addresses && address->kind != Address::Kind::tcp) {
    return wrong(key, node, "clients are served over TCP");
  }
  node.text = address->text();
  return std::nullopt;
}

// What people write who mean a country or area of the list.
std::string area_hint(std::string_view text, std::span<const std::string_view> words) {
  if (text == "UK" || text == "uk") return "the United Kingdom is 'GB'";
  const std::string_view near = nearest_word(text, words);
  return near.empty() ? std::string() : fmt::format("did you mean '{}'?", near);
}

Checked convert_area(Node& node, const Key& key) {
  const bool country_only = key.type == Type::country;
  if (country_only ? fleet::parse_country(node.text).has_value()
                   : fleet::countries_of(node.text).has_value()) {
    return std::nullopt;
  }
  std::vector<std::string_view> words;
  for (const fleet::Code& code : fleet::known_countries()) words.push_back(code.text());
  const auto areas = fleet::known_areas();
  if (country_only) {
    if (std::ranges::find(areas, node.text) != areas.end()) {
      return wrong(key, node, "it is an area, not a country");
    }
    for (const std::string_view word : split_words(key.words)) words.push_back(word);
  } else {
    words.insert(words.begin(), areas.begin(), areas.end());
  }
  return wrong(key, node, "ISO 3166-1 assigns no such code", area_hint(node.text, words));
}

Checked convert_currency(Node& node, const Key& key) {
  const bool three_capitals = node.text.size() == 3 && std::ranges::all_of(node.text, [](char c) {
                                return c >= 'A' && c <= 'Z';
                              });
  if (three_capitals) return std::nullopt;
  return wrong(key, node);
}

Checked convert_sha256(Node& node, const Key& key) {
  const auto digest = sha256_from_hex(node.text);
  if (digest) {
    node.text = to_hex(*digest);
    return std::nullopt;
  }
  // It may be the key itself, so it is not repeated.
  return Trouble{
      node.place,
      fmt::format("expected {}, found a text of {} bytes", expectation(key.type), node.text.size()),
      "a key never stands in a configuration; `hanse keys new` prints one and its "
      "SHA-256",
      true};
}

// Of a text that is none of the key's special words.
Checked convert_word(Node& node, const Key& key) {
  switch (key.type) {
    case Type::choice: return convert_choice(node, key);
    case Type::duration: return convert_parsed(node, key, parse_duration(node.text));
    case Type::size: return convert_parsed(node, key, parse_size(node.text));
    case Type::money:
    case Type::price:
    case Type::rate: return convert_decimal(node, key);
    case Type::path: return convert_path(node, key);
    case Type::environment: return convert_environment(node, key);
    case Type::url: return convert_url(node, key);
    case Type::address:
    case Type::addresses: return convert_address(node, key);
    case Type::country:
    case Type::areas: return convert_area(node, key);
    case Type::currency: return convert_currency(node, key);
    case Type::sha256: return convert_sha256(node, key);
    default: return convert_text(node, key);
  }
}

bool is_list(Type type) {
  return type == Type::texts || type == Type::references || type == Type::areas ||
         type == Type::addresses;
}

std::vector<Trouble> convert_list(Node& node, const Key& key) {
  if (node.kind == Node::Kind::text) {
    Node one = node;
    node.kind = Node::Kind::array;
    node.text.clear();
    node.items.push_back(std::move(one));
  }
  if (node.kind != Node::Kind::array) return {wrong(key, node, "", quoted_hint(key, node))};
  // Only where `least` is 0 does a list of nothing say something.
  if (node.items.empty() && key.least != 0) {
    return {Trouble{node.place, "this list is empty", "leave the key out, or name something"}};
  }
  std::vector<Trouble> troubles;
  std::set<std::string> seen;
  std::vector<Node> once;
  for (Node& item : node.items) {
    if (item.kind != Node::Kind::text) {
      troubles.push_back(wrong(key, item, "", quoted_hint(key, item)));
    } else if (auto trouble = convert_word(item, key)) {
      troubles.push_back(*std::move(trouble));
    } else if (!seen.insert(item.text).second) {
      troubles.push_back({item.place, fmt::format("'{}' is in this list twice", item.text), ""});
      troubles.back().spoils = false;
      continue;
    }
    once.push_back(std::move(item));
  }
  node.items = std::move(once);
  if (!key.ordered) std::ranges::sort(node.items, {}, &Node::text);
  return troubles;
}

Checked convert_scalar(Node& node, const Key& key) {
  switch (key.type) {
    case Type::boolean: return convert_boolean(node, key);
    case Type::integer: return convert_integer(node, key);
    case Type::percent: return convert_percent(node, key);
    case Type::date: return convert_date(node, key);
    default: break;
  }
  if (node.kind != Node::Kind::text) return wrong(key, node, "", quoted_hint(key, node));
  return convert_word(node, key);
}

}  // namespace

std::vector<Trouble> convert(Node& node, const Key& key) {
  HANSE_CHECK(key.type != Type::table && key.type != Type::tables);
  if (node.kind == Node::Kind::text && key.type != Type::choice) {
    const auto words = split_words(key.words);
    if (std::ranges::find(words, node.text) != words.end()) return {};
  }
  if (is_list(key.type)) return convert_list(node, key);
  if (auto trouble = convert_scalar(node, key)) return {*std::move(trouble)};
  return {};
}

Node fallback_of(const Key& key, const Place& place) {
  Node node;
  node.place = place;
  node.kind = Node::Kind::text;
  node.text = key.fallback;
  if (key.type == Type::boolean) {
    node.kind = Node::Kind::boolean;
    node.number = key.fallback == "true" ? 1 : 0;
  } else if (key.type == Type::integer) {
    node.kind = Node::Kind::integer;
    for (const char c : key.fallback) node.number = node.number * 10 + (c - '0');
  } else if (is_list(key.type)) {
    node.kind = Node::Kind::array;
    for (const std::string_view word : split_words(key.fallback)) {
      Node& item = node.items.emplace_back();
      item.place = place;
      item.kind = Node::Kind::text;
      item.text = word;
    }
  }
  HANSE_CHECK(convert(node, key).empty());
  return node;
}

}  // namespace hanse::config
