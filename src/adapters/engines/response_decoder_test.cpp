#include "adapters/engines/response_decoder.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>

#include "adapters/engines/testing/sample.h"

namespace hanse::engines {
namespace {

using answer::Dialect;
using answer::Failure;
using answer::Finish;
using testing::cut;
using testing::decode;
using testing::Decoded;
using testing::read_sample;
using testing::Reply;
using testing::Sample;

const DecoderOptions kChat;
const DecoderOptions kChatWhole{.whole_replies = WholeReplies::as_they_are};
const DecoderOptions kText{.dialect = Dialect::completion};

std::string event(std::string_view json) { return "data: " + std::string(json) + "\n\n"; }
std::string says(std::string_view text) {
  return event(R"({"id":"x","model":"m","choices":[{"index":0,"delta":{"content":")" +
               std::string(text) + R"("},"finish_reason":null}]})");
}
const std::string kFinish =
    event(R"({"id":"x","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})");
const std::string kDone = "data: [DONE]\n\n";

Decoded stream(const std::string& body, BodyEnd end = BodyEnd::clean) {
  return decode("openai", kChat, {.reads = {body}, .end = end});
}

Reply reply_of(const Sample& sample) {
  return {.status = sample.status, .content_type = sample.content_type, .reads = {sample.body}};
}

TEST(ResponseDecoder, ReadsAStreamToItsEnd) {
  const Decoded decoded = stream(says("Hel") + says("lo") + kFinish + kDone);
  EXPECT_EQ(decoded.end, Step::done);
  EXPECT_EQ(decoded.text(), "Hello");
  ASSERT_EQ(decoded.deltas.size(), 3U);
  EXPECT_EQ(decoded.deltas[2].finish, Finish::stop);
}

TEST(ResponseDecoder, WhatFollowsDoneIsIgnored) {
  EXPECT_EQ(stream(says("a") + kDone + "data: {rubbish\n\n").end, Step::done);
}

TEST(ResponseDecoder, DoneInTheTextIsText) {
  const Decoded decoded = stream(says("data: [DONE]\\n\\n") + kFinish + kDone);
  EXPECT_EQ(decoded.end, Step::done);
  EXPECT_EQ(decoded.text(), "data: [DONE]\\n\\n");
}

TEST(ResponseDecoder, AnEndWithoutDoneIsToldApart) {
  EXPECT_EQ(stream(says("a")).end, Step::ended);
  EXPECT_EQ(stream(says("a") + kFinish).end, Step::ended);
  EXPECT_EQ(stream(says("a"), BodyEnd::cut).end, Step::ended);
  EXPECT_EQ(stream(says("a") + "data: [DONE]").end, Step::done);
}

TEST(ResponseDecoder, AnUnfinishedEventIsNotTaken) {
  const std::string half = says("b");
  const Decoded decoded = stream(says("a") + half.substr(0, half.size() - 1));
  EXPECT_EQ(decoded.end, Step::ended);
  EXPECT_EQ(decoded.text(), "a");
}

struct FailureRow {
  std::string what;
  Reply reply;
  Failure failure;

  friend void PrintTo(const FailureRow& row, std::ostream* out) { *out << row.what; }
};

class FailureTable : public ::testing::TestWithParam<FailureRow> {};

TEST_P(FailureTable, IsClassified) {
  const Decoded decoded = decode("openai", kChat, GetParam().reply);
  ASSERT_EQ(decoded.end, Step::failed);
  EXPECT_EQ(to_string(decoded.failure.failure), to_string(GetParam().failure));
  EXPECT_FALSE(decoded.failure.site_message.empty());
}

Reply body(std::int32_t status, std::string_view text, std::string_view type = "application/json") {
  return {.status = status, .content_type = std::string(type), .reads = {std::string(text)}};
}

