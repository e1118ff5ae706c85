#include "core/gate/telling_labels.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <set>
#include <utility>

namespace hanse::gate {
namespace {

constexpr LabelSet kUnknown = LabelVocabulary::kUnknownData | LabelVocabulary::kUnknownSubjects;

// No word; one that no rule speaks of; each that one does.
std::vector<LabelSet> words_of(LabelSet all, LabelSet spoken_of) {
  std::vector<LabelSet> words = {LabelSet()};
  const LabelSet silent = all - spoken_of - kUnknown;
  if (!silent.empty()) words.emplace_back(std::uint64_t{1} << std::countr_zero(silent.bits()));
  for (std::uint64_t left = (spoken_of & all).bits(); left != 0; left &= left - 1) {
    words.emplace_back(left & (~left + 1));
  }
  return words;
}

int words_in(LabelSet labels) { return std::popcount(labels.bits()); }

bool is_plainer(LabelSet a, LabelSet b) {
  return std::pair(words_in(a & kUnknown), words_in(a)) <
         std::pair(words_in(b & kUnknown), words_in(b));
}

// Ties keep their order.
void sort_by_plainness(std::vector<LabelSet>& asked) {
  std::vector<std::pair<LabelSet, std::size_t>> placed;
  for (const LabelSet labels : asked) placed.emplace_back(labels, placed.size());
  std::ranges::sort(placed, [](const auto& a, const auto& b) {
    if (is_plainer(a.first, b.first)) return true;
    return !is_plainer(b.first, a.first) && a.second < b.second;
  });
  std::ranges::transform(placed, asked.begin(), [](const auto& row) { return row.first; });
}

std::vector<bool> rules_met(const Policy& policy, LabelSet labels) {
  std::vector<bool> met;
  for (const Rule& rule : policy.rules) met.push_back(applies_to_complete(rule.when, labels));
  return met;
}

}  // namespace

std::vector<LabelSet> telling_labels(const Policy& policy, const LabelVocabulary& vocabulary,
                                     LabelSet least) {
  Condition spoken_of;
  for (const Rule& rule : policy.rules) {
    spoken_of.data = spoken_of.data | rule.when.data;
    spoken_of.subjects = spoken_of.subjects | rule.when.subjects;
    spoken_of.categories = spoken_of.categories | rule.when.categories;
  }
  std::vector<LabelSet> asked;
  for (const LabelSet category :
       words_of(vocabulary.all(Dimension::categories), spoken_of.categories)) {
    for (const LabelSet data : words_of(vocabulary.all(Dimension::data), spoken_of.data)) {
      for (const LabelSet subject :
           words_of(vocabulary.all(Dimension::subjects), spoken_of.subjects)) {
        asked.push_back(vocabulary.complete(least | category | data | subject));
      }
    }
  }
  sort_by_plainness(asked);
  asked.insert(asked.begin(), vocabulary.complete(least));

  std::set<std::vector<bool>> seen;
  std::erase_if(asked,
                [&](LabelSet labels) { return !seen.insert(rules_met(policy, labels)).second; });
  return asked;
}

}  // namespace hanse::gate
