#include "core/gate/labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

namespace hanse::gate {
namespace {

using testing::HasSubstr;

LabelVocabulary vocabulary() {
  LabelVocabulary words;
  for (const auto* word : {"personal", "secret"}) words.add(Dimension::data, word).value();
  for (const auto* word : {"EU", "CH"}) words.add(Dimension::subjects, word).value();
  for (const auto* word : {"health", "biometric"}) words.add(Dimension::categories, word).value();
  return words;
}

std::string canonical(std::string_view text) {
  const LabelVocabulary words = vocabulary();
  const auto labels = words.parse(text);
  return labels ? words.print(*labels) : labels.error().message;
}

TEST(Labels, AreReadInAnyCaseOrderAndSpacingAndPrintedInOne) {
  EXPECT_EQ(canonical("personal; subjects=EU; categories=health"),
            "personal; subjects=EU; categories=health");
  EXPECT_EQ(canonical("\t CATEGORIES = Health ;subjects=ch , eu;data=Personal "),
            "personal; subjects=EU,CH; categories=health");
  EXPECT_EQ(canonical("personal,secret"), "personal,secret");
  EXPECT_EQ(canonical("personal; personal; subjects=EU,EU"), "personal; subjects=EU");
  EXPECT_EQ(canonical(" None "), "none");
}

// Each says where it is wrong and what would be right, and none is ignored.
TEST(Labels, WhatIsMalformedOrUnknownIsRefused) {
  for (const auto* text : {"", " ", ";", "personal;", ";personal", "personal;;secret", "personal,",
                           "subjects=", "subjects", "subjects=,EU", "=EU", "none; personal",
                           "personal, none", "personal secret", "subject=EU", "personal=EU",
                           "subjects=EU=CH", "personal, subjects=EU", "p\xC3\xA9rsonal"}) {
    const auto labels = vocabulary().parse(text);
    ASSERT_FALSE(labels.has_value()) << text;
    EXPECT_EQ(labels.error().code, ErrorCode::invalid_input);
    EXPECT_EQ(labels.error().fault, Fault::client);
  }
  EXPECT_EQ(canonical("personal; subjects=EU, GH"),
            "data labels: there is no subjects label \"GH\" (at position 24); there are unknown, "
            "EU, CH");
  EXPECT_EQ(canonical("persnal"),
            "data labels: there is no data label \"persnal\" (at position 1); did you mean "
            "personal?; there are unknown, personal, secret");
  EXPECT_EQ(canonical("health"),
            "data labels: there is no data label \"health\" (at position 1); categories=health "
            "exists; there are unknown, personal, secret");
  EXPECT_EQ(canonical("personal; subject = EU"),
            "data labels: there is no dimension \"subject\" (at position 11); did you mean "
            "subjects?; there are data, subjects, categories");
  EXPECT_EQ(canonical("personal;"),
            "data labels: nothing stands at position 10; write `none` where there are none");
}

TEST(Labels, ALongOrStrangeWordIsNotEchoedWhole) {
  const std::string message = canonical(std::string(5'000, 'x') + "\x01");
  EXPECT_LT(message.size(), 400U);
  EXPECT_THAT(canonical("\x1b[31m"), HasSubstr("\"?[31m\""));
}

TEST(Labels, WhatIsLeftUnnamedIsUnknown) {
  const LabelVocabulary words = vocabulary();
  const LabelSet personal = *words.find(Dimension::data, "personal");
  const LabelSet eu = *words.find(Dimension::subjects, "EU");
  EXPECT_EQ(words.parse("personal"), personal | LabelVocabulary::kUnknownSubjects);
  EXPECT_EQ(words.parse("subjects=EU"), eu | LabelVocabulary::kUnknownData);
  EXPECT_EQ(words.parse("none"), LabelSet());
  EXPECT_EQ(canonical("personal; subjects=unknown"), "personal");
  EXPECT_EQ(canonical("personal; subjects=unknown,EU"), "personal; subjects=unknown,EU");
  EXPECT_EQ(canonical("unknown"), "unknown");
}

TEST(Labels, AVocabularyTakesEachWordOnceAndNoMoreThanFit) {
  LabelVocabulary words;
  EXPECT_TRUE(words.add(Dimension::data, "personal").has_value());
  EXPECT_TRUE(words.add(Dimension::categories, "personal").has_value());
  EXPECT_EQ(words.add(Dimension::data, "Personal").error().code, ErrorCode::conflict);
  EXPECT_EQ(words.add(Dimension::subjects, "unknown").error().code, ErrorCode::conflict);
  for (const auto* word : {"", "none", "a b", "a;b", "a,b", "a=b", "\"", "\n"}) {
    EXPECT_EQ(words.add(Dimension::data, word).error().code, ErrorCode::invalid_input) << word;
  }
  for (int i = 4; i < 64; ++i) {
    ASSERT_TRUE(words.add(Dimension::data, "word-" + std::to_string(i)).has_value());
  }
  EXPECT_EQ(words.add(Dimension::data, "one-more").error().code, ErrorCode::at_capacity);
  EXPECT_EQ(words.parse(words.print(LabelSet(~std::uint64_t{0}))), LabelSet(~std::uint64_t{0}));
}

RC_GTEST_PROP(Labels, PrintedOnesAreReadBack, ()) {
  const LabelVocabulary words = vocabulary();
  const LabelSet labels(*rc::gen::inRange<std::uint64_t>(0, 256));
  RC_ASSERT(words.parse(words.print(labels)).value() == words.complete(labels));
}

RC_GTEST_PROP(Labels, NoTextIsReadTwoWays, (const std::string& text)) {
  const LabelVocabulary words = vocabulary();
  const auto labels = words.parse(text);
  if (!labels) return;
  RC_ASSERT(words.complete(*labels) == *labels);
  RC_ASSERT(words.parse(words.print(*labels)).value() == *labels);
}

std::string resolved(std::string_view held, std::optional<std::string_view> header,
                     bool may_relax) {
  const LabelVocabulary words = vocabulary();
  const auto labels = resolve_labels(
      words,
      {.tenant_default = words.parse(held).value(), .header = header, .may_relax = may_relax});
  return labels ? words.print(*labels) : "refused";
}

TEST(LabelResolution, AHeaderOnlyAdds) {
  EXPECT_EQ(resolved("none", std::nullopt, false), "none");
  EXPECT_EQ(resolved("personal; subjects=EU", std::nullopt, false), "personal; subjects=EU");
  EXPECT_EQ(resolved("personal; subjects=EU", "none", false), "personal; subjects=EU");
  EXPECT_EQ(resolved("personal; subjects=EU", "subjects=CH", false), "personal; subjects=EU,CH");
  EXPECT_EQ(resolved("none", "personal; subjects=CH", false), "personal; subjects=CH");
  EXPECT_EQ(resolved("none", "persnal", false), "refused");
}

// Subjects that are not known may be anyone's; saying that some are Swiss does
// not make the others known.
TEST(LabelResolution, AddingCannotNarrowWhatIsUnknown) {
  EXPECT_EQ(resolved("personal", "subjects=CH", false), "personal; subjects=unknown,CH");
  EXPECT_EQ(resolved("personal", "personal; subjects=CH", false), "personal; subjects=unknown,CH");
}

TEST(LabelResolution, AKeyThatMayRelaxReplaces) {
  EXPECT_EQ(resolved("personal; subjects=EU", "none", true), "none");
  EXPECT_EQ(resolved("personal", "personal; subjects=CH", true), "personal; subjects=CH");
  EXPECT_EQ(resolved("personal; subjects=EU", std::nullopt, true), "personal; subjects=EU");
  EXPECT_EQ(resolved("personal; subjects=EU", "", true), "refused");
}

}  // namespace
}  // namespace hanse::gate
