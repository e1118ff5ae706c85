// An engine's reply as it reaches a client: decoded, judged, written.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "adapters/api/whole_writer.h"
#include "adapters/engines/testing/sample.h"
#include "client_stream.h"
#include "core/answer/answer.h"

namespace hanse {
namespace {

using answer::Dialect;
using engines::ResponseDecoder;
using engines::Step;
using engines::WholeReplies;
using engines::testing::cut;
using engines::testing::read_sample;
using engines::testing::Reply;
using engines::testing::Sample;
using nlohmann::json;
using testing::ClientStream;
using testing::ClientStreamReader;

const api::Accounting kAccounting{.request_id = "r-1",
                                  .site = "hamburg",
                                  .attempts = 2,
                                  .cost = Money(13'200),
                                  .currency = "EUR"};

api::ReplyIdentity identity(Dialect dialect) {
  return {.dialect = dialect, .request_id = "r-1", .alias = "al\"ias", .created_unix_seconds = 77};
}

struct Asked {
  Dialect dialect = Dialect::chat;
  std::int32_t choices = 1;
  std::int32_t prompts = 1;
  std::string_view kind = "llama.cpp";
};

// What serve does with a stream, without the sockets.
std::string stream_to_client(const Asked& asked, const Reply& reply) {
  const engines::DecoderOptions options{.dialect = asked.dialect};
  ResponseDecoder decoder(*engines::find_engine(asked.kind), options);
  answer::Answer answer(asked.dialect, asked.choices * asked.prompts, asked.prompts);
  const api::StreamWriter writer(identity(asked.dialect));
  std::string out;
  const Step end = engines::testing::drive(decoder, reply, [&](const answer::Delta& delta) {
    writer.write(delta, answer.take(delta), out);
  });
  if (end == Step::done) answer.engine_done();
  if (end == Step::failed || !answer.complete()) {
    const answer::FailureReport cut_off{.failure = answer::Failure::reset};
    writer.write_error(api::from_failure(end == Step::failed ? decoder.failure() : cut_off), out);
    return out;
  }
  answer.for_each_owed_finish(
      [&](std::uint32_t choice) { writer.write_owed_finish(choice, answer.owed_finish(), out); });
  writer.write_usage(answer.usage(Tokens(99)), kAccounting, out);
  writer.write_done(out);
  return out;
}

std::string whole_text_to_client(const Asked& asked, const Reply& reply) {
  const engines::DecoderOptions options{.dialect = asked.dialect,
                                        .whole_replies = WholeReplies::as_they_are};
  ResponseDecoder decoder(*engines::find_engine(asked.kind), options);
  answer::Answer answer(asked.dialect, asked.choices * asked.prompts, asked.prompts);
  api::WholeAssembler assembler(asked.dialect);
  std::string out;
  const Step end = engines::testing::drive(decoder, reply, [&](const answer::Delta& delta) {
    if (answer.take(delta).forward) assembler.add(delta);
  });
  EXPECT_EQ(end, Step::done);
  answer.engine_done();
  EXPECT_TRUE(answer.complete());
  const Usage usage = answer.usage(Tokens(99));
  if (decoder.whole_reply() != nullptr) {
    api::write_whole_reply(*decoder.whole_reply(), identity(asked.dialect), usage, kAccounting,
                           out);
  } else {
    assembler.write(identity(asked.dialect), usage, kAccounting, out);
  }
  return out;
}

json whole_to_client(const Asked& asked, const Reply& reply) {
  return json::parse(whole_text_to_client(asked, reply));
}

Reply reply_of(const Sample& sample) {
  return {.status = sample.status, .content_type = sample.content_type, .reads = {sample.body}};
}

ClientStream read(const Asked& asked, const Reply& reply) {
  return ClientStreamReader(asked.dialect == Dialect::chat).read(stream_to_client(asked, reply));
}

struct StreamRow {
  std::string_view sample;
  Asked asked;
  std::string_view text;
  std::string_view finish;
};
const StreamRow kStreams[] = {
    {"chat-stream", {}, "Hello there!", "length"},
    {"chat-stream-usage", {}, "Hello there!", "length"},
    {"chat-stream-usage-cached", {}, "Hello there!", "length"},
    {"chat-stream-progress", {}, "Hello there!", "length"},
    {"chat-stream-logprobs", {}, "Hello there", "length"},
    {"chat-stream-without-role", {}, "\xF0\x9F\x99\x82", "stop"},
    {"chat-stream-two-choices", {.choices = 2}, "Hello there!", "length"},
    {"chat-stream-tools", {}, "", "tool_calls"},
    {"chat-whole", {}, "Hello there!", "length"},
    {"chat-whole-two-choices", {.choices = 2}, "Hello there!", "length"},
    {"text-stream", {.dialect = Dialect::completion}, " of the sea", "length"},
    {"text-stream-two-prompts",
     {.dialect = Dialect::completion, .prompts = 2},
     " of the sea",
     "length"},
};

TEST(StreamsToClients, KeepTheGrammarAndTheText) {
  for (const StreamRow& row : kStreams) {
    const ClientStream stream = read(row.asked, reply_of(read_sample(row.sample)));
    EXPECT_EQ(stream.breach, "") << row.sample;
    EXPECT_TRUE(stream.done) << row.sample;
    EXPECT_FALSE(stream.error) << row.sample;
    EXPECT_EQ(stream.model, "al\"ias");
    EXPECT_EQ(stream.id, row.asked.dialect == Dialect::chat ? "chatcmpl-r-1" : "cmpl-r-1");
    EXPECT_EQ(stream.choices.size(),
              static_cast<std::size_t>(row.asked.choices * row.asked.prompts));
    EXPECT_EQ(stream.choices.at(0).text, row.text) << row.sample;
    EXPECT_EQ(stream.choices.at(0).finish, row.finish) << row.sample;
    ASSERT_TRUE(stream.usage_chunk) << row.sample;
    EXPECT_EQ((*stream.usage_chunk)["hanse"]["cost"],
              (json{{"amount", "0.0000132"}, {"currency", "EUR"}}));
    EXPECT_EQ((*stream.usage_chunk)["hanse"]["site"], "hamburg");
  }
}

TEST(StreamsToClients, EnginesPrivateTalkStaysBehind) {
  for (const std::string_view sample : {"chat-stream-progress", "chat-stream-usage"}) {
    const std::string out = stream_to_client({}, reply_of(read_sample(sample)));
    EXPECT_FALSE(out.contains("timings") || out.contains("prompt_progress")) << sample;
  }
}

TEST(StreamsToClients, ToolCallsArriveWhole) {
  const ClientStream stream = read({}, reply_of(read_sample("chat-stream-tools")));
  EXPECT_EQ(stream.choices.at(0).arguments.at(0), R"({"city": "Paris"})");
}

TEST(StreamsToClients, UsageOfTwoChoicesAddsUp) {
  const ClientStream stream =
      read({.choices = 2}, reply_of(read_sample("chat-stream-two-choices")));
  EXPECT_EQ((*stream.usage_chunk)["usage"]["prompt_tokens"], 33);
  EXPECT_EQ((*stream.usage_chunk)["usage"]["completion_tokens"], 6);
  EXPECT_EQ((*stream.usage_chunk)["usage"]["prompt_tokens_details"]["cached_tokens"], 32);
}

TEST(StreamsToClients, MissingUsageIsCountedAndMarked) {
  const ClientStream stream = read({}, reply_of(read_sample("chat-stream")));
  EXPECT_EQ((*stream.usage_chunk)["usage"]["completion_tokens"], 3);
  EXPECT_EQ((*stream.usage_chunk)["usage"]["prompt_tokens"], 99);
  EXPECT_EQ((*stream.usage_chunk)["hanse"]["estimated"], true);
}

std::string event(std::string_view body) { return "data: " + std::string(body) + "\n\n"; }

ClientStream read_events(std::vector<std::string> events, Asked asked = {.kind = "openai"}) {
  return read(asked, {.reads = std::move(events)});
}

// Engines that never say who they are, repeat the role, or send usage anywhere.
TEST(StreamsToClients, EnginesHabitsAreEvenedOut) {
  const ClientStream stream = read_events({
      event(R"({"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]})"),
      event(R"({"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5},"choices":)"
            R"([{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":null}]})"),
      event(R"({"choices":[{"index":0,"delta":{"content":"b","role":"assistant"},)"
            R"("finish_reason":null}],"usage":null})"),
      event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})"),
      event(R"({"choices":[{"index":0,"delta":{"content":"late"},"finish_reason":null}]})"),
      event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"length"}]})"),
  });
  EXPECT_EQ(stream.breach, "");
  EXPECT_TRUE(stream.done);
  EXPECT_EQ(stream.id, "chatcmpl-r-1");
  EXPECT_EQ(stream.choices.at(0).text, "ab");
  EXPECT_EQ(stream.choices.at(0).finish, "stop");
  EXPECT_EQ((*stream.usage_chunk)["usage"]["total_tokens"], 5);
}

