#include "adapters/api/request_codec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace hanse::api {
namespace {

using answer::Dialect;
using answer::Question;

using Read = std::expected<Question, Problem>;

// From a buffer of the body's own size, so that a sanitizer sees any read past
// its end. The question's views are copied where a test needs them.
struct Asked {
  explicit Asked(std::string_view text, Dialect dialect = Dialect::chat)
      : bytes(text.begin(), text.end()),
        read(read_question(dialect, {bytes.data(), bytes.size()}, scratch)) {}
  Asked(const Asked&) = delete;
  Asked& operator=(const Asked&) = delete;

  [[nodiscard]] std::string in(const answer::Field& field) const {
    return std::string(field.value.in({bytes.data(), bytes.size()}));
  }

  std::vector<char> bytes;
  QuestionScratch scratch;
  Read read;
};

std::string chat(std::string_view more = "") {
  return R"({"model":"m","messages":[{"role":"user","content":"hi"}])" + std::string(more) + "}";
}

TEST(ReadQuestion, FindsWhatIsAsked) {
  const Asked asked(chat(R"(,"stream":true,"stream_options":{"include_usage":true},)"
                         R"("max_tokens":7,"n":2,"tools":[{"a":1}],"tool_choice":"auto",)"
                         R"("response_format":{"type":"json_object"},"logprobs":true,)"
                         R"("stop":"x","x_vendor":[1,{"y":2}])"));
  ASSERT_TRUE(asked.read) << asked.read.error().message;
  const Question& question = *asked.read;
  EXPECT_EQ(question.model, "m");
  EXPECT_TRUE(question.stream);
  EXPECT_TRUE(question.include_usage);
  EXPECT_EQ(question.output_limit, Tokens(7));
  EXPECT_EQ(question.choices, 2);
  EXPECT_EQ(question.messages, 1);
  EXPECT_TRUE(question.has_tools);
  EXPECT_TRUE(question.has_response_format);
  EXPECT_TRUE(question.has_logprobs);
  EXPECT_TRUE(question.has_stop);
  EXPECT_EQ(asked.in(question.model_field), "\"m\"");
  EXPECT_EQ(asked.in(question.stream_field), "true");
  EXPECT_EQ(asked.in(question.stream_options_field), R"({"include_usage":true})");
  EXPECT_EQ(asked.in(question.output_limit_field), "7");
  EXPECT_EQ(asked.in(question.tools_field), R"([{"a":1}])");
  EXPECT_EQ(asked.in(question.tool_choice_field), "\"auto\"");
  EXPECT_EQ(asked.in(question.messages_field), R"([{"role":"user","content":"hi"}])");
  EXPECT_EQ(question.closing_brace, asked.bytes.size() - 1);
}

TEST(ReadQuestion, BlanksAndOrderDoNotMatter) {
  const Asked asked(" \n{ \"messages\" : [ ] ,\t\"stream\" : false , \"model\" : \"m\" \n} \n");
  ASSERT_TRUE(asked.read);
  EXPECT_EQ(asked.in(asked.read->model_field), "\"m\"");
  EXPECT_EQ(asked.bytes[asked.read->closing_brace], '}');
  const auto member = asked.read->stream_field.member;
  EXPECT_EQ(std::string(asked.bytes.begin() + member.begin, asked.bytes.begin() + member.end),
            "\"stream\" : false");
}

TEST(ReadQuestion, NullIsAsGoodAsAbsent) {
  const Asked asked(chat(R"(,"stream":null,"stream_options":null,"max_tokens":null,"n":null,)"
                         R"("tools":null,"stop":null,"logprobs":null,"response_format":null)"));
  ASSERT_TRUE(asked.read) << asked.read.error().message;
  EXPECT_FALSE(asked.read->stream);
  EXPECT_EQ(asked.read->output_limit, std::nullopt);
  EXPECT_TRUE(asked.read->output_limit_field.present());
  EXPECT_FALSE(asked.read->has_tools || asked.read->has_stop || asked.read->has_logprobs ||
               asked.read->has_response_format);
}

TEST(ReadQuestion, WhatForbidsNothingIsNotCounted) {
  const Asked asked(
      chat(R"(,"tools":[],"stop":[],"logprobs":false,"response_format":{"type": "text"})"));
  EXPECT_FALSE(asked.read->has_tools || asked.read->has_stop || asked.read->has_logprobs ||
               asked.read->has_response_format);
}

TEST(ReadQuestion, EscapedNamesAndModelsAreUnderstood) {
  const Asked asked(R"({"mod\u0065l":"a\/b\u00e9","messages":[],"str\u0065am":true})");
  ASSERT_TRUE(asked.read);
  EXPECT_EQ(asked.read->model, "a/b\xC3\xA9");
  EXPECT_TRUE(asked.read->stream);
}

TEST(ReadQuestion, EveryNameOfTheOutputLimitIsRead) {
  for (const std::string name : {"max_tokens", "max_completion_tokens", "n_predict"}) {
    const Asked asked(chat(",\"" + name + "\":5"));
    EXPECT_EQ(asked.read->output_limit, Tokens(5)) << name;
    EXPECT_EQ(asked.in(asked.read->output_limit_field), "5");
  }
  EXPECT_EQ(Asked(chat(R"(,"max_tokens":-1)")).read->output_limit, std::nullopt);
}

// llama.cpp answers a chat's 0 with one token; OpenAI refuses it.
TEST(ReadQuestion, OnlyCompletionsMayAskForNoOutput) {
  EXPECT_FALSE(Asked(chat(R"(,"max_tokens":0)")).read);
  const Asked text(R"({"model":"m","prompt":"a","echo":true,"max_tokens":0})", Dialect::completion);
  EXPECT_EQ(text.read->output_limit, Tokens(0));
}

// Which of two limits an engine believes is its own affair; a bill is not.
TEST(ReadQuestion, TwoOutputLimitsAreRefused) {
  const Asked asked(chat(R"(,"max_tokens":5,"max_completion_tokens":9)"));
  ASSERT_FALSE(asked.read);
  EXPECT_EQ(asked.read.error().param, "max_completion_tokens");
}

TEST(ReadQuestion, ANullLimitNamesNone) {
  for (const char* fields : {R"(,"max_tokens":null,"max_completion_tokens":5)",
                             R"(,"max_completion_tokens":5,"max_tokens":null)"}) {
    const Asked asked(chat(fields));
    ASSERT_TRUE(asked.read) << fields;
    EXPECT_EQ(asked.read->output_limit, Tokens(5));
    EXPECT_EQ(asked.in(asked.read->output_limit_field), "5");
    ASSERT_EQ(asked.read->empty_limit_fields.size(), 1U);
    EXPECT_EQ(asked.in(asked.read->empty_limit_fields[0]), "null");
  }
}

// llama.cpp's own word for `n`; what it makes must be held for.
TEST(ReadQuestion, AnEnginesOwnWordForNCounts) {
  EXPECT_EQ(Asked(chat(R"(,"n_cmpl":4)")).read->choices, 4);
  EXPECT_FALSE(Asked(chat(R"(,"n":1,"n_cmpl":4)")).read);
}

// Some engines do not look at the case of a name.
TEST(ReadQuestion, AKnownNameInAnotherCaseIsRefused) {
  for (const char* field : {R"("Model":"x")", R"("MAX_TOKENS":9)", R"("Stre\u0041m":true)"}) {
    EXPECT_FALSE(Asked(chat("," + std::string(field))).read) << field;
  }
  EXPECT_TRUE(Asked(chat(R"(,"vendorField":9)")).read);
}

TEST(ReadQuestion, CompletionsCountTheirPrompts) {
  struct Row {
    std::string_view prompt;
    std::int32_t prompts;
    std::int64_t bytes;
  };
  for (const Row& row : {Row{R"("abc")", 1, 3}, Row{R"(["abc","de"])", 2, 5}, Row{"[1,2,3]", 1, 3},
                         Row{"[[1,2],[3]]", 2, 3}, Row{"[]", 1, 0}, Row{R"("\u00e9\n")", 1, 3}}) {
    const Asked asked(
        R"({"model":"m","n":2,"best_of":3,"echo":true,"prompt":)" + std::string(row.prompt) + "}",
        Dialect::completion);
    ASSERT_TRUE(asked.read) << row.prompt;
    EXPECT_EQ(asked.read->prompts, row.prompts) << row.prompt;
    EXPECT_EQ(asked.read->choices, 2);
    EXPECT_EQ(asked.read->generations, 3);
    EXPECT_EQ(asked.read->prompt_bytes, row.bytes) << row.prompt;
    EXPECT_TRUE(asked.read->has_echo);
  }
}

TEST(ReadQuestion, CountsTextButNotMedia) {
  const std::string image(10'000, 'A');
  const Asked asked(
      R"({"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"look"},)"
      R"({"type":"image_url","image_url":{"url":"data:image/png;base64,)" +
      image + R"("}}]}]})");
  ASSERT_TRUE(asked.read);
  EXPECT_EQ(asked.read->images, 1);
  EXPECT_GE(asked.read->prompt_bytes, 8);
  EXPECT_LT(asked.read->prompt_bytes, 200);
}

