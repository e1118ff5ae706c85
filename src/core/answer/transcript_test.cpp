#include "core/answer/transcript.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hanse::answer {
namespace {

using ::testing::ElementsAre;

Delta text(std::string_view says, std::uint32_t choice = 0) {
  Delta delta;
  delta.has_choice = true;
  delta.choice = choice;
  delta.text = says;
  return delta;
}

Delta calls(std::string_view array) {
  Delta delta;
  delta.has_choice = true;
  delta.tool_calls = array;
  return delta;
}

std::vector<std::string> strands(const Transcript& transcript) {
  std::vector<std::string> said;
  for (const Strand& strand : transcript.strands()) {
    said.push_back(std::to_string(static_cast<int>(strand.kind)) + "/" +
                   std::to_string(strand.choice) + "/" + std::to_string(strand.index) + " " +
                   strand.text);
  }
  return said;
}

TEST(Transcript, OneTextIsPlainText) {
  Transcript transcript;
  EXPECT_FALSE(transcript.is_plain_text());
  transcript.add(text("Once "));
  transcript.add(text("upon"));
  ASSERT_TRUE(transcript.is_plain_text());
  EXPECT_EQ(transcript.plain_text(), "Once upon");
}

TEST(Transcript, AnythingBesideTheTextIsNoPlainText) {
  Transcript of_two;
  of_two.add(text("a"));
  of_two.add(text("b", 1));
  EXPECT_FALSE(of_two.is_plain_text());

  Transcript with_reasoning;
  Delta thought = text("answer");
  thought.reasoning = "hm";
  with_reasoning.add(thought);
  EXPECT_FALSE(with_reasoning.is_plain_text());
}

// An engine may split a pair of surrogates between two events; half of one is
// nothing to go on from.
TEST(Transcript, HalfACharacterAtTheEndIsNoPlainText) {
  Transcript transcript;
  transcript.add(text("smile \\ud83d"));
  EXPECT_FALSE(transcript.is_plain_text());
  transcript.add(text("\\ude42"));
  EXPECT_TRUE(transcript.is_plain_text());
}

TEST(Transcript, ABackslashBeforeWhatLooksLikeHalfACharacterIsAText) {
  EXPECT_TRUE(ends_in_half_a_character("\\ud83d"));
  EXPECT_TRUE(ends_in_half_a_character("\\\\\\uDBFF"));
  EXPECT_FALSE(ends_in_half_a_character("\\\\ud83d"));
  EXPECT_FALSE(ends_in_half_a_character("\\ude42"));
  EXPECT_FALSE(ends_in_half_a_character("ud83d"));
}

TEST(Transcript, ToolCallsAreStrandsByTheirIndex) {
  Transcript transcript;
  transcript.add(calls(
      R"([{"index":0,"id":"c1","type":"function","function":{"name":"look","arguments":""}}])"));
  transcript.add(calls(R"([{"function":{"arguments":"{\"a\""},"index":0}])"));
  transcript.add(calls(R"([{"index":1,"function":{"arguments":"{}","name":"go"}}])"));
  transcript.add(calls(R"([{"index":0,"function":{"arguments":":1}"}}])"));
  EXPECT_THAT(strands(transcript), ElementsAre("3/0/0 c1", "4/0/0 function", "5/0/0 look",
                                               "6/0/0 {\\\"a\\\":1}", "5/0/1 go", "6/0/1 {}"));
}

TEST(Transcript, WhatIsTooLongIsLetGo) {
  Transcript transcript;
  const std::string half(Transcript::kBytesMax / 2 + 1, 'x');
  transcript.add(text(half));
  EXPECT_FALSE(transcript.lost());
  transcript.add(text(half));
  EXPECT_TRUE(transcript.lost());
  EXPECT_FALSE(transcript.is_plain_text());
  EXPECT_TRUE(transcript.strands().empty());
}

TEST(Transcript, WhatHasTooManyStrandsIsLetGo) {
  Transcript transcript;
  for (std::uint32_t i = 0; i < Transcript::kStrandsMax; ++i) {
    transcript.add({.kind = Strand::Kind::tool_arguments, .index = i, .text = "{"});
  }
  transcript.add({.kind = Strand::Kind::tool_arguments, .index = 0, .text = "}"});
  EXPECT_FALSE(transcript.lost());
  transcript.add({.kind = Strand::Kind::text, .text = "one more"});
  EXPECT_TRUE(transcript.lost());
  EXPECT_TRUE(transcript.strands().empty());
}

}  // namespace
}  // namespace hanse::answer