INSTANTIATE_TEST_SUITE_P(
    Replies, FailureTable,
    ::testing::Values(
        FailureRow{"html", body(200, "<html>", "text/html; charset=utf-8"), Failure::bad_answer},
        FailureRow{"html untyped", body(200, "<html>", ""), Failure::bad_answer},
        FailureRow{"empty stream", body(200, "", "text/event-stream"), Failure::bad_answer},
        FailureRow{"empty whole", body(200, ""), Failure::bad_answer},
        FailureRow{"empty untyped", body(200, "", ""), Failure::bad_answer},
        FailureRow{"done alone is no answer but no failure of ours", body(200, "data: x\n\n", ""),
                   Failure::bad_answer},
        FailureRow{"malformed event", body(200, event("{\"choices\":[}"), "text/event-stream"),
                   Failure::bad_answer},
        FailureRow{"array event", body(200, event("[]"), "text/event-stream"), Failure::bad_answer},
        FailureRow{"truncated whole", body(200, "{\"choices\":[{\"mess"), Failure::bad_answer},
        FailureRow{"whole without choices", body(200, "{\"ok\":true}"), Failure::bad_answer},
        FailureRow{"whole with no choice", body(200, "{\"choices\":[]}"), Failure::bad_answer},
        FailureRow{"200 with an error",
                   body(200, R"({"error":{"message":"boom","type":"server_error"}})"),
                   Failure::server_error},
        FailureRow{"200 with an error's words",
                   body(200, R"({"object":"error","message":"boom","code":400})"),
                   Failure::client_request},
        FailureRow{
            "error as first event",
            body(200, event(R"({"error":{"message":"busy","code":503}})"), "text/event-stream"),
            Failure::overloaded},
        FailureRow{"error as a text", body(200, event(R"({"error":"busy"})"), "text/event-stream"),
                   Failure::server_error},
        FailureRow{"error field of old llama.cpp",
                   body(200, "error: {\"code\":500,\"message\":\"x\",\"error\":{\"code\":500}}\n\n",
                        "text/event-stream"),
                   Failure::server_error},
        FailureRow{"redirect", body(302, ""), Failure::bad_answer},
        FailureRow{"204", {.status = 199}, Failure::bad_answer},
        FailureRow{"429", body(429, R"({"error":{"message":"slow down"}})"), Failure::rate_limited},
        FailureRow{"429 no money", body(429, R"({"error":{"code":"insufficient_quota"}})"),
                   Failure::credentials},
        FailureRow{"500 page", body(500, "<h1>oops</h1>", "text/html"), Failure::server_error},
        FailureRow{"502", body(502, ""), Failure::server_error},
        FailureRow{"503", body(503, ""), Failure::overloaded},
        FailureRow{"504", body(504, ""), Failure::server_error},
        FailureRow{"529", body(529, ""), Failure::overloaded},
        FailureRow{"401", body(401, ""), Failure::credentials},
        FailureRow{"402", body(402, ""), Failure::credentials},
        FailureRow{"403", body(403, ""), Failure::credentials},
        FailureRow{"403 policy", body(403, R"({"error":{"code":"content_policy_violation"}})"),
                   Failure::content_filter},
        FailureRow{"404", body(404, ""), Failure::model_missing},
        FailureRow{"413", body(413, ""), Failure::context_exceeded},
        FailureRow{"400 context",
                   body(400, R"({"error":{"code":"context_length_exceeded","message":"x"}})"),
                   Failure::context_exceeded},
        FailureRow{"400 context in words",
                   body(400, R"({"object":"error","message":"This model's maximum context length )"
                             R"(is 4096 tokens.","code":400})"),
                   Failure::context_exceeded},
        FailureRow{"400 filter", body(400, R"({"error":{"code":"content_filter"}})"),
                   Failure::content_filter},
        FailureRow{"400 model", body(400, R"({"error":{"message":"x","code":"model_not_found"}})"),
                   Failure::model_missing},
        // A message may quote the client, and this would be held against the site.
        FailureRow{"400 quote", body(400, R"({"error":{"message":"bad tool: model_not_found"}})"),
                   Failure::client_request},
        FailureRow{"400", body(400, R"({"error":{"message":"bad temperature"}})"),
                   Failure::client_request},
        FailureRow{"422 fastapi", body(422, R"({"detail":"field required"})"),
                   Failure::client_request}),
    [](const auto& row) {
      std::string name = row.param.what;
      for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
      return name;
    });

