#include "core/answer/repeat.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "base/json_cursor.h"

namespace hanse::answer {
namespace {

using Verdict = Repeat::Verdict;

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

Delta finish() {
  Delta delta;
  delta.has_choice = true;
  delta.finish = Finish::stop;
  return delta;
}

Transcript delivered(std::string_view says) {
  Transcript transcript;
  transcript.add(text(says));
  return transcript;
}

TEST(Repeat, OnlyWhatTheClientLacksGoesOut) {
  Repeat repeat(delivered("Once upon"));
  EXPECT_EQ(repeat.take(text("Once ")), Verdict::known);
  ASSERT_EQ(repeat.take(text("upon a ")), Verdict::partly);
  ASSERT_EQ(repeat.remainders().size(), 1U);
  EXPECT_EQ(repeat.remainders()[0].text, " a ");
  EXPECT_EQ(repeat.take(text("time")), Verdict::fresh);
  EXPECT_EQ(repeat.take(finish()), Verdict::fresh);
}

TEST(Repeat, TheFirstByteThatDiffersEndsIt) {
  Repeat repeat(delivered("Once upon"));
  EXPECT_EQ(repeat.take(text("Once ")), Verdict::known);
  EXPECT_EQ(repeat.take(text("under")), Verdict::diverged);
}

TEST(Repeat, AnAnswerThatEndsBeforeIsAnother) {
  Repeat repeat(delivered("Once upon"));
  EXPECT_EQ(repeat.take(text("Once")), Verdict::known);
  EXPECT_EQ(repeat.take(finish()), Verdict::diverged);
}

TEST(Repeat, AnAnswerThatEndsWhereItBrokeIsWhole) {
  Repeat repeat(delivered("Once upon"));
  EXPECT_EQ(repeat.take(text("Once upon")), Verdict::known);
  EXPECT_EQ(repeat.take(finish()), Verdict::fresh);
}

// The text and the finish in one event: the client has the text.
TEST(Repeat, OfAKnownTextOnlyTheFinishGoesOut) {
  Repeat repeat(delivered("Once"));
  Delta both = text("Once");
  both.finish = Finish::length;
  ASSERT_EQ(repeat.take(both), Verdict::partly);
  EXPECT_TRUE(repeat.remainders().empty());
}

// Engines escape differently, and mean the same.
TEST(Repeat, TextsAreComparedAsWhatTheyMean) {
  Repeat repeat(delivered("caf\\u00e9 \\ud83d\\ude42"));
  EXPECT_EQ(repeat.take(text("café ")), Verdict::known);
  EXPECT_EQ(repeat.take(text("\\uD83D")), Verdict::known);
  ASSERT_EQ(repeat.take(text("\\uDE42!")), Verdict::partly);
  EXPECT_EQ(repeat.remainders()[0].text, "!");
}

TEST(Repeat, HalfANewCharacterIsNotLost) {
  Repeat repeat(delivered("a"));
  EXPECT_EQ(repeat.take(text("a")), Verdict::known);
  EXPECT_EQ(repeat.take(text("\\ud83d")), Verdict::fresh);

  Repeat straddling(delivered("a"));
  ASSERT_EQ(straddling.take(text("a\\ud83d")), Verdict::known);
  ASSERT_EQ(straddling.take(text("\\ude42")), Verdict::partly);
  EXPECT_EQ(straddling.remainders()[0].text, "🙂");
}

// Reasoning that goes on behind where the text began is another answer.
TEST(Repeat, NothingGrowsWhileAnotherStrandIsBehind) {
  Transcript transcript;
  Delta thought;
  thought.has_choice = true;
  thought.reasoning = "hm";
  transcript.add(thought);
  transcript.add(text("Yes"));
  Repeat repeat(transcript);
  thought.reasoning = "hmm";
  EXPECT_EQ(repeat.take(thought), Verdict::diverged);
}

TEST(Repeat, ChoicesAreRepeatedEachForItself) {
  Transcript transcript = delivered("one");
  transcript.add(text("un", 1));
  Repeat repeat(transcript);
  EXPECT_EQ(repeat.take(text("one")), Verdict::known);
  EXPECT_EQ(repeat.take(text(" more")), Verdict::fresh);
  EXPECT_EQ(repeat.take(text("un", 1)), Verdict::known);
  EXPECT_EQ(repeat.take(text(" deux", 1)), Verdict::fresh);
}

// Each engine gives its calls ids of its own; the client has the first ones.
TEST(Repeat, ToolCallsMayHaveOtherIds) {
  Transcript transcript;
  transcript.add(calls(R"([{"index":0,"id":"a","function":{"name":"look","arguments":"{\"x"}}])"));
  Repeat repeat(transcript);
  EXPECT_EQ(repeat.take(calls(R"([{"index":0,"id":"b","function":{"name":"look"}}])")),
            Verdict::known);
  ASSERT_EQ(repeat.take(calls(R"([{"index":0,"function":{"arguments":"{\"x\":1}"}}])")),
            Verdict::partly);
  ASSERT_EQ(repeat.remainders().size(), 1U);
  EXPECT_EQ(repeat.remainders()[0].kind, Strand::Kind::tool_arguments);
  EXPECT_EQ(repeat.remainders()[0].text, "\\\":1}");
}

TEST(Repeat, AnotherToolIsAnotherAnswer) {
  Transcript transcript;
  transcript.add(calls(R"([{"index":0,"function":{"name":"look"}}])"));
  Repeat repeat(transcript);
  EXPECT_EQ(repeat.take(calls(R"([{"index":0,"function":{"name":"go"}}])")), Verdict::diverged);
}