TEST(ReadQuestion, CountsEveryTextThatAPromptMayHold) {
  const auto bytes = [](const std::string& body) { return Asked(body).read->prompt_bytes; };
  const std::string text(1000, 'x');
  const std::int64_t plain = bytes(chat());
  for (const std::string& more :
       {",\"tools\":[{\"function\":{\"description\":\"" + text + "\"}}]",
        ",\"response_format\":{\"schema\":\"" + text + "\"}", ",\"suffix\":\"" + text + "\"",
        ",\"documents\":[{\"text\":\"" + text + "\"}]"}) {
    EXPECT_GE(bytes(chat(more)), plain + 1000) << more.substr(0, 20);
  }
  EXPECT_GE(bytes(R"({"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":)"
                  R"({"arguments":")" +
                  text + R"("}}]}]})"),
            1000);
}

struct BadRow {
  std::string_view body;
  std::string_view message;  // a part of it
  std::string_view param = "";
};

TEST(ReadQuestion, RefusesWithThePlaceOrTheField) {
  for (const BadRow& row : {
           BadRow{"", "line 1, column 1"},
           BadRow{"x", "line 1, column 1"},
           BadRow{"[]", "must be a JSON object"},
           BadRow{"\"model\"", "must be a JSON object"},
           BadRow{"{\"model\":\"m\",\n\"messages\":[}", "line 2, column 13"},
           BadRow{"{\"model\":\"m\",\"messages\":[]} x", "line 1, column 29"},
           BadRow{"{\"model\":\"m\",\"messages\":[],}", "line 1, column 28"},
           BadRow{"{\"model\":\"m\xFF\",\"messages\":[]}", "not UTF-8 at line 1, column 12"},
           BadRow{"{\"model\":\"m\",\"messages\":[],\"model\":\"x\"}", "comes a second time"},
           BadRow{"{\"model\":\"m\",\"messages\":[],\"mod\\u0065l\":\"x\"}", "second time"},
           BadRow{"{\"model\":\"m\",\"messages\":[],\"seed\":1,\"seed\":2}", "column 37"},
           BadRow{R"({"messages":[]})", "`model` is missing", "model"},
           BadRow{R"({"model":"m"})", "`messages` is missing", "messages"},
           BadRow{R"({"model":1,"messages":[]})", "must be a string", "model"},
           BadRow{R"({"model":"","messages":[]})", "must not be empty", "model"},
           BadRow{R"({"model":null,"messages":[]})", "must be a string", "model"},
           BadRow{R"({"model":"m","messages":"hi"})", "must be an array", "messages"},
           BadRow{R"({"model":"m","messages":["hi"]})", "only objects", "messages"},
           BadRow{R"({"model":"m","messages":[],"stream":1})", "true or false", "stream"},
           BadRow{R"({"model":"m","messages":[],"n":0})", "from 1 to 128", "n"},
           BadRow{R"({"model":"m","messages":[],"n":129})", "from 1 to 128", "n"},
           BadRow{R"({"model":"m","messages":[],"n":1.0})", "an integer", "n"},
           BadRow{R"({"model":"m","messages":[],"n":"1"})", "an integer", "n"},
           BadRow{R"({"model":"m","messages":[],"max_tokens":-2})", "from 1", "max_tokens"},
           BadRow{R"({"model":"m","messages":[],"max_tokens":1e3})", "an integer", "max_tokens"},
           BadRow{R"({"model":"m","messages":[],"max_tokens":99999999999})", "from 1",
                  "max_tokens"},
           BadRow{R"({"model":"m","messages":[],"stream_options":[]})", "an object",
                  "stream_options"},
           BadRow{R"({"model":"m","messages":[],"stream_options":{"include_usage":1}})",
                  "true or false", "stream_options"},
           BadRow{R"({"model":"m","messages":[],"stream_options":{"include_usage":true,)"
                  R"("include_usage":false}})",
                  "twice", "stream_options"},
       }) {
    const Asked asked(row.body);
    ASSERT_FALSE(asked.read) << row.body;
    const Problem& problem = asked.read.error();
    EXPECT_EQ(http_status(problem), 400);
    EXPECT_NE(problem.message.find(row.message), std::string::npos) << row.body << "\n"
                                                                    << problem.message;
    EXPECT_EQ(problem.param, row.param) << row.body;
  }
}