TEST(ResponseDecoder, AnErrorInMidStreamIsABreakWhateverItsWords) {
  const Decoded decoded =
      stream(says("a") + event(R"({"error":{"message":"x","type":"rate_limit_error"}})"));
  EXPECT_EQ(decoded.end, Step::failed);
  EXPECT_EQ(decoded.failure.failure, Failure::error_event);
}

TEST(ResponseDecoder, AnErrorInAStreamHasManyShapes) {
  for (const std::string_view json :
       {R"({"object":"error","message":"CUDA out of memory","code":500})", R"({"type":"error"})",
        R"({"detail":"Internal Server Error"})", R"({"message":"boom","code":500})",
        R"({"message":"boom","status":503})", R"({"message":"boom","code":"x"})",
        R"({"errors":["boom"]})", R"({"errors":[{"message":"boom"}]})", R"({"error":"boom"})",
        R"({"error":{}})", R"({"choices":[{"index":0,"delta":{},"error":{"message":"boom"}}]})"}) {
    const Decoded decoded = stream(says("a") + event(json) + kDone);
    EXPECT_EQ(decoded.end, Step::failed) << json;
    EXPECT_EQ(decoded.failure.failure, Failure::error_event) << json;
  }
  const Decoded named =
      stream(says("a") + "event: Error\n" + event(R"({"message":"boom"})") + kDone);
  EXPECT_EQ(named.failure.site_message, "boom");
}

TEST(ResponseDecoder, NotEveryOddEventIsAnError) {
  for (const std::string_view json :
       {R"({"type":"ping"})", R"({"message":"still thinking"})", R"({"object":"keepalive"})",
        R"({"error":null})", R"({"error":false})", R"({"error":""})", R"({"code":1})",
        R"({"message":"fine","code":0})", R"({"message":"fine","code":200})",
        R"({"message":"in line","status":"queued"})"}) {
    EXPECT_EQ(stream(says("a") + event(json) + kFinish + kDone).end, Step::done) << json;
  }
}

// Well formed, but nobody said that it was all.
TEST(ResponseDecoder, AWholeReplyThatFinishesNothingIsCutOff) {
  for (const std::string_view rest : {R"(,"finish_reason":null)", ""}) {
    const std::string body =
        R"({"choices":[{"index":0,"message":{"content":"cut"})" + std::string(rest) + "}]}";
    for (const DecoderOptions& options : {kChat, kChatWhole}) {
      const Decoded decoded =
          decode("openai", options, {.content_type = "application/json", .reads = {body}});
      EXPECT_EQ(decoded.end, Step::failed) << body;
      EXPECT_EQ(decoded.failure.failure, Failure::bad_answer) << body;
      EXPECT_TRUE(decoded.deltas.empty());
    }
  }
}

// vLLM and SGLang finish an answer that they gave up with "abort".
TEST(ResponseDecoder, AnAbortIsNoFinish) {
  const Decoded decoded =
      stream(says("a") + event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"abort"}]})"));
  EXPECT_EQ(decoded.end, Step::failed);
  EXPECT_EQ(decoded.failure.failure, Failure::error_event);
}

TEST(ResponseDecoder, ACutBeforeAnythingIsAReset) {
  EXPECT_EQ(stream("", BodyEnd::cut).failure.failure, Failure::reset);
  const Decoded whole =
      decode("openai", kChat,
             {.content_type = "application/json", .reads = {"{\"choices\""}, .end = BodyEnd::cut});
  EXPECT_EQ(whole.failure.failure, Failure::reset);
}

