#include "adapters/config/schema.h"

#include <algorithm>

#include "base/check.h"

namespace hanse::config {
namespace {

// Walks one segment down, making what is not there yet.
SchemaNode& descend(SchemaNode& parent, std::string_view segment, std::string_view parent_segment) {
  std::unique_ptr<SchemaNode>* next = nullptr;
  if (segment.starts_with('<')) {
    const std::string_view name = segment.substr(1, segment.size() - 2);
    next = &parent.any;
    parent.any_name = name;
    parent.any_refers = name != parent_segment;
  } else {
    next = &parent.children[segment];
  }
  if (*next == nullptr) *next = std::make_unique<SchemaNode>();
  return **next;
}

void insert(SchemaNode& root, const Key& key) {
  SchemaNode* node = &root;
  std::string_view rest = key.path;
  std::string_view parent_segment;
  while (!rest.empty()) {
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    std::string_view segment = rest.substr(0, dot);
    rest.remove_prefix(std::min(dot + 1, rest.size()));
    if (segment.ends_with("[]")) segment.remove_suffix(2);
    node = &descend(*node, segment, parent_segment);
    parent_segment = segment;
  }
  HANSE_CHECK(node->key == nullptr);
  node->key = &key;
}

// A placeholder refers only to what is a table of names of its own.
void settle_references(const SchemaNode& root, SchemaNode& node) {
  if (node.any != nullptr) {
    if (!root.children.contains(node.any_name)) node.any_refers = false;
    settle_references(root, *node.any);
  }
  for (auto& [name, child] : node.children) settle_references(root, *child);
}

}  // namespace

std::vector<Key> all_keys() {
  std::vector<Key> keys;
  for (const auto part : {gateway_keys(), grid_keys(), tenant_keys()}) {
    keys.insert(keys.end(), part.begin(), part.end());
  }
  return keys;
}

const SchemaNode& schema() {
  static const auto* const built = [] {
    auto* root = new SchemaNode;
    for (const auto part : {gateway_keys(), grid_keys(), tenant_keys()}) {
      for (const Key& key : part) insert(*root, key);
    }
    settle_references(*root, *root);
    return root;
  }();
  return *built;
}

std::string_view to_string(Type type) {
  switch (type) {
    case Type::table: return "table";
    case Type::tables: return "list of tables";
    case Type::boolean: return "boolean";
    case Type::integer: return "integer";
    case Type::text: return "text";
    case Type::texts: return "list of texts";
    case Type::choice: return "choice";
    case Type::reference: return "name";
    case Type::references: return "list of names";
    case Type::duration: return "duration";
    case Type::size: return "size";
    case Type::money: return "money";
    case Type::price: return "price";
    case Type::rate: return "rate";
    case Type::percent: return "percent";
    case Type::date: return "date";
    case Type::path: return "path";
    case Type::environment: return "environment name";
    case Type::url: return "URL";
    case Type::address: return "address";
    case Type::addresses: return "list of addresses";
    case Type::country: return "country";
    case Type::areas: return "list of areas";
    case Type::currency: return "currency";
    case Type::labels: return "labels";
    case Type::sha256: return "SHA-256";
  }
  return "unknown";
}

std::string_view expectation(Type type) {
  switch (type) {
    case Type::table: return "a table";
    case Type::tables: return "a list of tables";
    case Type::boolean: return "true or false";
    case Type::integer: return "an integer";
    case Type::text: return "a text in quotes";
    case Type::texts: return "a list of texts";
    case Type::choice: return "one of its words";
    case Type::reference: return "a name in quotes";
    case Type::references: return "a list of names";
    case Type::duration: return "a duration such as \"1500ms\", \"30s\", \"10m\" or \"2h\"";
    case Type::size: return "a size such as \"32KiB\" or \"16MiB\"";
    case Type::money: return "an amount in quotes such as \"25.00\"";
    case Type::price: return "a price per million tokens in quotes such as \"0.120\"";
    case Type::rate: return "a rate in quotes such as \"0.92\"";
    case Type::percent: return "a percentage above 0 and up to 100, with at most four decimals";
    case Type::date: return "a date such as 2028-03-31";
    case Type::path: return "the path of a file in quotes";
    case Type::environment: return "the name of an environment variable such as \"ENGINE_KEY\"";
    case Type::url: return "a URL such as \"https://engine.example:8000\"";
    case Type::address: return "an address such as \"127.0.0.1:8412\" or \"unix:admin.sock\"";
    case Type::addresses: return "addresses such as \"127.0.0.1:8411\" or \"[::1]:8411\"";
    case Type::country: return "a country's two letters such as \"DE\"";
    case Type::areas: return "a list of countries or areas such as [\"DE\", \"EEA\"]";
    case Type::currency: return "a currency's three letters such as \"EUR\"";
    case Type::labels: return "data labels such as \"personal; subjects=EU\"";
    case Type::sha256: return "the SHA-256 of the key, 64 hexadecimal digits";
  }
  return "something else";
}

std::vector<std::string_view> split_words(std::string_view words) {
  std::vector<std::string_view> split;
  while (!words.empty()) {
    const std::size_t blank = std::min(words.find(' '), words.size());
    if (blank != 0) split.push_back(words.substr(0, blank));
    words.remove_prefix(std::min(blank + 1, words.size()));
  }
  return split;
}

}  // namespace hanse::config
