// [labels] and [policy.X].
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "adapters/config/draft.h"
#include "adapters/config/suggest.h"

namespace hanse::config {
namespace {

using gate::Clause;
using gate::Dimension;

// The policy without rules, which tenants choose by name like any other.
constexpr std::string_view kNoPolicy = "none";

constexpr std::array kDimensions = {Dimension::data, Dimension::subjects, Dimension::categories};

void read_labels(Draft& draft, const Section& labels) {
  for (const Dimension dimension : kDimensions) {
    const Node* words = labels.get(to_string(dimension));
    if (words == nullptr) continue;
    for (const Node& word : words->items) {
      const auto added = draft.configuration.labels.add(dimension, word.text);
      if (added) continue;
      draft.report.error(word.place,
                         {labels.path_of(to_string(dimension)), added.error().message, ""});
      // Once says that they are too many.
      if (added.error().code == ErrorCode::at_capacity) return;
    }
  }
}

gate::LabelSet read_words(Draft& draft, const Section& when, Dimension dimension) {
  gate::LabelSet set;
  const std::string_view key = to_string(dimension);
  const Node* words = when.get(key);
  if (words == nullptr) return set;
  for (const Node& word : words->items) {
    if (const auto label = draft.configuration.labels.find(dimension, word.text)) {
      set = set | *label;
      continue;
    }
    const std::vector<std::string> known = top(draft).section("labels").texts(key);
    // One that is listed and could not be added has been reported there.
    if (std::ranges::find(known, word.text) != known.end()) continue;
    const std::vector<std::string_view> views(known.begin(), known.end());
    draft.report.error(word.place,
                       {when.path_of(key), fmt::format("there is no {} label '{}'", key, word.text),
                        suggest(word.text, views)});
  }
  return set;
}

void read_areas(Draft& draft, const Section& section, std::string_view key, Clause::Kind kind,
                gate::Rule& rule) {
  const Node* node = section.get(key);
  if (node == nullptr) return;
  auto clause = gate::area_clause(kind, section.texts(key));
  if (clause) {
    rule.clauses.push_back(*std::move(clause));
  } else {
    draft.report.error(node->place, {section.path_of(key), clause.error().message, ""});
  }
}

template <typename Table>
auto find_all(const Table& table, const std::vector<std::string>& names) {
  std::vector<typename decltype(table.find(""))::value_type> ids;
  for (const std::string& name : names) {
    if (const auto id = table.find(name)) ids.push_back(*id);
  }
  return ids;
}

void read_chips(Draft& draft, const Section& section, Clause::Kind kind, gate::Rule& rule) {
  if (!section.has("chip")) return;
  Clause clause;
  clause.kind = kind;
  clause.chips = find_all(draft.configuration.catalog.chips, section.texts("chip"));
  rule.clauses.push_back(std::move(clause));
}

void read_suppliers(Draft& draft, const Section& section, Clause::Kind kind, gate::Rule& rule) {
  if (!section.has("supplier")) return;
  Clause clause;
  clause.kind = kind;
  clause.suppliers = find_all(draft.configuration.fleet.suppliers, section.texts("supplier"));
  rule.clauses.push_back(std::move(clause));
}

void read_clauses(Draft& draft, const Section& section, gate::Rule& rule) {
  const Section require = section.section("require");
  read_areas(draft, require, "place", Clause::Kind::require_place, rule);
  read_areas(draft, require, "reach", Clause::Kind::require_reach, rule);
  for (std::string& name : require.texts("certificates")) {
    Clause clause;
    clause.kind = Clause::Kind::require_certificate;
    clause.certificate = std::move(name);
    rule.clauses.push_back(std::move(clause));
  }
  read_chips(draft, require, Clause::Kind::require_chip, rule);
  read_suppliers(draft, require, Clause::Kind::require_supplier, rule);
  const Section deny = section.section("deny");
  read_areas(draft, deny, "place", Clause::Kind::deny_place, rule);
  read_areas(draft, deny, "reach", Clause::Kind::deny_reach, rule);
  read_chips(draft, deny, Clause::Kind::deny_chip, rule);
  read_suppliers(draft, deny, Clause::Kind::deny_supplier, rule);
}

gate::Rule read_rule(Draft& draft, const Section& section) {
  gate::Rule rule;
  rule.name = section.text("name");
  const Section when = section.section("when");
  rule.when.data = read_words(draft, when, Dimension::data);
  rule.when.subjects = read_words(draft, when, Dimension::subjects);
  rule.when.categories = read_words(draft, when, Dimension::categories);
  read_clauses(draft, section, rule);
  const bool says_something = section.has_any("require") || section.has_any("deny");
  // A key that was reported may have been meant to say it.
  if (!says_something && !section.has_invalid()) {
    draft.report.error(section.place(),
                       {section.path(), "this rule says neither what to require nor what to deny",
                        "for example: require = { place = \"EU\" }"});
  }
  return rule;
}

gate::Policy read_policy(Draft& draft, const std::string& name, const Section& section) {
  gate::Policy policy{.name = name, .rules = {}};
  std::set<std::string> names;
  section.for_each_item("rules", [&](const Section& item) {
    gate::Rule rule = read_rule(draft, item);
    if (!rule.name.empty() && !names.insert(rule.name).second) {
      draft.report.error(item.get("name")->place,
                         {item.path_of("name"),
                          fmt::format("policy '{}' has two rules called '{}'", name, rule.name),
                          "a refusal names its rule, so names are unique"});
    }
    policy.rules.push_back(std::move(rule));
  });
  return policy;
}

bool is_used(const Draft& draft, std::string_view policy) {
  bool used = false;
  top(draft).for_each("tenant", [&](const std::string&, const Section& tenant) {
    used = used || tenant.text("policy") == policy;
  });
  return used;
}

}  // namespace

void read_policies(Draft& draft) {
  const Section document = top(draft);
  read_labels(draft, document.section("labels"));
  gate::Policies& policies = draft.configuration.policies;
  bool none_wanted = is_used(draft, kNoPolicy);
  const auto add_none_before = [&](std::string_view name) {
    if (!none_wanted || name <= kNoPolicy) return;
    policies.add({.name = std::string(kNoPolicy), .rules = {}});
    none_wanted = false;
  };
  document.for_each("policy", [&](const std::string& name, const Section& section) {
    if (name == kNoPolicy) {
      draft.report.error(
          section.place(),
          {section.path(), "'none' is the policy without rules and cannot be another",
           "choose another id"});
      return;
    }
    add_none_before(name);
    policies.add(read_policy(draft, name, section));
  });
  add_none_before("\xFF");
}

}  // namespace hanse::config