TEST(ResponseDecoder, RetryAfterIsToldInAllItsForms) {
  const auto wait = [](std::string_view header) {
    return decode("openai", kChat,
                  {.status = 429, .content_type = "", .retry_after = std::string(header)})
        .failure.retry_after;
  };
  EXPECT_EQ(wait("7"), seconds(7));
  EXPECT_EQ(wait(""), std::nullopt);
  EXPECT_EQ(wait("soon"), std::nullopt);
  // The test's clock stands at 2026-11-23T05:11:17Z.
  EXPECT_EQ(wait("Mon, 23 Nov 2026 05:11:47 GMT"), seconds(30));
}

TEST(ResponseDecoder, ClientsAreToldOnlyTheirOwnMistakes) {
  const auto report = [](std::int32_t status, std::string_view text) {
    return decode("openai", kChat, body(status, text)).failure;
  };
  const auto theirs =
      report(400, R"({"error":{"message":"bad \"x\"","code":"bad_value","param":"temperature"}})");
  EXPECT_EQ(theirs.client_message, "bad \"x\"");
  EXPECT_EQ(theirs.client_code, "bad_value");
  EXPECT_EQ(theirs.client_param, "temperature");
  EXPECT_EQ(theirs.http_status, 400);
  EXPECT_EQ(report(413, "too big").client_message, "");
  const auto ours = report(401, R"({"error":{"message":"Incorrect API key sk-123"}})");
  EXPECT_EQ(ours.client_message, "");
  EXPECT_EQ(ours.site_message, "Incorrect API key sk-123");
}