TEST(StreamsToClients, SeveralChoicesInOneEventAreToldApart) {
  const ClientStream stream = read_events(
      {event(R"({"id":"x","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"},)"
             R"({"index":1,"delta":{"content":"b"},"finish_reason":"length"}],"model":"m"})")},
      {.choices = 2, .kind = "openai"});
  EXPECT_EQ(stream.breach, "");
  EXPECT_EQ(stream.choices.at(0).text, "a");
  EXPECT_EQ(stream.choices.at(1).finish, "length");
  EXPECT_TRUE(stream.done);
}

TEST(StreamsToClients, AnOwedFinishIsPaid) {
  const ClientStream stream = read_events(
      {event(R"({"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]})"),
       "data: [DONE]\n\n"});
  EXPECT_EQ(stream.breach, "");
  EXPECT_EQ(stream.choices.at(0).finish, "stop");
  EXPECT_TRUE(stream.done);
}

TEST(StreamsToClients, TheTextMayHoldAnything) {
  const std::string text = R"(data: [DONE]\n\n\"id\":\"x\" \\ \u0000 \ud83d\ude42 中)";
  const ClientStream stream = read_events({event(R"({"choices":[{"index":0,"delta":{"content":")" +
                                                 text + R"("},"finish_reason":"stop"}]})")});
  EXPECT_EQ(stream.breach, "");
  EXPECT_EQ(json(stream.choices.at(0).text), json::parse("\"" + text + "\""));
}

