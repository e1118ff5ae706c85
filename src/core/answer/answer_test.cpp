#include "core/answer/answer.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>
#include <map>
#include <vector>

namespace hanse::answer {
namespace {

Delta text(std::string_view says, std::uint32_t choice = 0) {
  Delta delta;
  delta.has_choice = true;
  delta.choice = choice;
  delta.text = says;
  return delta;
}

Delta role(std::uint32_t choice = 0) {
  Delta delta;
  delta.has_choice = true;
  delta.choice = choice;
  delta.has_role = true;
  return delta;
}

Delta finish(Finish how, std::uint32_t choice = 0) {
  Delta delta;
  delta.has_choice = true;
  delta.choice = choice;
  delta.finish = how;
  return delta;
}

Delta report(std::int64_t prompt, std::int64_t output) {
  Delta delta;
  delta.usage.emplace();
  delta.usage->tokens[TokenKind::prompt] = Tokens(prompt);
  delta.usage->tokens[TokenKind::output] = Tokens(output);
  return delta;
}

Answer chat(std::int32_t choices = 1) { return Answer(Dialect::chat, choices); }

constexpr Emission kNothing{};
constexpr Emission kForward{.forward = true};
constexpr Emission kRoleFirst{.forward = true, .drop_role = false, .lead_with_role = true};

TEST(Answer, ARoleGoesOutWithTheFirstText) {
  Answer answer = chat();
  EXPECT_EQ(answer.take(role()), kNothing);
  EXPECT_FALSE(answer.begun());
  EXPECT_EQ(answer.take(text("a")), kRoleFirst);
  EXPECT_TRUE(answer.begun());
  EXPECT_EQ(answer.take(text("b")), kForward);
}

TEST(Answer, ARoleInTheSameEventAsTextStaysThere) {
  Answer answer = chat();
  Delta both = text("a");
  both.has_role = true;
  EXPECT_EQ(answer.take(both), kForward);
}

TEST(Answer, SecondRolesAreDropped) {
  Answer answer = chat();
  answer.take(text("a"));
  Delta again = text("b");
  again.has_role = true;
  EXPECT_EQ(answer.take(again), (Emission{.forward = true, .drop_role = true}));
  EXPECT_EQ(answer.take(role()), kNothing);
}

TEST(Answer, CompletionsHaveNoRoles) {
  Answer answer(Dialect::completion, 1);
  EXPECT_EQ(answer.take(text("a")), kForward);
}

TEST(Answer, EveryChoiceHasARoleAndAFinishOfItsOwn) {
  Answer answer = chat(2);
  EXPECT_EQ(answer.take(text("a", 1)), kRoleFirst);
  EXPECT_EQ(answer.take(text("a", 0)), kRoleFirst);
  EXPECT_EQ(answer.take(finish(Finish::stop, 1)), kForward);
  EXPECT_FALSE(answer.complete());
  EXPECT_EQ(answer.take(finish(Finish::length, 0)), kForward);
  EXPECT_TRUE(answer.complete());
  EXPECT_EQ(answer.finish(), Finish::length);
}

TEST(Answer, NothingFollowsAFinish) {
  Answer answer = chat();
  answer.take(text("a"));
  answer.take(finish(Finish::stop));
  EXPECT_EQ(answer.take(text("b")), kNothing);
  EXPECT_EQ(answer.take(finish(Finish::length)), kNothing);
  EXPECT_EQ(answer.finish(), Finish::stop);
  EXPECT_EQ(answer.progress_deltas(), 1);
}

TEST(Answer, ChoicesThatWereNotAskedForAreDropped) {
  Answer answer = chat(1);
  EXPECT_EQ(answer.take(text("a", 1)), kNothing);
  EXPECT_EQ(answer.take(text("a", 4'000'000'000)), kNothing);
  EXPECT_FALSE(answer.begun());
}

TEST(Answer, EmptyDeltasAreNeitherForwardedNorProgress) {
  Answer answer = chat();
  EXPECT_EQ(answer.take(text("")), kNothing);
  EXPECT_EQ(answer.take(Delta{}), kNothing);
  EXPECT_EQ(answer.progress_deltas(), 0);
}

TEST(Answer, AVendorsPartIsForwardedButNoProgress) {
  Answer answer = chat();
  Delta vendor = text("");
  vendor.vendor_part = R"("annotations":[1])";
  EXPECT_EQ(answer.take(vendor), kRoleFirst);
  EXPECT_EQ(answer.progress_deltas(), 0);
}

TEST(Answer, AnEndWithoutAFinishIsABreak) {
  Answer answer = chat();
  answer.take(text("a"));
  EXPECT_FALSE(answer.complete());
}

TEST(Answer, AFinishCompletesWithoutDone) {
  Answer answer = chat();
  answer.take(text("a"));
  answer.take(finish(Finish::stop));
  EXPECT_TRUE(answer.complete());
}

TEST(Answer, DoneWithoutAnyFinishCompletesAndOwesFinishes) {
  Answer answer = chat(2);
  answer.take(text("a", 0));
  answer.take(text("a", 1));
  answer.engine_done();
  EXPECT_TRUE(answer.complete());
  std::vector<std::uint32_t> owed;
  answer.for_each_owed_finish([&](std::uint32_t choice) { owed.push_back(choice); });
  EXPECT_EQ(owed, (std::vector<std::uint32_t>{0, 1}));
}

// The engine does send finishes, so the choice that has none was cut.
TEST(Answer, DoneWithAChoiceLeftOpenIsABreak) {
  Answer answer = chat(2);
  answer.take(text("a", 0));
  answer.take(text("a", 1));
  answer.take(finish(Finish::stop, 0));
  answer.engine_done();
  EXPECT_FALSE(answer.complete());
}

TEST(Answer, DoneWithFewerChoicesThanAskedCompletes) {
  Answer answer = chat(2);
  answer.take(text("a", 0));
  answer.take(finish(Finish::stop, 0));
  EXPECT_FALSE(answer.complete());
  answer.engine_done();
  EXPECT_TRUE(answer.complete());
}

TEST(Answer, DoneWithoutAnythingIsNoAnswer) {
  Answer answer = chat();
  answer.take(role());
  answer.engine_done();
  EXPECT_FALSE(answer.complete());
}

// A model may well have nothing to say.
TEST(Answer, AFinishAloneIsAnAnswer) {
  Answer answer = chat();
  EXPECT_EQ(answer.take(finish(Finish::stop)), kRoleFirst);
  EXPECT_TRUE(answer.complete());
}

// A site that does not keep to its limit made ten times of it, at our cost.
TEST(Answer, FarMoreThanTheLimitIsNoticed) {
  Answer runaway = chat();
  int deltas = 0;
  for (; !runaway.exceeds(Tokens(5)) && deltas < 10'000; ++deltas) runaway.take(text("four"));
  EXPECT_LT(deltas, 300);

  // What honest engines do within 100 tokens: a token a delta, a letter a
  // delta, all in one.
  Answer tokens = chat();
  for (int i = 0; i < 100; ++i) tokens.take(text("a word of some length, say an indent"));
  EXPECT_FALSE(tokens.exceeds(Tokens(100)));
  Answer letters = chat();
  for (int i = 0; i < 700; ++i) letters.take(text("x"));
  EXPECT_FALSE(letters.exceeds(Tokens(100)));
  Answer page = chat();
  page.take(text(std::string(100'000, 'x')));
  EXPECT_FALSE(page.exceeds(Tokens(100)));
}

TEST(Answer, StoppedAtTheLimitIsCompleteAndOwesThatFinish) {
  Answer answer(Dialect::chat, 3);
  answer.take(text("a", 0));
  answer.take(finish(Finish::stop, 0));
  answer.take(text("b", 1));
  EXPECT_FALSE(answer.complete());
  answer.end_at_limit();
  EXPECT_TRUE(answer.complete());
  EXPECT_EQ(answer.finish(), Finish::length);
  EXPECT_EQ(answer.owed_finish(), Finish::length);
  std::vector<std::uint32_t> owed;
  answer.for_each_owed_finish([&](std::uint32_t choice) { owed.push_back(choice); });
  EXPECT_EQ(owed, std::vector<std::uint32_t>{1});
}

TEST(AnswerUsage, ComesFromWhereverItStands) {
  for (const bool with_finish : {false, true}) {
    Answer answer = chat();
    answer.take(text("abc"));
    Delta last = finish(Finish::stop);
    if (with_finish) {
      last.usage = report(7, 1).usage;
    } else {
      EXPECT_EQ(answer.take(report(7, 1)), kNothing);
    }
    answer.take(last);
    const Usage usage = answer.usage(Tokens(99));
    EXPECT_EQ(usage.tokens[TokenKind::prompt], Tokens(7));
    EXPECT_EQ(usage.tokens[TokenKind::output], Tokens(1));
    EXPECT_FALSE(usage.estimated);
    EXPECT_FALSE(usage.contradicted);
  }
}

TEST(AnswerUsage, IsCountedWhenNotReported) {
  Answer answer = chat();
  for (int i = 0; i < 5; ++i) answer.take(text("word "));
  const Usage usage = answer.usage(Tokens(12));
  EXPECT_TRUE(usage.estimated);
  EXPECT_EQ(usage.tokens[TokenKind::prompt], Tokens(12));
  EXPECT_EQ(usage.tokens[TokenKind::output], Tokens(5));
}

TEST(AnswerUsage, OfLongDeltasIsEstimatedByBytes) {
  Answer answer = chat();
  answer.take(text(std::string(400, 'x')));
  EXPECT_EQ(answer.usage(Tokens(1)).tokens[TokenKind::output], Tokens(100));
}

TEST(AnswerUsage, ReasoningIsEstimatedApart) {
  Answer answer = chat();
  Delta thought = text("");
  thought.reasoning = "hm";
  answer.take(thought);
  answer.take(thought);
  answer.take(text("a"));
  const Usage usage = answer.usage(Tokens(1));
  EXPECT_EQ(usage.tokens[TokenKind::reasoning], Tokens(2));
  EXPECT_EQ(usage.tokens[TokenKind::output], Tokens(1));
}

// `{"completion_tokens":2}`: the prompt was billed as none.
TEST(AnswerUsage, TheSideThatAReportLacksIsCounted) {
  Answer answer = chat();
  for (int i = 0; i < 5; ++i) answer.take(text("word "));
  Delta half = report(0, 6);
  half.usage_lacks_prompt = true;
  answer.take(half);
  Usage usage = answer.usage(Tokens(12));
  EXPECT_TRUE(usage.estimated && !usage.contradicted);
  EXPECT_EQ(usage.tokens[TokenKind::prompt], Tokens(12));
  EXPECT_EQ(usage.tokens[TokenKind::output], Tokens(6));

  half = report(7, 0);
  half.usage_lacks_output = true;
  answer.take(half);
  usage = answer.usage(Tokens(12));
  EXPECT_TRUE(usage.estimated && !usage.contradicted);
  EXPECT_EQ(usage.tokens[TokenKind::prompt], Tokens(7));
  EXPECT_EQ(usage.tokens[TokenKind::output], Tokens(5));

  answer.take(report(7, 5));
  EXPECT_FALSE(answer.usage(Tokens(12)).estimated);
}

TEST(AnswerUsage, TheSideThatOneChoicesReportLacksIsCountedForAll) {
  Answer answer(Dialect::chat, 2);
  for (std::uint32_t choice = 0; choice < 2; ++choice) {
    answer.take(text("word ", choice));
    answer.take(finish(Finish::stop, choice));
    Delta part = report(7, 3);
    part.usage_of_choice = choice;
    part.usage_lacks_output = choice == 1;
    answer.take(part);
  }
  const Usage usage = answer.usage(Tokens(12));
  EXPECT_TRUE(usage.estimated);
  EXPECT_EQ(usage.tokens[TokenKind::prompt], Tokens(7));
  EXPECT_EQ(usage.tokens[TokenKind::output], Tokens(2));
}

TEST(AnswerUsage, AReportThatCannotBeTrueIsFlagged) {
  struct Row {
    int deltas;
    std::string_view piece;
    std::int64_t reported;
    bool contradicted;
  };
  for (const Row& row : {Row{1, "hello", 0, true}, Row{20, "a", 20, false}, Row{20, "a", 22, false},
                         Row{20, "a", 3, true}, Row{3, "a", 1, false}, Row{20, "a", 4000, true},
                         Row{0, "", 0, false}, Row{0, "", 1, false}}) {
    Answer answer = chat();
    for (int i = 0; i < row.deltas; ++i) answer.take(text(row.piece));
    answer.take(report(5, row.reported));
    EXPECT_EQ(answer.usage(Tokens(5)).contradicted, row.contradicted)
        << row.deltas << " x " << row.piece << ", " << row.reported;
  }
}

// llama.cpp reports each of two choices apart, with the prompt in both.
TEST(AnswerUsage, ReportsPerChoiceAddUpWithThePromptOnce) {
  Answer answer = chat(2);
  for (const std::uint32_t choice : {1U, 0U}) {
    answer.take(text("abc", choice));
    answer.take(finish(Finish::stop, choice));
    Delta usage = report(33, 3);
    usage.usage_of_choice = choice;
    answer.take(usage);
    answer.take(usage);
  }
  const Usage usage = answer.usage(Tokens(1));
  EXPECT_EQ(usage.tokens[TokenKind::prompt], Tokens(33));
  EXPECT_EQ(usage.tokens[TokenKind::output], Tokens(6));
  EXPECT_FALSE(usage.estimated);
}

TEST(AnswerUsage, EachOfSeveralPromptsCounts) {
  Answer answer(Dialect::completion, 4, 2);
  for (std::uint32_t choice = 0; choice < 4; ++choice) {
    answer.take(text("abc", choice));
    Delta usage = report(choice < 2 ? 10 : 100, 3);
    usage.usage_of_choice = choice;
    answer.take(usage);
  }
  EXPECT_EQ(answer.usage(Tokens(1)).tokens[TokenKind::prompt], Tokens(110));
  EXPECT_EQ(answer.usage(Tokens(1)).tokens[TokenKind::output], Tokens(12));
}

TEST(AnswerUsage, AMissingReportOfAChoiceMakesItAnEstimate) {
  Answer answer = chat(2);
  answer.take(text("abc", 0));
  answer.take(text("abc", 1));
  Delta usage = report(33, 1);
  usage.usage_of_choice = 0;
  answer.take(usage);
  EXPECT_TRUE(answer.usage(Tokens(30)).estimated);
  EXPECT_EQ(answer.usage(Tokens(30)).tokens[TokenKind::output], Tokens(2));
}

// --- Any stream at all, legal or broken -------------------------------------

Delta any_delta() {
  Delta delta;
  delta.has_choice = *rc::gen::weightedElement<bool>({{9, true}, {1, false}});
  delta.choice = *rc::gen::weightedElement<std::uint32_t>({{6, 0}, {3, 1}, {1, 2}, {1, 500}});
  delta.has_role = *rc::gen::weightedElement<bool>({{3, false}, {1, true}});
  delta.text = *rc::gen::element("", "a", "bc");
  delta.reasoning = *rc::gen::weightedElement<std::string_view>({{5, ""}, {1, "r"}});
  delta.tool_calls = *rc::gen::weightedElement<std::string_view>({{5, ""}, {1, "[{}]"}});
  delta.vendor_part = *rc::gen::weightedElement<std::string_view>({{9, ""}, {1, R"("a":1)"}});
  delta.finish = *rc::gen::weightedElement<Finish>(
      {{8, Finish::none}, {1, Finish::stop}, {1, Finish::length}});
  if (*rc::gen::inRange(0, 5) == 0) delta.usage.emplace();
  return delta;
}

RC_GTEST_PROP(Answer, WhatIsEmittedAlwaysObeysTheGrammar, ()) {
  const auto dialect = *rc::gen::element(Dialect::chat, Dialect::completion);
  Answer answer(dialect, 2);
  std::map<std::uint32_t, int> roles;
  std::map<std::uint32_t, int> finishes;
  std::int64_t bytes = 0;
  const int length = *rc::gen::inRange(0, 40);
  for (int i = 0; i < length; ++i) {
    const Delta delta = any_delta();
    const Emission emission = answer.take(delta);
    if (!emission.forward) {
      RC_ASSERT(!emission.drop_role && !emission.lead_with_role);
      continue;
    }
    RC_ASSERT(delta.has_choice && delta.choice < 2U);
    RC_ASSERT(finishes[delta.choice] == 0);
    if (dialect == Dialect::chat) {
      roles[delta.choice] += emission.lead_with_role ? 1 : 0;
      roles[delta.choice] += delta.has_role && !emission.drop_role ? 1 : 0;
      RC_ASSERT(roles[delta.choice] == 1);
    }
    finishes[delta.choice] += delta.finish != Finish::none ? 1 : 0;
    bytes += static_cast<std::int64_t>(delta.text.size() + delta.reasoning.size());
  }
  RC_ASSERT(answer.text_bytes() == bytes);
  if (*rc::gen::arbitrary<bool>()) answer.engine_done();
  answer.for_each_owed_finish([&](std::uint32_t choice) { finishes[choice] += 1; });
  if (answer.complete()) {
    RC_ASSERT(answer.begun());
    for (const auto& [choice, count] : finishes) RC_ASSERT(count == 1);
  }
  for (const TokenKind kind : kAllTokenKinds) {
    RC_ASSERT(answer.usage(Tokens(3)).tokens[kind] >= Tokens(0));
  }
}

// --- Over several attempts ---------------------------------------------------

Answer kept(Dialect dialect = Dialect::chat, std::int32_t choices = 1) {
  return Answer(dialect, choices, 1, Keep::transcript);
}

TEST(Answer, NothingDeliveredIsNothingToGoOnWith) {
  Answer answer = kept();
  EXPECT_EQ(answer.resumable(), Resumable::no);
  answer.take(role());
  EXPECT_EQ(answer.resumable(), Resumable::no);
  answer.take(text("a"));
  EXPECT_EQ(answer.resumable(), Resumable::by_continuing);
}

TEST(Answer, WhatIsNotKeptCannotBeGoneOnWith) {
  Answer answer = chat();
  answer.take(text("a"));
  EXPECT_EQ(answer.resumable(), Resumable::no);
}

TEST(Answer, ACompletionGoesOnAtAnyEngine) {
  Answer answer = kept(Dialect::completion);
  answer.take(text("a"));
  EXPECT_EQ(answer.resumable(), Resumable::by_appending);
}

TEST(Answer, SeveralChoicesAndToolCallsCanOnlyBeRepeated) {
  Answer two = kept(Dialect::chat, 2);
  two.take(text("a"));
  EXPECT_EQ(two.resumable(), Resumable::by_repeating);

  Answer calling = kept();
  Delta call = text("");
  call.tool_calls = R"([{"index":0,"function":{"name":"look"}}])";
  calling.take(call);
  EXPECT_EQ(calling.resumable(), Resumable::by_repeating);
}

TEST(Answer, AContinuedAnswerHasOneRoleAndOneFinish) {
  Answer answer = kept();
  answer.take(text("Once "));
  answer.next_attempt(TakeUp::continued);
  EXPECT_EQ(answer.text_so_far(), "Once ");
  Delta again = text("upon");
  again.has_role = true;
  EXPECT_EQ(answer.take(again), (Emission{.forward = true, .drop_role = true}));
  EXPECT_FALSE(answer.complete());
  answer.take(finish(Finish::stop));
  EXPECT_TRUE(answer.complete());
}

// The second engine reads 30 prompt tokens and the 2 of the answer so far: that
// is its due and the grid's cost. The tenant pays 30 and 5.
TEST(Answer, TheTenantPaysForOneAnswerAndEachSiteIsOwedForWhatItDid) {
  Answer answer = kept();
  answer.take(text("a"));
  answer.take(text("b"));
  EXPECT_EQ(answer.usage(Tokens(28)).tokens[TokenKind::output], Tokens(2));
  answer.next_attempt(TakeUp::continued);
  for (const char* token : {"c", "d", "e"}) answer.take(text(token));
  answer.take(finish(Finish::stop));
  answer.take(report(32, 3));
  EXPECT_EQ(answer.usage(Tokens(28)).tokens[TokenKind::prompt], Tokens(32));
  EXPECT_EQ(answer.usage(Tokens(28)).tokens[TokenKind::output], Tokens(3));
  const Usage billed = answer.billed(Tokens(28));
  EXPECT_EQ(billed.tokens[TokenKind::prompt], Tokens(30));
  EXPECT_EQ(billed.tokens[TokenKind::output], Tokens(5));
  EXPECT_TRUE(billed.estimated);
}

TEST(Answer, WhatTheCacheHadIsTakenOffLast) {
  Answer answer = kept();
  answer.take(text("a"));
  answer.take(text("b"));
  answer.next_attempt(TakeUp::continued);
  Delta cached = report(1, 1);
  cached.usage->tokens[TokenKind::cached_read] = Tokens(31);
  answer.take(text("c"));
  answer.take(finish(Finish::stop));
  answer.take(cached);
  const Usage billed = answer.billed(Tokens(28));
  EXPECT_EQ(billed.tokens[TokenKind::prompt], Tokens(0));
  EXPECT_EQ(billed.tokens[TokenKind::cached_read], Tokens(30));
}

TEST(Answer, AWholeRepeatIsBilledAsIfItHadBeenTheOnlyAttempt) {
  Answer answer = kept(Dialect::chat, 2);
  answer.take(text("a"));
  answer.next_attempt(TakeUp::repeated);
  EXPECT_EQ(answer.take(text("a")), kNothing);
  EXPECT_EQ(answer.progress_deltas(), 1);
  EXPECT_EQ(answer.attempt_deltas(), 1);
  EXPECT_EQ(answer.take(text("b")), kForward);
  answer.take(finish(Finish::stop));
  answer.take(text("c", 1));
  answer.take(finish(Finish::stop, 1));
  answer.take(report(30, 4));
  EXPECT_TRUE(answer.complete());
  EXPECT_EQ(answer.billed(Tokens(28)), answer.usage(Tokens(28)));
}

TEST(Answer, ARepeatThatTellsAnotherAnswerDiverges) {
  Answer answer = kept();
  answer.take(text("a"));
  answer.next_attempt(TakeUp::repeated);
  EXPECT_EQ(answer.take(text("b")), kNothing);
  EXPECT_TRUE(answer.diverged());
  EXPECT_EQ(answer.billed(Tokens(28)).tokens[TokenKind::output], Tokens(1));
}

TEST(Answer, OfADeltaThatIsPartlyKnownTheRestGoesOutAndCounts) {
  Answer answer = kept();
  answer.take(text("ab"));
  answer.next_attempt(TakeUp::repeated);
  EXPECT_EQ(answer.take(text("abc")), Emission{.remainder = true});
  ASSERT_EQ(answer.remainders().size(), 1U);
  EXPECT_EQ(answer.remainders()[0].text, "c");
  EXPECT_EQ(answer.progress_deltas(), 2);
  // It can break again, and is gone on with from all of it.
  EXPECT_EQ(answer.text_so_far(), "abc");
}

TEST(Answer, AFinishForToolCallsThatNobodyMadeIsNotBelieved) {
  Answer answer = kept();
  answer.take(text("a"));
  EXPECT_EQ(answer.take(finish(Finish::tool_calls)), kNothing);
  EXPECT_TRUE(answer.contradicts_itself());
  EXPECT_FALSE(answer.complete());
}

// A site may claim any number; sums and products of it must stay numbers.
TEST(Answer, AbsurdReportsAreBroughtWithinReason) {
  Answer answer = kept();
  answer.take(text("a"));
  answer.next_attempt(TakeUp::continued);
  answer.take(text("b"));
  answer.take(
      report(std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()));
  EXPECT_TRUE(answer.usage(Tokens(1)).contradicted);
  EXPECT_GT(answer.billed(Tokens(1)).tokens[TokenKind::output], Tokens(1));
}

// A choice that is finished is told once more all the same: the repeat is at work,
// and its site is owed for it.
TEST(Answer, ARepeatOfAFinishedChoiceIsWorkButNothingNew) {
  Answer answer(Dialect::chat, 2, 1, Keep::transcript);
  answer.take(text("a", 0));
  answer.take(finish(Finish::stop, 0));
  answer.take(text("b", 1));
  answer.next_attempt(TakeUp::repeated);
  EXPECT_EQ(answer.take(text("a", 0)), kNothing);
  EXPECT_TRUE(answer.attempt_begun());
  EXPECT_EQ(answer.attempt_deltas(), 1);
  EXPECT_EQ(answer.attempt_tokens(), 1);
  EXPECT_EQ(answer.take(finish(Finish::stop, 0)), kNothing);
  EXPECT_EQ(answer.take(text("more", 0)), kNothing);
  EXPECT_EQ(answer.attempt_tokens(), 1) << "nothing follows a finish";
  EXPECT_EQ(answer.take(text("b", 1)), kNothing);
  EXPECT_EQ(answer.take(text("c", 1)), kForward);
  EXPECT_EQ(answer.take(finish(Finish::stop, 1)), kForward);
  EXPECT_TRUE(answer.complete());
  EXPECT_EQ(answer.delivered_tokens(), 3);
  EXPECT_EQ(answer.attempt_tokens(), 3);
}

// Some engines escape every letter that is not ASCII.
TEST(AnswerUsage, CountsWhatIsSaidAndNotHowItIsEscaped) {
  Answer plain = chat();
  Answer escaped = chat();
  for (int i = 0; i < 10; ++i) {
    plain.take(text("\u043f\u0440\u0438\u0432\u0435\u0442"));
    escaped.take(text(R"(\u043f\u0440\u0438\u0432\u0435\u0442)"));
  }
  EXPECT_EQ(plain.delivered_tokens(), 10);
  EXPECT_EQ(escaped.delivered_tokens(), plain.delivered_tokens());
  EXPECT_EQ(escaped.text_bytes(), plain.text_bytes());
}

TEST(AnswerUsage, OfACallCountsItsNameAndItsArguments) {
  Answer answer = chat();
  Delta delta = text("");
  for (int i = 0; i < 8; ++i) {
    delta.tool_calls =
        R"([{"index":0,"id":"call_0123456789","type":"function","function":{"arguments":"abcd"}}])";
    answer.take(delta);
  }
  EXPECT_EQ(answer.delivered_tokens(), 8);
}

}  // namespace
}  // namespace hanse::answer