TEST(ResponseDecoder, LongErrorsAreCut) {
  const std::string text = R"({"error":{"message":")" + std::string(10'000, 'x') + "\"}}";
  EXPECT_LE(decode("openai", kChat, body(500, text)).failure.site_message.size(), 2048U);
  const Reply endless{.status = 500, .content_type = "", .reads = {std::string(200'000, 'x')}};
  EXPECT_EQ(decode("openai", kChat, endless).failure.failure, Failure::server_error);
}

TEST(ResponseDecoder, BoundsEventsAndReplies) {
  const DecoderOptions small{.limits = {.event_bytes_max = 200, .reply_bytes_max = 300}};
  const auto failure_of = [&](const Reply& reply) {
    return decode("openai", small, reply).failure.failure;
  };
  EXPECT_EQ(failure_of({.reads = {says(std::string(300, 'x'))}}), Failure::oversize);
  EXPECT_EQ(failure_of(body(200, "{\"x\":\"" + std::string(400, 'x'))), Failure::oversize);
}

// Each choice is a pass over the event, so their product is bounded.
TEST(ResponseDecoder, BoundsTheWorkOfManyChoices) {
  std::string many = "{\"choices\":[";
  for (int i = 0; i < 20'000; ++i) many += "{\"index\":0},";
  many.back() = ']';
  EXPECT_EQ(stream(event(many + "}")).failure.failure, Failure::oversize);
}

TEST(ResponseDecoder, DropsAnEventThatHasTheIdAndTheDataOfAnother) {
  const Decoded decoded =
      stream("id: 1\n" + says("a") + "id: 2\n" + says("a") + "id: 1\n" + says("a") + says("a"));
  EXPECT_EQ(decoded.text(), "aaa");
}

// Some servers put one id on every event; all but the first were lost.
TEST(ResponseDecoder, AnIdThatEveryEventHasDropsNone) {
  const auto named = [](std::string_view text) { return "id: 0\n" + says(text); };
  EXPECT_EQ(stream(named("") + named("ha") + named("ha") + named("!") + kFinish).text(), "haha!");
}

TEST(ResponseDecoder, PassesOverEventsThatSayNothing) {
  const Decoded decoded =
      stream(": ping\n\ndata: null\n\ndata:\n\ndata: {}\n\ndata: {\"type\":\"ping\"}\n\n" +
             says("a") + kDone);
  EXPECT_EQ(decoded.end, Step::done);
  EXPECT_EQ(decoded.deltas.size(), 1U);
}

TEST(ResponseDecoder, AnEventOfSeveralChoicesMakesADeltaOfEach) {
  const Decoded decoded =
      stream(event(R"({"choices":[{"index":0,"delta":{"content":"a"}},)"
                   R"({"index":1,"delta":{"content":"b"}}],"usage":{"prompt_tokens":1,)"
                   R"("completion_tokens":2}})"));
  ASSERT_EQ(decoded.deltas.size(), 2U);
  EXPECT_EQ(decoded.deltas[0].text, "a");
  EXPECT_TRUE(decoded.deltas[0].usage.has_value());
  EXPECT_EQ(decoded.deltas[1].text, "b");
  EXPECT_EQ(decoded.deltas[1].choice, 1U);
  EXPECT_FALSE(decoded.deltas[1].usage.has_value());
}

TEST(ResponseDecoder, DataOfSeveralLinesIsOneEvent) {
  const Decoded decoded = stream(
      "data: {\"choices\":[\ndata: {\"index\":0,\ndata: \"delta\":{\"content\":\"a\"}}]}\n\n");
  ASSERT_EQ(decoded.deltas.size(), 1U);
  EXPECT_EQ(decoded.text(), "a");
  EXPECT_EQ(decoded.deltas[0].json.find('\n'), std::string::npos);
}

TEST(ResponseDecoder, StaysSmallForAnIdleStream) { EXPECT_LE(sizeof(ResponseDecoder), 640U); }

// --- Whole replies -----------------------------------------------------------

TEST(ResponseDecoder, AWholeReplyForAStreamBecomesEvents) {
  const Sample sample = read_sample("chat-whole-two-choices");
  const Decoded decoded = decode("llama.cpp", kChat, reply_of(sample));
  EXPECT_EQ(decoded.end, Step::done);
  EXPECT_EQ(decoded.text(0), "Hello there!");
  EXPECT_EQ(decoded.text(1), "Hello there!");
  ASSERT_EQ(decoded.deltas.size(), 5U);
  EXPECT_TRUE(decoded.deltas[0].has_role);
  EXPECT_EQ(decoded.deltas[1].finish, Finish::length);
  EXPECT_TRUE(decoded.deltas[4].usage.has_value());
  for (const auto& delta : decoded.deltas) {
    const auto json = nlohmann::json::parse(delta.json);
    EXPECT_EQ(json["object"], "chat.completion.chunk");
  }
}

TEST(ResponseDecoder, AWholeReplysToolCallsGetTheirIndex) {
  const Decoded decoded = decode("llama.cpp", kChat, reply_of(read_sample("chat-whole-tools")));
  const auto calls = nlohmann::json::parse(decoded.deltas.at(0).tool_calls);
  EXPECT_EQ(calls[0]["index"], 0);
  EXPECT_EQ(calls[0]["function"]["name"], "get_weather");
}

TEST(ResponseDecoder, AWholeReplyForAWholeStaysAsItIs) {
  const Sample sample = read_sample("chat-whole-two-choices");
  ResponseDecoder decoder(*find_engine("openai"), kChatWhole);
  std::string texts;
  const Step end = testing::drive(decoder, reply_of(sample), [&](const answer::Delta& delta) {
    texts += std::string(delta.text) + "|";
    ASSERT_NE(decoder.whole_reply(), nullptr);
  });
  EXPECT_EQ(end, Step::done);
  EXPECT_EQ(texts, "Hello there!|Hello there!|");
  EXPECT_EQ(decoder.whole_reply()->json, sample.body);
  EXPECT_TRUE(decoder.whole_reply()->usage.has_value());
}

TEST(ResponseDecoder, APrettyPrintedReplyBecomesEventsOfOneLine) {
  const std::string pretty = nlohmann::json::parse(read_sample("chat-whole").body).dump(2);
  const Decoded decoded = decode("openai", kChat, body(200, pretty));
  EXPECT_EQ(decoded.text(), "Hello there!");
  for (const auto& delta : decoded.deltas) EXPECT_EQ(delta.json.find('\n'), std::string::npos);
}

// --- What llama.cpp really sends, cut anywhere -------------------------------

struct SampleRow {
  std::string_view name;
  Dialect dialect;
};
constexpr SampleRow kStreams[] = {
    {"chat-stream", Dialect::chat},
    {"chat-stream-logprobs", Dialect::chat},
    {"chat-stream-progress", Dialect::chat},
    {"chat-stream-stop-word", Dialect::chat},
    {"chat-stream-tools", Dialect::chat},
    {"chat-stream-two-choices", Dialect::chat},
    {"chat-stream-usage", Dialect::chat},
    {"chat-stream-without-role", Dialect::chat},
    {"chat-whole", Dialect::chat},
    {"chat-whole-tools", Dialect::chat},
    {"error-context", Dialect::chat},
    {"text-stream", Dialect::completion},
    {"text-stream-two-prompts", Dialect::completion},
    {"text-whole-two-prompts", Dialect::completion},
};

RC_GTEST_PROP(ResponseDecoder, SplitsDoNotMatter, ()) {
  const SampleRow row =
      *rc::gen::elementOf(std::vector<SampleRow>(std::begin(kStreams), std::end(kStreams)));
  const DecoderOptions& options = row.dialect == Dialect::chat ? kChat : kText;
  const Sample sample = read_sample(row.name);
  Reply reply = reply_of(sample);
  const Decoded whole = decode("llama.cpp", options, reply);
  auto places = *rc::gen::container<std::vector<std::size_t>>(
      rc::gen::inRange<std::size_t>(0, sample.body.size()));
  std::ranges::sort(places);
  reply.reads = cut(sample.body, places);
  const Decoded parts = decode("llama.cpp", options, reply);
  RC_ASSERT(parts.end == whole.end);
  RC_ASSERT(parts.deltas == whole.deltas);
  RC_ASSERT(parts.failure.client_message == whole.failure.client_message);
}

TEST(ResponseDecoder, ByteByByteIsTheSameStream) {
  const Sample sample = read_sample("chat-stream-tools");
  Reply reply = reply_of(sample);
  const Decoded whole = decode("llama.cpp", kChat, reply);
  reply.reads.clear();
  for (const char c : sample.body) reply.reads.emplace_back(1, c);
  EXPECT_EQ(decode("llama.cpp", kChat, reply).deltas, whole.deltas);
  EXPECT_EQ(whole.end, Step::done);
}

TEST(LlamaCppReplies, UsageOfTwoChoicesIsAttributed) {
  const Decoded decoded =
      decode("llama.cpp", kChat, reply_of(read_sample("chat-stream-two-choices")));
  std::vector<std::uint32_t> choices;
  for (const auto& delta : decoded.deltas) {
    if (delta.usage) choices.push_back(delta.usage_of_choice.value());
  }
  EXPECT_EQ(choices, (std::vector<std::uint32_t>{1, 0}));
}

TEST(LlamaCppReplies, UsageMayComeWithTheFinish) {
  const Decoded decoded = decode("llama.cpp", kText, reply_of(read_sample("text-stream-usage")));
  ASSERT_TRUE(decoded.deltas.back().usage.has_value());
  EXPECT_EQ(decoded.deltas.back().finish, Finish::length);
  EXPECT_EQ(decoded.deltas.back().usage->tokens[TokenKind::prompt], Tokens(2));
  EXPECT_EQ(decoded.deltas.back().usage->tokens[TokenKind::output], Tokens(3));
}

TEST(LlamaCppReplies, CachedTokensAreTakenOutOfThePrompt) {
  const Decoded decoded =
      decode("llama.cpp", kChat, reply_of(read_sample("chat-stream-usage-cached")));
  EXPECT_EQ(decoded.deltas.back().usage->tokens[TokenKind::cached_read], Tokens(32));
  EXPECT_EQ(decoded.deltas.back().usage->tokens[TokenKind::prompt], Tokens(1));
}

}  // namespace
}  // namespace hanse::engines
