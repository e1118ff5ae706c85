// What every kind of engine must keep, run over all that are linked: a new
// file in kinds/ is tested without an edit here.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "adapters/api/request_codec.h"
#include "adapters/engines/engine.h"
#include "adapters/engines/testing/sample.h"

namespace hanse {
namespace {

using answer::Dialect;
using answer::Failure;
using nlohmann::json;

class EngineConformance : public ::testing::TestWithParam<std::string_view> {
 protected:
  const engines::Engine& engine() const { return *engines::find_engine(GetParam()); }

  json sent(std::string_view body, Dialect dialect, bool* streamed = nullptr) const {
    api::QuestionScratch scratch;
    const auto question = api::read_question(dialect, body, scratch);
    EXPECT_TRUE(question);
    engines::UpstreamRequest request;
    EXPECT_TRUE(engine().write_request(
        *question, body, {.upstream_model = "up", .output_limit = Tokens(11)}, request));
    if (streamed != nullptr) *streamed = request.streamed;
    EXPECT_TRUE(request.path.starts_with("/"));
    return json::parse(request.body());
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, EngineConformance, ::testing::ValuesIn(engines::engine_kinds()),
                         [](const auto& kind) {
                           std::string name(kind.param);
                           std::ranges::replace(name, '.', '_');
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST_P(EngineConformance, SaysWhatItIs) {
  EXPECT_EQ(engine().kind(), GetParam());
  EXPECT_GT(engine().capabilities().idle_close, seconds(0));
  EXPECT_TRUE(engine().capabilities().health_path.starts_with("/"));
}

// Billing rests on the report, whatever the client wants to see.
TEST_P(EngineConformance, AStreamIsAskedForItsUsage) {
  for (const std::string_view more : {R"("stream":true)", R"("stream":true,"stream_options":{})"}) {
    bool streamed = false;
    const json chat =
        sent(R"({"model":"a","messages":[],)" + std::string(more) + "}", Dialect::chat, &streamed);
    EXPECT_TRUE(streamed);
    EXPECT_EQ(chat["stream_options"]["include_usage"], true);
  }
}

TEST_P(EngineConformance, TheBoundOfTheHoldReachesTheEngine) {
  for (const std::string_view limit : {R"("x":0)", R"("max_tokens":99)", R"("n_predict":-1)",
                                       R"("max_completion_tokens":99)", R"("max_tokens":null)"}) {
    const json chat =
        sent(R"({"model":"a","messages":[],)" + std::string(limit) + "}", Dialect::chat);
    EXPECT_EQ(chat["max_tokens"], 11) << limit;
    EXPECT_EQ(chat["model"], "up");
    for (const char* other : {"n_predict", "max_completion_tokens"}) {
      EXPECT_FALSE(chat.contains(other)) << limit;
    }
  }
}

TEST_P(EngineConformance, WhatItDoesNotChangePassesUntouched) {
  const std::string vendor =
      R"("seed":7,"x":{"y":[1.50,"\u00e9",null]},"tools":[{"type":"function"}],"tool_choice":"auto")";
  const json chat = sent(
      R"({"model":"a","messages":[{"role":"user","content":"hi"}],)" + vendor + "}", Dialect::chat);
  const json expected = json::parse("{" + vendor + "}");
  for (const auto& [name, value] : expected.items()) EXPECT_EQ(chat[name], value) << name;
  EXPECT_EQ(chat["messages"][0]["content"], "hi");
  EXPECT_EQ(sent(R"({"model":"a","prompt":["x","y"]})", Dialect::completion)["prompt"].size(), 2U);
}

TEST_P(EngineConformance, StatusesMeanTheSameEverywhere) {
  struct Row {
    std::int32_t status;
    Failure failure;
  };
  for (const Row& row : {Row{400, Failure::client_request}, Row{401, Failure::credentials},
                         Row{403, Failure::credentials}, Row{404, Failure::model_missing},
                         Row{429, Failure::rate_limited}, Row{500, Failure::server_error},
                         Row{502, Failure::server_error}, Row{503, Failure::overloaded},
                         Row{504, Failure::server_error}, Row{529, Failure::overloaded}}) {
    EXPECT_EQ(engine().classify({.http_status = row.status, .message = "x"}).failure, row.failure)
        << row.status;
  }
}

TEST_P(EngineConformance, OnlyTheClientsMistakesAreShown) {
  for (std::int32_t status = 400; status < 600; ++status) {
    const auto report =
        engine().classify({.http_status = status, .message = "host 10.0.0.7", .code = "12"});
    EXPECT_NE(report.failure, Failure::none);
    if (answer::fault_of(report.failure) != Fault::client) {
      EXPECT_EQ(report.client_message, "") << status;
    }
  }
}

TEST_P(EngineConformance, NothingOfOpenAisIsPrivate) {
  for (const std::string_view name : {"id", "object", "created", "model", "choices", "usage",
                                      "system_fingerprint", "service_tier", "error"}) {
    EXPECT_FALSE(engine().is_private_member(name)) << name;
  }
}

TEST_P(EngineConformance, AStreamAndAWholeReplyAreBothUnderstood) {
  for (const std::string_view sample : {"chat-stream-usage", "chat-whole"}) {
    const auto reply = engines::testing::read_sample(sample);
    const auto decoded = engines::testing::decode(
        GetParam(), {},
        {.status = reply.status, .content_type = reply.content_type, .reads = {reply.body}});
    EXPECT_EQ(decoded.end, engines::Step::done);
    EXPECT_EQ(decoded.text(), "Hello there!");
    EXPECT_TRUE(decoded.deltas.back().usage.has_value());
  }
}

}  // namespace
}  // namespace hanse