TEST(StreamsToClients, ABreakIsAnErrorWithoutDone) {
  const std::string first =
      event(R"({"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]})");
  for (const std::string& then :
       {std::string(), event("{bad"), event(R"({"error":{"message":"10.0.0.7 died"}})"),
        std::string("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}]}"),
        event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"abort"}]})")}) {
    const ClientStream stream = read_events({first, then});
    EXPECT_EQ(stream.breach, "");
    EXPECT_FALSE(stream.done);
    ASSERT_TRUE(stream.error) << then;
    EXPECT_EQ((*stream.error)["type"], "upstream_error");
    EXPECT_EQ(stream.error->dump().find("10.0.0.7"), std::string::npos);
    EXPECT_EQ(stream.choices.at(0).text, "a");
  }
}

// Whatever an engine sends, in whatever pieces, what a client gets keeps the
// grammar, and a clean end is given only to a complete answer.
RC_GTEST_PROP(StreamsToClients, KeepTheGrammarWhateverComes, ()) {
  std::string body;
  const int events = *rc::gen::inRange(0, 12);
  for (int i = 0; i < events; ++i) {
    body += *rc::gen::element<std::string>(
        event(R"({"id":"x","model":"m","choices":[{"index":0,"delta":{"role":"assistant"}}]})"),
        event(R"({"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]})"),
        event(R"({"choices":[{"finish_reason":null,"delta":{"content":"b"},"index":1}]})"),
        event(
            R"({"choices":[{"index":0,"delta":{"role":"assistant","content":"c"},)"
            R"("finish_reason":null},{"index":1,"delta":{"content":"d"},"finish_reason":"stop"}]})"),
        event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"timings":{}})"),
        event(R"({"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}})"),
        event(R"({"usage":null,"prompt_progress":1,"choices":[{"index":0,"delta":)"
              R"({"reasoning_content":"r"},"finish_reason":null}]})"),
        event(R"({"error":{"message":"x"}})"), event("[DONE]"), event("null"), ": ping\n\n",
        "data: {\n\n", "id: 1\n", "\r\n", "data: half");
  }
  Asked asked{.choices = *rc::gen::element(1, 2), .kind = *rc::gen::element("openai", "llama.cpp")};
  auto places = *rc::gen::container<std::vector<std::size_t>>(
      rc::gen::inRange<std::size_t>(0, body.size() + 1));
  std::ranges::sort(places);
  const ClientStream whole = read(asked, {.reads = {body}});
  const ClientStream parts = read(asked, {.reads = cut(body, places)});
  RC_ASSERT(whole.breach == "");
  RC_ASSERT(whole.done != whole.error.has_value());
  RC_ASSERT(parts.breach == "");
  RC_ASSERT(parts.done == whole.done);
  RC_ASSERT(parts.choices.size() == whole.choices.size());
  for (const auto& [index, choice] : whole.choices) {
    RC_ASSERT(parts.choices.at(index).text == choice.text);
    RC_ASSERT(!whole.done || !choice.finish.empty());
  }
}

