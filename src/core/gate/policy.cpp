#include "core/gate/policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"
#include "base/nearest_word.h"

namespace hanse::gate {
namespace {

std::unexpected<Error> unknown_area(std::string_view word) {
  const auto areas = fleet::known_areas();
  std::vector<std::string_view> words(areas.begin(), areas.end());
  for (const fleet::Code& country : fleet::known_countries()) words.push_back(country.text());
  const std::string_view near = nearest_word(word, words);
  std::string hint;
  if (!near.empty()) hint = fmt::format("; did you mean {}?", near);
  return invalid_input(
      fmt::format("\"{}\" is no country (ISO 3166-1, two capital letters) and no area (EU, EEA, "
                  "EFTA){}",
                  word, hint));
}

bool is_about_reach(Clause::Kind kind) {
  return kind == Clause::Kind::require_reach || kind == Clause::Kind::deny_reach;
}

// Who accepts the law of DE accepts the Union's, for none comes without it. Who
// refuses that of DE alone may still want a site in FR.
bool brings_union(Clause::Kind kind, std::span<const fleet::Code> countries) {
  return is_about_reach(kind) && std::ranges::any_of(countries, fleet::is_eu_member) &&
         (kind == Clause::Kind::require_reach || countries.size() > 1);
}

// Whether `labels` meet what a condition says of one dimension. No subjects,
// no class: unknown, and then it may be any.
bool meets(LabelSet wanted, LabelSet labels, LabelSet unknown) {
  return wanted.empty() || labels.intersects(wanted | unknown);
}

}  // namespace

Result<Clause> area_clause(Clause::Kind kind, std::span<const std::string> words) {
  HANSE_CHECK(is_about_reach(kind) || kind == Clause::Kind::require_place ||
              kind == Clause::Kind::deny_place);
  Clause clause;
  clause.kind = kind;
  for (const std::string& word : words) {
    const auto countries = fleet::countries_of(word);
    if (!countries) return unknown_area(word);
    clause.codes.insert(clause.codes.end(), countries->begin(), countries->end());
    if (brings_union(kind, *countries)) clause.codes.push_back(fleet::kEuropeanUnion);
    if (!clause.area.empty()) clause.area += " or ";
    clause.area += word;
  }
  std::ranges::sort(clause.codes);
  const auto repeated = std::ranges::unique(clause.codes);
  clause.codes.erase(repeated.begin(), repeated.end());
  return clause;
}

bool applies(const Condition& when, LabelSet labels, const LabelVocabulary& vocabulary) {
  return applies_to_complete(when, vocabulary.complete(labels));
}

bool applies_to_complete(const Condition& when, LabelSet labels) {
  return meets(when.data, labels, LabelVocabulary::kUnknownData) &&
         meets(when.subjects, labels, LabelVocabulary::kUnknownSubjects) &&
         meets(when.categories, labels, LabelSet());
}

}  // namespace hanse::gate
