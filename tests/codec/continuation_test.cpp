// An answer that broke, gone on with: what an engine is asked then, and what the
// client reads.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/api/request_codec.h"
#include "adapters/api/stream_writer.h"
#include "adapters/engines/engine.h"
#include "client_stream.h"
#include "core/answer/answer.h"

namespace hanse {
namespace {

using answer::Dialect;
using nlohmann::json;

constexpr std::string_view kAsk =
    R"({"model":"alias","messages":[{"role":"user","content":"Tell me"}],"stream":true,"max_tokens":50})";

answer::Question question_of(std::string_view body, Dialect dialect,
                             api::QuestionScratch& scratch) {
  auto question = api::read_question(dialect, body, scratch);
  EXPECT_TRUE(question) << question.error().message;
  return *question;
}

bool may_be_continued(std::string_view body, Dialect dialect = Dialect::chat) {
  api::QuestionScratch scratch;
  return engines::may_be_continued(question_of(body, dialect, scratch), body);
}

json sent(std::string_view kind, std::string_view body, std::string_view so_far,
          Dialect dialect = Dialect::chat) {
  api::QuestionScratch scratch;
  const answer::Question question = question_of(body, dialect, scratch);
  engines::UpstreamRequest request;
  const engines::Ask ask{
      .upstream_model = "m", .output_limit = Tokens(43), .answer_so_far = so_far};
  EXPECT_TRUE(engines::find_engine(kind)->write_request(question, body, ask, request));
  return json::parse(request.body());
}

TEST(Continuation, TheAnswerSoFarIsALastMessageOfTheAssistant) {
  for (const std::string_view kind : {"llama.cpp", "vllm", "sglang"}) {
    const json body = sent(kind, kAsk, R"(Once \"upon\"\n)");
    ASSERT_EQ(body["messages"].size(), 2U) << kind;
    EXPECT_EQ(body["messages"][1], json({{"role", "assistant"}, {"content", "Once \"upon\"\n"}}));
    EXPECT_EQ(body["max_tokens"], 43);
  }
}

TEST(Continuation, SomeEnginesMustBeToldThatItIsNotToBeAnswered) {
  const json vllm = sent("vllm", kAsk, "Once");
  EXPECT_EQ(vllm["continue_final_message"], true);
  EXPECT_EQ(vllm["add_generation_prompt"], false);
  EXPECT_EQ(sent("sglang", kAsk, "Once")["continue_final_message"], true);
  EXPECT_FALSE(sent("llama.cpp", kAsk, "Once").contains("continue_final_message"));
  // Not when they answer from the beginning.
  EXPECT_FALSE(sent("vllm", kAsk, "").contains("continue_final_message"));
}

TEST(Continuation, ACompletionsPromptGrows) {
  constexpr std::string_view kBody = R"({"model":"alias","prompt":"The sea ","stream":true})";
  for (const std::string_view kind : engines::engine_kinds()) {
    EXPECT_EQ(sent(kind, kBody, "is \\u00e9", Dialect::completion)["prompt"], "The sea is é");
  }
}

// A hosted API would answer a new turn, and two answers would be spliced.
TEST(Continuation, IsNotAskedOfEnginesThatAreNotKnownForIt) {
  EXPECT_FALSE(engines::find_engine("openai")->capabilities().continues_chat);
}

TEST(Continuation, IsForOneTextAndNothingElse) {
  EXPECT_TRUE(may_be_continued(kAsk));
  const auto with = [](std::string_view more) {
    return R"({"model":"a","messages":[{"role":"user","content":"x"}],)" + std::string(more) + "}";
  };
  EXPECT_TRUE(may_be_continued(with(R"("temperature":0,"stop":["x"],"seed":1)")));
  for (const std::string_view more :
       {R"("n":2)", R"("tools":[{"type":"function","function":{"name":"f"}}])",
        R"("response_format":{"type":"json_object"})", R"("logprobs":true)",
        R"("continue_final_message":true)", R"("add_generation_prompt":false)"}) {
    EXPECT_FALSE(may_be_continued(with(more))) << more;
  }
}

// The client has given the engine words to go on from by itself.
TEST(Continuation, NeedsALastWordThatIsNotTheAssistants) {
  const auto after = [](std::string_view messages) {
    return R"({"model":"a","messages":)" + std::string(messages) + "}";
  };
  EXPECT_FALSE(may_be_continued(
      after(R"([{"role":"user","content":"x"},{"role":"assistant","content":"y"}])")));
  EXPECT_FALSE(may_be_continued(after(R"([{"content":"y","role":"assis\u0074ant"}])")));
  EXPECT_TRUE(may_be_continued(
      after(R"([{"role":"assistant","content":"y"},{"role":"user","content":"x"}])")));
  EXPECT_FALSE(may_be_continued(after("[]")));
}

TEST(Continuation, OfACompletionNeedsOnePlainPrompt) {
  const auto with = [](std::string_view members) {
    return R"({"model":"a",)" + std::string(members) + "}";
  };
  EXPECT_TRUE(may_be_continued(with(R"("prompt":"x")"), Dialect::completion));
  for (const std::string_view members :
       {R"("prompt":["x"])", R"("prompt":[1,2])", R"("prompt":["x","y"])",
        R"("prompt":"x","echo":true)", R"("prompt":"x","suffix":"y")",
        R"("prompt":"x","best_of":2)"}) {
    EXPECT_FALSE(may_be_continued(with(members), Dialect::completion)) << members;
  }
}

// --- What the client reads ---------------------------------------------------

answer::Delta text(std::string_view says) {
  answer::Delta delta;
  delta.has_choice = true;
  delta.text = says;
  return delta;
}

std::string written(const answer::Delta& delta, std::vector<answer::Remainder> remainders,
                    Dialect dialect = Dialect::chat) {
  const api::StreamWriter writer(
      {.dialect = dialect, .request_id = "r", .alias = "a", .created_unix_seconds = 7});
  std::string out;
  writer.write_remainders(delta, remainders, out);
  return out;
}

json event(std::string_view bytes) { return json::parse(bytes.substr(6, bytes.find("\n\n") - 6)); }

TEST(Remainders, AreEventsOfTheClientsOwnStream) {
  using Kind = answer::Strand::Kind;
  const answer::Delta none = text("");
  const json content = event(written(none, {{.kind = Kind::text, .text = "\\\"b"}}));
  EXPECT_EQ(content["id"], "chatcmpl-r");
  EXPECT_EQ(content["choices"][0]["delta"]["content"], "\"b");
  EXPECT_EQ(content["choices"][0]["finish_reason"], nullptr);
  EXPECT_EQ(event(written(none, {{.kind = Kind::reasoning,
                                  .text = "hm"}}))["choices"][0]["delta"]["reasoning_content"],
            "hm");
  EXPECT_EQ(event(written(
                none, {{.kind = Kind::refusal, .text = "no"}}))["choices"][0]["delta"]["refusal"],
            "no");
  const json call = event(written(none, {{.kind = Kind::tool_arguments, .index = 1, .text = "}"}}));
  EXPECT_EQ(call["choices"][0]["delta"]["tool_calls"],
            json::parse(R"([{"index":1,"function":{"arguments":"}"}}])"));
  const json old = event(written(none, {{.kind = Kind::function_arguments, .text = "}"}}));
  EXPECT_EQ(old["choices"][0]["delta"]["function_call"], json({{"arguments", "}"}}));
  EXPECT_EQ(event(written(none, {{.kind = Kind::text, .text = "b"}},
                          Dialect::completion))["choices"][0]["text"],
            "b");
}

TEST(Remainders, AreFollowedByTheFinishOfTheirEvent) {
  answer::Delta delta = text("ab");
  delta.finish = answer::Finish::length;
  delta.finish_value = "\"length\"";
  const std::string out = written(delta, {{.kind = answer::Strand::Kind::text, .text = "b"}});
  EXPECT_EQ(event(out.substr(out.find("\n\n") + 2))["choices"][0]["finish_reason"], "length");
}

// Clients want the beginning of a call in one event.
TEST(Remainders, OfOneCallAreOneEvent) {
  using Kind = answer::Strand::Kind;
  const std::string out =
      written(text(""), {{.kind = Kind::tool_arguments, .text = "}"},
                         {.kind = Kind::tool_id, .index = 1, .text = "c"},
                         {.kind = Kind::tool_type, .index = 1, .text = "function"},
                         {.kind = Kind::tool_name, .index = 1, .text = "f"},
                         {.kind = Kind::tool_arguments, .index = 1, .text = "{}"}});
  const json first = event(out)["choices"][0]["delta"]["tool_calls"];
  EXPECT_EQ(first, json::parse(R"([{"index":0,"function":{"arguments":"}"}}])"));
  const std::string rest = out.substr(out.find("\n\n") + 2);
  EXPECT_EQ(
      event(rest)["choices"][0]["delta"]["tool_calls"],
      json::parse(
          R"([{"index":1,"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}])"));
  EXPECT_EQ(rest.find("\n\n"), rest.size() - 2);
}