// --- Whole replies ---------------------------------------------------------

// Removes what is the gateway's own, and what it may rightly differ in.
json without_identity(json reply) {
  for (const char* name : {"id", "created", "model", "timings", "hanse"}) reply.erase(name);
  reply["usage"].erase("completion_tokens_details");
  for (json& choice : reply["choices"]) {
    if (choice.contains("logprobs") && choice["logprobs"].is_null()) choice.erase("logprobs");
    if (!choice.contains("message")) continue;
    json& message = choice["message"];
    // Nullable fields are missing in llama.cpp's replies and present in OpenAI's.
    if (message.contains("refusal") && message["refusal"].is_null()) message.erase("refusal");
    // NOLINTNEXTLINE(readability-container-size-empty): of JSON, an empty text is not empty()
    if (message["content"] == "") message["content"] = nullptr;
    if (message.contains("tool_calls")) {
      for (json& call : message["tool_calls"]) call.erase("id");
    }
  }
  return reply;
}

struct WholeRow {
  std::string_view stream;
  std::string_view whole;
  Asked asked;
};

TEST(WholeReplies, PutTogetherAreWhatTheEngineWouldHaveSaid) {
  for (const WholeRow& row :
       {WholeRow{"chat-stream-usage-cached", "chat-whole", {}},
        WholeRow{"chat-stream-tools", "chat-whole-tools", {}},
        WholeRow{"text-stream", "text-whole", {.dialect = Dialect::completion}}}) {
    const json assembled =
        without_identity(whole_to_client(row.asked, reply_of(read_sample(row.stream))));
    json said = without_identity(json::parse(read_sample(row.whole).body));
    // The prompt was in the cache for one of the two.
    const auto uncache = [](json reply) {
      reply["usage"].erase("prompt_tokens_details");
      return reply;
    };
    EXPECT_EQ(uncache(assembled), uncache(said)) << row.stream;
  }
}

TEST(WholeReplies, OfSeveralChoicesBillThemAll) {
  const json reply =
      whole_to_client({.choices = 2}, reply_of(read_sample("chat-stream-two-choices")));
  ASSERT_EQ(reply["choices"].size(), 2U);
  EXPECT_EQ(reply["choices"][0]["index"], 0);
  EXPECT_EQ(reply["choices"][1]["message"]["content"], "Hello there!");
  EXPECT_EQ(reply["usage"]["completion_tokens"], 6);
}