// Part of a token's probabilities cannot be told.
TEST(Repeat, WithProbabilitiesEventsMustFit) {
  Repeat fitting(delivered("ab"));
  Delta token = text("ab");
  token.logprobs = "{}";
  EXPECT_EQ(fitting.take(token), Verdict::known);
  token.text = "c";
  EXPECT_EQ(fitting.take(token), Verdict::fresh);

  Repeat straddling(delivered("ab"));
  token.text = "abc";
  EXPECT_EQ(straddling.take(token), Verdict::diverged);
}

// However both are cut: delivered and remainders together are the answer.
RC_GTEST_PROP(RepeatProperty, DeliveredAndWhatGoesOutAreTheAnswer, ()) {
  const auto answer = *rc::gen::nonEmpty(
      rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab \"\\\n\t"))));
  const auto cut = *rc::gen::inRange<std::size_t>(1, answer.size() + 1);
  std::string said;
  append_json_escaped(answer.substr(0, cut), said);
  Repeat repeat(delivered(said));
  std::string read = answer.substr(0, cut);
  for (std::size_t at = 0; at < answer.size();) {
    const auto size = *rc::gen::inRange<std::size_t>(1, answer.size() - at + 1);
    std::string piece;
    append_json_escaped(answer.substr(at, size), piece);
    at += size;
    switch (repeat.take(text(piece))) {
      case Verdict::known: break;
      case Verdict::fresh: append_json_unescaped(piece, read); break;
      case Verdict::partly: append_json_unescaped(repeat.remainders().at(0).text, read); break;
      case Verdict::diverged: RC_FAIL("the same answer diverges");
    }
  }
  RC_ASSERT(read == answer);
}

// One other character anywhere in what was delivered is noticed.
RC_GTEST_PROP(RepeatProperty, AnotherAnswerNeverPasses, ()) {
  const auto answer =
      *rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::elementOf(std::string("abc"))));
  const auto cut = *rc::gen::inRange<std::size_t>(1, answer.size() + 1);
  const auto place = *rc::gen::inRange<std::size_t>(0, cut);
  std::string other = answer;
  other[place] = 'd';
  Repeat repeat(delivered(answer.substr(0, cut)));
  Verdict verdict = Verdict::known;
  for (std::size_t at = 0; at < other.size() && verdict == Verdict::known;) {
    const auto size = *rc::gen::inRange<std::size_t>(1, other.size() - at + 1);
    verdict = repeat.take(text(std::string_view(other).substr(at, size)));
    at += size;
  }
  RC_ASSERT(verdict == Verdict::diverged);
}

// An engine invents the ids of its calls: the client keeps the first one's.
TEST(Repeat, ACallKeepsTheIdThatTheClientHas) {
  Transcript transcript;
  transcript.add(calls(R"([{"index":0,"id":"A","type":"function","function":{"name":"f"}}])"));
  transcript.add(calls(R"([{"index":0,"function":{"arguments":"{\"x\""}}])"));
  Repeat repeat(transcript);
  const std::string_view both = R"([
      {"index":0,"id":"B","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},
      {"index":1,"id":"C","type":"function","function":{"name":"g","arguments":"{}"}}])";
  ASSERT_EQ(repeat.take(calls(both)), Verdict::partly);
  std::vector<std::string> said;
  for (const Remainder& remainder : repeat.remainders()) {
    said.push_back(std::to_string(remainder.index) + " " + remainder.text);
  }
  EXPECT_EQ(said, (std::vector<std::string>{"0 :1}", "1 C", "1 function", "1 g", "1 {}"}));
}

TEST(Repeat, ACallOfWhichTheClientHasOnlyTheIdIsKnownByIt) {
  Transcript transcript;
  transcript.add(calls(R"([{"index":0,"id":"A"}])"));
  Repeat repeat(transcript);
  ASSERT_EQ(repeat.take(calls(R"([{"index":0,"id":"B","function":{"name":"f"}}])")),
            Verdict::partly);
  ASSERT_EQ(repeat.remainders().size(), 1U);
  EXPECT_EQ(repeat.remainders()[0].text, "f");
}

TEST(Repeat, OfACallThatIsNotKnownHereNoPartCanBeTold) {
  Transcript transcript;
  transcript.add(calls(R"([{"index":0,"id":"A","custom":{"input":"a"}}])"));
  Repeat same(transcript);
  EXPECT_EQ(same.take(calls(R"([{"index":0,"id":"B","custom":{"input":"a"}}])")), Verdict::known);
  Repeat other(transcript);
  EXPECT_EQ(other.take(calls(R"([{"index":0,"id":"B","custom":{"input":"b"}}])")),
            Verdict::diverged);
}

TEST(Repeat, WhatAVendorAddsIsSaidOnceAndNotMissed) {
  Delta vendor = text("");
  vendor.vendor_part = R"("annotations":[1])";
  Delta more = vendor;
  more.vendor_part = R"("annotations":[2])";
  Transcript transcript;
  transcript.add(text("Once"));
  transcript.add(vendor);

  Repeat repeat(transcript);
  EXPECT_EQ(repeat.take(more), Verdict::known) << "the client has other ones";
  EXPECT_EQ(repeat.take(text("Once")), Verdict::known);
  EXPECT_EQ(repeat.take(text(" upon")), Verdict::fresh) << "it is not missed";

  Repeat same(transcript);
  EXPECT_EQ(same.take(text("Once")), Verdict::known);
  EXPECT_EQ(same.take(vendor), Verdict::known);
  EXPECT_EQ(same.take(more), Verdict::fresh);
}

}  // namespace
}  // namespace hanse::answer