TEST(ReadQuestion, RefusesPromptsOfOtherKinds) {
  for (const std::string_view prompt : {"1", "{}", "null", "[null]", "[[\"a\"]]", "[{}]"}) {
    const Asked asked(R"({"model":"m","prompt":)" + std::string(prompt) + "}", Dialect::completion);
    ASSERT_FALSE(asked.read) << prompt;
    EXPECT_EQ(asked.read.error().param, "prompt");
  }
  std::string many = R"({"model":"m","n":2,"prompt":[)";
  for (int i = 0; i < 65; ++i) many += "\"a\",";
  many.back() = ']';
  EXPECT_FALSE(Asked(many + "}", Dialect::completion).read);
}

TEST(ReadQuestion, DeepNestingIsAPlainRefusal) {
  const std::string deep = chat(",\"x\":" + std::string(50'000, '[') + std::string(50'000, ']'));
  const Asked asked(deep);
  ASSERT_FALSE(asked.read);
  EXPECT_NE(asked.read.error().message.find("nesting is too deep"), std::string::npos);
  std::string messages = R"({"model":"m","messages":[)";
  for (int i = 0; i < 50'000; ++i) messages += "{\"a\":";
  EXPECT_FALSE(Asked(messages).read);
  EXPECT_TRUE(Asked(chat(",\"x\":" + std::string(255, '[') + std::string(255, ']'))).read);
  EXPECT_FALSE(Asked(chat(",\"x\":" + std::string(256, '[') + std::string(256, ']'))).read);
}

TEST(ReadQuestion, BoundsTheMembers) {
  std::string many;
  for (int i = 0; i < 126; ++i) many += ",\"x" + std::to_string(i) + "\":0";
  EXPECT_TRUE(Asked(chat(many)).read);
  EXPECT_FALSE(Asked(chat(many + ",\"y\":0")).read);
}

// A message never quotes what was asked.
TEST(ReadQuestion, ErrorsDoNotQuoteTheBody) {
  const Asked asked(R"({"model":"m","messages":[{"content":"secret" x}]})");
  ASSERT_FALSE(asked.read);
  EXPECT_EQ(asked.read.error().message.find("secret"), std::string::npos);
}

RC_GTEST_PROP(ReadQuestion, DamagedBodiesAreRefusedOrValid, ()) {
  std::string body = chat(R"(,"stream":true,"max_tokens":7,"tools":[{"a":{"b":"c\u0041"}}])");
  const int damages = *rc::gen::inRange(1, 3);
  for (int i = 0; i < damages; ++i) {
    const auto at = static_cast<std::size_t>(*rc::gen::inRange(0, static_cast<int>(body.size())));
    body[at] = static_cast<char>(*rc::gen::inRange(0, 256));
  }
  const Asked asked(body);
  if (!asked.read) {
    RC_ASSERT(http_status(asked.read.error()) == 400);
    return;
  }
  RC_ASSERT(nlohmann::json::accept(body));
  RC_ASSERT(body[asked.read->closing_brace] == '}');
}

}  // namespace
}  // namespace hanse::api