TEST(WholeReplies, LogprobsAreMerged) {
  const json reply = whole_to_client({}, reply_of(read_sample("chat-stream-logprobs")));
  const json content = reply["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 2U);
  EXPECT_EQ(content[1]["token"], " there");
}

TEST(WholeReplies, OfAnEngineAreSplicedAndNotWrittenAnew) {
  const Sample sample = read_sample("chat-whole-schema");
  const json reply = whole_to_client({.kind = "llama.cpp"}, reply_of(sample));
  json expected = json::parse(sample.body);
  EXPECT_EQ(reply["id"], "chatcmpl-r-1");
  EXPECT_EQ(reply["model"], "al\"ias");
  EXPECT_EQ(reply["created"], 77);
  EXPECT_EQ(reply["choices"], expected["choices"]);
  expected["usage"]["completion_tokens_details"] = {{"reasoning_tokens", 0}};
  EXPECT_EQ(reply["usage"], expected["usage"]);
  EXPECT_FALSE(reply.contains("timings"));
  EXPECT_EQ(reply["hanse"]["request_id"], "r-1");
  EXPECT_EQ(reply["hanse"]["attempts"], 2);
}

// Whatever a site writes for its usage, the client reads one, and it is what is
// billed; in the shape in which streams have it.
TEST(WholeReplies, SayTheUsageThatIsBilledAndOnlyOnce) {
  struct Row {
    std::string_view usage;
    int prompt, output;
    bool estimated = false, contradicted = false;
  };
  for (const Row& row : {Row{"null", 99, 1, true}, Row{"{}", 99, 1, true}, Row{"[]", 99, 1, true},
                         Row{R"({"prompt_tokens":-1,"completion_tokens":-1})", 99, 1, true},
                         Row{R"({"completion_tokens":2})", 99, 2, true},
                         Row{R"({"prompt_tokens":7,"completion_tokens":"5"})", 7, 1, true},
                         Row{R"({"prompt_tokens":10.5,"completion_tokens":2})", 99, 2, true, true},
                         Row{R"({"prompt_tokens":7,"completion_tokens":2,"total_tokens":14,)"
                             R"("completion_tokens_details":{"reasoning_tokens":5},"vendor":1})",
                             7, 7}}) {
    const std::string body =
        R"({"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},)"
        R"("finish_reason":"stop"}],"usage":)" +
        std::string(row.usage) + "}";
    const std::string text = whole_text_to_client(
        {.kind = "openai"}, {.content_type = "application/json", .reads = {body}});
    EXPECT_EQ(text.find("\"usage\""), text.rfind("\"usage\"")) << text;
    const json reply = json::parse(text);
    EXPECT_EQ(reply["usage"]["prompt_tokens"], row.prompt) << row.usage;
    EXPECT_EQ(reply["usage"]["completion_tokens"], row.output) << row.usage;
    EXPECT_EQ(reply["usage"]["total_tokens"], row.prompt + row.output) << row.usage;
    EXPECT_FALSE(reply["usage"].contains("vendor"));
    EXPECT_EQ(reply["hanse"].contains("estimated"), row.estimated) << row.usage;
    EXPECT_EQ(reply["hanse"].contains("contradicted"), row.contradicted) << row.usage;
  }
}

TEST(WholeReplies, WithoutUsageGetAnEstimate) {
  const json reply = whole_to_client(
      {.kind = "openai"},
      {.content_type = "application/json",
       .reads = {R"({"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},)"
                 R"("finish_reason":"stop"}]} )"}});
  EXPECT_EQ(reply["usage"]["prompt_tokens"], 99);
  EXPECT_EQ(reply["hanse"]["estimated"], true);
  EXPECT_EQ(reply["id"], "chatcmpl-r-1");
}

TEST(WholeReplies, MergeEveryKindOfPart) {
  const auto delta = [](std::string_view part) {
    return event(R"({"choices":[{"index":0,"delta":)" + std::string(part) +
                 R"(,"finish_reason":null}],"system_fingerprint":"f"})");
  };
  const json reply = whole_to_client(
      {.kind = "openai"},
      {.reads = {delta(R"({"reasoning_content":"think"})"), delta(R"({"reasoning_content":"ing"})"),
                 delta(R"({"refusal":"no"})"),
                 delta(R"({"tool_calls":[{"index":1,"id":"b","type":"function","x":1,)"
                       R"("function":{"name":"g","arguments":"{"}},{"index":0,"id":"a",)"
                       R"("function":{"name":"f","arguments":""}}]})"),
                 delta(R"({"tool_calls":[{"index":1,"id":"b","function":{"arguments":"}"}}]})"),
                 event(R"({"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]})"),
                 "data: [DONE]\n\n"}});
  const json message = reply["choices"][0]["message"];
  EXPECT_EQ(message["reasoning_content"], "thinking");
  EXPECT_EQ(message["refusal"], "no");
  EXPECT_TRUE(message["content"].is_null());
  EXPECT_EQ(message["tool_calls"][0]["id"], "a");
  EXPECT_EQ(message["tool_calls"][0]["type"], "function");
  EXPECT_EQ(message["tool_calls"][1]["function"]["arguments"], "{}");
  EXPECT_EQ(message["tool_calls"][1]["x"], 1);
  EXPECT_EQ(reply["system_fingerprint"], "f");
  EXPECT_EQ(reply["choices"][0]["finish_reason"], "tool_calls");
}

}  // namespace
}  // namespace hanse
