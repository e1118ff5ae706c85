// src/adapters/config/draft.h
// What the readers share: the conformed document and the configuration that is
// being made of it.
//
// A draft may be full of holes: where the document is wrong, ids stay invalid
// and values empty. It becomes a Configuration only if nothing was reported.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/config/configuration.h"
#include "adapters/config/document.h"
#include "adapters/config/load.h"
#include "adapters/config/report.h"

namespace hanse::config {

struct Draft {
  Node& root;  // conformed
  Report& report;
  const Surroundings& surroundings;
  Configuration& configuration;
};

// A table of the document, by path.
class Section {
 public:
  Section(const Node& node, std::string path, Place place)
      : node_(&node), path_(std::move(path)), place_(place) {}

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const Place& place() const { return place_; }  // of its name
  [[nodiscard]] std::string path_of(std::string_view key) const { return join(path_, key); }

  // The value of `key`; null when it is left out or was reported.
  [[nodiscard]] const Node* get(std::string_view key) const;
  [[nodiscard]] bool has(std::string_view key) const { return get(key) != nullptr; }
  // Whether something stands there, right or wrong.
  [[nodiscard]] bool has_any(std::string_view key) const { return node_->find(key) != nullptr; }
  // Whether a key of this table was reported.
  [[nodiscard]] bool has_invalid() const;

  // Empty, zero or false where get() is null.
  [[nodiscard]] std::string text(std::string_view key) const;
  [[nodiscard]] std::int64_t number(std::string_view key) const;
  [[nodiscard]] bool flag(std::string_view key) const { return number(key) != 0; }
  [[nodiscard]] std::vector<std::string> texts(std::string_view key) const;
  [[nodiscard]] Duration duration(std::string_view key) const { return Duration(number(key)); }
  [[nodiscard]] Bytes size(std::string_view key) const { return Bytes(number(key)); }
  [[nodiscard]] std::optional<Money> money(std::string_view key) const;

  // The table at `key`, empty where there is none.
  [[nodiscard]] Section section(std::string_view key) const;

  // Calls `visit(name, section)` for each table below this one, in order of
  // their names.
  template <typename Visit>
  void for_each(Visit&& visit) const {
    for (const Member& member : node_->members) {
      if (member.value.kind != Node::Kind::table) continue;
      visit(member.key, Section(member.value, path_of(member.key), member.place));
    }
  }

  // The same for the table at `key`.
  template <typename Visit>
  void for_each(std::string_view key, Visit&& visit) const {
    section(key).for_each(std::forward<Visit>(visit));
  }

  // Calls `visit(section)` for each table in the list at `key`.
  template <typename Visit>
  void for_each_item(std::string_view key, Visit&& visit) const {
    const Node* list = get(key);
    if (list == nullptr) return;
    std::size_t index = 0;
    for (const Node& item : list->items) {
      const std::string path = path_of(key) + "[" + std::to_string(index++) + "]";
      if (item.kind == Node::Kind::table) visit(Section(item, path, item.place));
    }
  }

 private:
  const Node* node_;
  std::string path_;
  Place place_;
};

// The whole document.
inline Section top(const Draft& draft) { return {draft.root, "", draft.root.place}; }

// The instant at which what is valid up to a date ends: a day is valid whole.
WallTime end_of(const Node& date);

// A path of the document, from the folder that it is relative to; empty for null.
std::filesystem::path resolve(const Draft& draft, const Node* path);

// Reports the text at `key`, the name of a `noun`, if it is none of `words`.
void check_word(Draft& draft, const Section& section, std::string_view key, std::string_view noun,
                const std::vector<std::string>& words);

// The readers, in the order in which they need each other.
void read_gateway(Draft& draft);
void read_catalog(Draft& draft);
void read_fleet(Draft& draft);
void read_price_books(Draft& draft);
void read_policies(Draft& draft);
void read_tenants(Draft& draft);

// What a configuration means as a whole.
void check_gateway(Draft& draft);
void check_catalog(Draft& draft);
void check_fleet(Draft& draft);
void check_rules(Draft& draft);

// The prices of a conformed table of them, in the gateway's currency. Reports
// a currency without a rate.
TokenPrices read_prices(Draft& draft, const Section& prices);

}  // namespace hanse::config
