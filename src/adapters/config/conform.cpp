#include "adapters/config/conform.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "adapters/config/canonical.h"
#include "adapters/config/suggest.h"
#include "adapters/config/values.h"
#include "base/ascii.h"
#include "base/nearest_word.h"

namespace hanse::config {
namespace {

std::vector<std::string_view> views_of(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

// Keys that somebody writes who puts a credential where it does not belong.
bool sounds_secret(std::string_view key) {
  static constexpr auto kWords = std::to_array<std::string_view>(
      {"key", "token", "secret", "password", "passwd", "credential", "bearer", "authorization"});
  const std::string lower = in_lower_case(key);
  return std::ranges::any_of(kWords, [&](std::string_view word) { return lower.contains(word); });
}

// What stands at `key` of `schema`, for an error.
std::string secret_hint(const SchemaNode& schema) {
  if (schema.children.contains("credential_file")) {
    return "put it into a file and write credential_file = \"PATH\", or into the environment and "
           "write credential_env = \"NAME\"";
  }
  if (schema.children.contains("sha256")) {
    return "write sha256 = \"...\"; `hanse keys new` prints a key and its SHA-256";
  }
  if (schema.children.contains("admin_token_file")) {
    return "put it into a file and write admin_token_file = \"PATH\"";
  }
  return {};
}

// Whether a misspelt or misplaced key stands for the one called `name`.
bool stands_for(const std::vector<std::string_view>& strangers, std::string_view name) {
  return std::ranges::any_of(strangers, [&](std::string_view stranger) {
    return !nearest_word(stranger, std::array{name}).empty();
  });
}

Node* find_sibling(Node& table, std::string_view name) {
  Node* node = table.find(name);
  return node == nullptr || node->kind == Node::Kind::invalid ? nullptr : node;
}

void insert_member(Node& table, std::string_view name, Node value) {
  const Place place = value.place;
  const auto it = std::ranges::lower_bound(table.members, name, {}, &Member::key);
  table.members.insert(it, Member{std::string(name), place, std::move(value)});
}

// What to write for a key that is missing.
std::string hint_to_write(std::string_view name, const std::string& path, const Key& key) {
  if (key.type == Type::table) return fmt::format("write [{}]", path);
  // An example's key must not become somebody's.
  if (key.type == Type::sha256) return "`hanse keys new` prints a key and its SHA-256";
  std::string hint = fmt::format("write {} = {}", name, key.example);
  std::string_view separator = ", or ";
  for (const std::string_view word : split_words(key.words)) {
    if (key.type == Type::choice) break;
    const bool said = key.example == fmt::format("\"{}\"", word);
    if (!said) hint += fmt::format("{}\"{}\"", std::exchange(separator, " or "), word);
  }
  return separator == ", or " ? hint : hint + " if that is so";
}

// A table or list that says nothing says the same as none.
void drop_empty(Node& table, const SchemaNode& schema) {
  std::erase_if(table.members, [&](const Member& member) {
    const auto it = schema.children.find(member.key);
    if (it == schema.children.end() || !member.value.members.empty()) return false;
    const Key* key = it->second->key;
    if (key == nullptr) return member.value.kind == Node::Kind::table;
    if (!key->fallback.empty() || key->presence == Presence::required) return false;
    return member.value.kind == Node::Kind::table ||
           (member.value.kind == Node::Kind::array && member.value.items.empty());
  });
}

}  // namespace

std::filesystem::path folder_of(const Sources& sources, std::uint32_t file) {
  if (file >= sources.size()) return {};
  return std::filesystem::path(sources[file].name).parent_path();
}

Conformer::Conformer(Node& root, Report& report, Files files)
    : root_(root), report_(report), files_(files) {
  for (const Member& top : root_.members) {
    std::vector<std::string>& names = defined_[top.key];
    for (const Member& member : top.value.members) names.push_back(member.key);
  }
}

void Conformer::run() { conform_table({root_, schema(), "", root_.place, ""}); }

void Conformer::reject(Node& node, const std::string& path, Trouble trouble) {
  if (trouble.secret) report_.hide(trouble.place);
  report_.error(trouble.place, {path, std::move(trouble.message), std::move(trouble.hint)});
  if (trouble.spoils) node.kind = Node::Kind::invalid;
}

void Conformer::conform_table(const Table& table) {
  std::vector<std::string_view> strangers;
  if (!conform_members(table, strangers)) {
    table.node.kind = Node::Kind::invalid;
    return;
  }
  // Names are copied: filling in moves the members that they lie in.
  const std::vector<std::string> kept(strangers.begin(), strangers.end());
  fill(table, views_of(kept));
  drop_empty(table.node, table.schema);
}

bool Conformer::conform_members(const Table& table, std::vector<std::string_view>& strangers) {
  bool name_is_whole = true;
  for (Member& member : table.node.members) {
    std::string path = join(table.path, member.key);
    const auto it = table.schema.children.find(member.key);
    if (it != table.schema.children.end()) {
      conform_member(member, *it->second, std::move(path));
    } else if (table.schema.any != nullptr) {
      check_name(member, table.schema, path);
      conform_member(member, *table.schema.any, std::move(path));
    } else {
      strangers.push_back(member.key);
      name_is_whole = report_stranger(table, member) && name_is_whole;
    }
  }
  return name_is_whole;
}

void Conformer::conform_member(Member& member, const SchemaNode& schema, std::string path) {
  Node& node = member.value;
  const Key* key = schema.key;
  if (key != nullptr && key->type == Type::tables) {
    conform_tables(node, schema, path);
  } else if (key == nullptr || key->type == Type::table) {
    if (node.kind == Node::Kind::table) {
      conform_table({node, schema, std::move(path), member.place, member.key});
    } else {
      reject(node, path,
             {node.place, fmt::format("expected a table, found {}", describe(node)), ""});
    }
  } else {
    for (Trouble& trouble : convert(node, *key)) reject(node, path, std::move(trouble));
    if (node.kind == Node::Kind::invalid) return;
    settle_path(node, *key);
    check_reference(node, *key, path);
  }
}

void Conformer::conform_tables(Node& list, const SchemaNode& schema, const std::string& path) {
  const auto words = split_words(schema.key->words);
  if (list.kind == Node::Kind::text && std::ranges::find(words, list.text) != words.end()) return;
  if (list.kind == Node::Kind::table) {
    reject(list, path,
           {list.place, "expected a list of tables, found one table",
            "put it in brackets: [{ ... }]"});
    return;
  }
  if (list.kind != Node::Kind::array) {
    std::string expected = "expected a list of tables";
    for (const std::string_view word : words) expected += fmt::format(" or \"{}\"", word);
    const std::string_view near = nearest_word(list.text, words);
    reject(list, path,
           {list.place, fmt::format("{}, found {}", expected, describe(list)),
            near.empty() ? std::string() : fmt::format("did you mean '{}'?", near)});
    return;
  }
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    Node& item = list.items[i];
    const std::string item_path = fmt::format("{}[{}]", path, i);
    if (item.kind == Node::Kind::table) {
      conform_table({item, schema, item_path, item.place, ""});
    } else {
      reject(item, item_path,
             {item.place, fmt::format("expected a table, found {}", describe(item)), ""});
    }
  }
  if (!schema.key->ordered) {
    std::ranges::sort(list.items, {}, [](const Node& item) { return print_value(item); });
  }
  if (list.items.empty() && std::ranges::find(words, "none") != words.end()) {
    list.kind = Node::Kind::text;
    list.text = "none";
  }
}

void Conformer::check_name(const Member& member, const SchemaNode& parent,
                           const std::string& path) {
  if (parent.any_refers) {
    check_known(member.key, parent.any_name, member.place, path);
    return;
  }
  const bool alias = parent.any_name == "alias";
  if (alias ? is_alias_name(member.key) : is_name(member.key)) return;
  report_.error(member.place,
                {path, fmt::format("'{}' cannot be an id", member.key),
                 alias ? "an alias begins with a letter or digit and has at most 128 of letters, "
                         "digits and -._/:@+"
                       : "an id begins with a letter or digit and has at most 64 of letters, "
                         "digits and -._"});
}

void Conformer::check_reference(const Node& node, const Key& key, const std::string& path) {
  if (key.refers.empty()) return;
  if (node.kind == Node::Kind::array) {
    for (const Node& item : node.items) check_known(item.text, key.refers, item.place, path);
    return;
  }
  const auto words = split_words(key.words);
  if (std::ranges::find(words, node.text) == words.end()) {
    check_known(node.text, key.refers, node.place, path);
  }
}

void Conformer::check_known(std::string_view name, std::string_view top_table, const Place& place,
                            const std::string& path) {
  const std::vector<std::string>& names = defined_[std::string(top_table)];
  // They are in order, as members are.
  if (files_ == Files::some || std::ranges::binary_search(names, name)) return;
  const std::string hint = names.empty() ? fmt::format("define it: [{}]", join(top_table, name))
                                         : suggest(name, views_of(names));
  const std::string_view noun = top_table == "price" ? "price book" : top_table;
  report_.error(place, {path, fmt::format("there is no {} '{}'", noun, name), hint});
}

bool Conformer::report_stranger(const Table& table, Member& member) {
  const std::string path = join(table.path, member.key);
  Node& node = member.value;
  const bool scalar = node.kind != Node::Kind::table && node.kind != Node::Kind::array;
  const std::string secret = scalar ? secret_hint(table.schema) : std::string();
  if (!secret.empty() && sounds_secret(member.key)) {
    report_.hide(node.place);
    report_.error(
        member.place,
        {path, fmt::format("'{}' would be a secret in the configuration", member.key), secret});
    node.kind = Node::Kind::invalid;
    return true;
  }
  std::vector<std::string_view> known;
  for (const auto& [name, child] : table.schema.children) known.push_back(name);
  std::string hint = suggest(member.key, known);
  const bool name_was_split = node.kind == Node::Kind::table && !table.name.empty() &&
                              nearest_word(member.key, known).empty();
  if (name_was_split) {
    hint = fmt::format("is the dot part of a name? Then it stands in quotes: \"{}.{}\"", table.name,
                       member.key);
  }
  const std::string where = table.path.empty() ? std::string() : fmt::format(" in {}", table.path);
  report_.error(member.place,
                {path, fmt::format("unknown key '{}'{}", member.key, where), std::move(hint)});
  node.kind = Node::Kind::invalid;
  return !name_was_split;
}

void Conformer::fill(const Table& table, const std::vector<std::string_view>& strangers) {
  for (const auto& [name, child] : table.schema.children) {
    if (table.node.find(name) == nullptr && child->key != nullptr) {
      fill_one(table, name, *child, strangers);
    }
  }
  // Siblings last: what they copy may have been filled in itself.
  for (const auto& [name, child] : table.schema.children) {
    if (child->key == nullptr || child->key->same_as.empty() || table.node.find(name) != nullptr) {
      continue;
    }
    if (const Node* sibling = find_sibling(table.node, child->key->same_as)) {
      insert_member(table.node, name, *sibling);
    }
  }
}

void Conformer::fill_one(const Table& table, std::string_view name, const SchemaNode& schema,
                         const std::vector<std::string_view>& strangers) {
  const Key& key = *schema.key;
  if (key.presence == Presence::required) {
    if (files_ == Files::some || stands_for(strangers, name)) return;
    const std::string path = join(table.path, name);
    const std::string where =
        table.path.empty() ? std::string() : fmt::format(" in {}", table.path);
    report_.error(table.place, {path, fmt::format("'{}' is missing{}", name, where),
                                hint_to_write(name, path, key)});
  } else if (key.type == Type::table && key.fallback == "defaults") {
    Node filled;
    filled.place = table.place;
    conform_table({filled, schema, join(table.path, name), table.place, name});
    insert_member(table.node, name, std::move(filled));
  } else if (key.type != Type::table && !key.fallback.empty()) {
    insert_member(table.node, name, fallback_of(key, table.place));
  }
}

// Paths are relative to the file that names them. In canonical form all are
// relative to the first file, so that there is one base.
void Conformer::settle_path(Node& node, const Key& key) const {
  constexpr std::string_view kUnix = "unix:";
  const bool socket = key.type == Type::address && node.text.starts_with(kUnix);
  if ((key.type != Type::path && !socket) || node.kind != Node::Kind::text) return;
  std::filesystem::path path = socket ? node.text.substr(kUnix.size()) : node.text;
  const auto own = folder_of(report_.sources(), node.place.file);
  const auto base = folder_of(report_.sources(), 0);
  if (path.is_relative() && own.lexically_normal() != base.lexically_normal()) {
    const auto from_base = (own / path).lexically_relative(base.empty() ? "." : base);
    path = from_base.empty() ? std::filesystem::absolute(own / path) : from_base;
  }
  node.text = (socket ? std::string(kUnix) : std::string()) + path.lexically_normal().string();
}

}  // namespace hanse::config
