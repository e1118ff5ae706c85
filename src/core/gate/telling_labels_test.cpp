#include "core/gate/telling_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "core/gate/testing/four_sites.h"

namespace hanse::gate {
namespace {

using ::testing::ElementsAre;
using testing::four_sites;

std::vector<std::string> asked(const testing::World& world, LabelSet least) {
  std::vector<std::string> words;
  for (const LabelSet labels : telling_labels(world.policies[PolicyId(0)], world.labels, least)) {
    words.push_back(world.labels.print(labels));
  }
  return words;
}

// The rules speak of EU personal data, and of health.
TEST(TellingLabels, AreOneSetForEachSetOfRulesThatSpeak) {
  const testing::World world = four_sites();
  EXPECT_THAT(asked(world, LabelSet()), ElementsAre("none", "personal; subjects=EU",
                                                    "personal; subjects=CH; categories=health",
                                                    "personal; subjects=EU; categories=health"));
}

TEST(TellingLabels, HaveTheTenantsOwnInThem) {
  const testing::World world = four_sites();
  EXPECT_THAT(asked(world, world.read("personal; subjects=EU")),
              ElementsAre("personal; subjects=EU", "personal; subjects=EU; categories=health"));
}

// Against asking about every set of at most one word in each dimension.
TEST(TellingLabels, MeetEverySetOfRulesThatOneWordOfEachDimensionCanMeet) {
  const testing::World world = four_sites();
  const LabelSet all =
      world.labels.all() - LabelVocabulary::kUnknownData - LabelVocabulary::kUnknownSubjects;
  std::vector<LabelSet> words = {LabelSet()};
  for (std::uint64_t left = all.bits(); left != 0; left &= left - 1) {
    words.emplace_back(left & (~left + 1));
  }
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    const auto some = [&](Dimension dimension) {
      return LabelSet(random.next() & random.next()) & world.labels.all(dimension);
    };
    Policy policy;
    for (auto left = random.below(6); left > 0; --left) {
      policy.rules.push_back({.name = "rule",
                              .when = {.data = some(Dimension::data),
                                       .subjects = some(Dimension::subjects),
                                       .categories = some(Dimension::categories)},
                              .clauses = {}});
    }
    const auto met = [&](LabelSet labels) {
      std::string rules;
      for (const Rule& rule : policy.rules) {
        rules += applies(rule.when, labels, world.labels) ? '1' : '0';
      }
      return rules;
    };
    std::set<std::string> told;
    for (const LabelSet labels : telling_labels(policy, world.labels, LabelSet())) {
      EXPECT_TRUE(told.insert(met(labels)).second) << "seed " << seed;
    }
    for (int i = 0; i < 500; ++i) {
      LabelSet labels;
      for (const Dimension dimension :
           {Dimension::data, Dimension::subjects, Dimension::categories}) {
        labels = labels | (words[random.below(words.size())] & world.labels.all(dimension));
      }
      EXPECT_TRUE(told.contains(met(labels)))
          << "seed " << seed << ": " << world.labels.print(labels);
    }
  }
}

}  // namespace
}  // namespace hanse::gate