// Two engines, one stream: begun by one, broken, said again by the other.
TEST(Remainders, MakeOneStreamOfTwo) {
  answer::Answer answer(Dialect::chat, 1, 1, answer::Keep::transcript);
  const api::StreamWriter writer({.request_id = "r", .alias = "a", .created_unix_seconds = 7});
  std::string out;
  const auto engine_says = [&](const std::string& json_text, std::string_view content,
                               std::string_view finish = "") {
    answer::Delta delta = text(content);
    delta.json = json_text;
    if (!finish.empty()) {
      delta.finish = answer::Finish::stop;
      delta.finish_value = finish;
    }
    const answer::Emission emission = answer.take(delta);
    if (emission.remainder) {
      writer.write_remainders(delta, answer.remainders(), out);
    } else {
      writer.write(delta, emission, out);
    }
  };
  const auto said = [](std::string_view content) {
    return R"({"choices":[{"index":0,"delta":{"content":")" + std::string(content) +
           R"("},"finish_reason":null}]})";
  };
  engine_says(said("Once "), "Once ");
  engine_says(said("upon"), "upon");
  answer.next_attempt(answer::TakeUp::repeated);
  engine_says(said("Once upon a"), "Once upon a");
  engine_says(said(" time"), " time");
  engine_says(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})", "", "\"stop\"");
  writer.write_done(out);
  const testing::ClientStream stream = testing::ClientStreamReader(true).read(out);
  EXPECT_EQ(stream.breach, "");
  EXPECT_EQ(stream.choices.at(0).text, "Once upon a time");
  EXPECT_EQ(stream.choices.at(0).roles, 1);
  EXPECT_TRUE(stream.done);
}

}  // namespace
}  // namespace hanse
