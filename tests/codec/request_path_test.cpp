// A client's request as it reaches an engine.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "adapters/api/request_codec.h"
#include "adapters/engines/engine.h"
#include "base/json_cursor.h"

namespace hanse {
namespace {

using answer::Dialect;
using nlohmann::json;

struct Sent {
  std::string path;
  std::string body;
  bool streamed = false;
  Status status;

  [[nodiscard]] json parsed() const { return json::parse(body); }
};

Sent send(std::string_view kind, std::string_view body, engines::Ask ask = {},
          Dialect dialect = Dialect::chat) {
  api::QuestionScratch scratch;
  const auto question = api::read_question(dialect, body, scratch);
  EXPECT_TRUE(question) << question.error().message;
  if (ask.upstream_model.empty()) ask.upstream_model = "upstream/m";
  engines::UpstreamRequest request;
  Sent sent;
  sent.status = engines::find_engine(kind)->write_request(*question, body, ask, request);
  sent.path = request.path;
  sent.body = request.body();
  sent.streamed = request.streamed;
  EXPECT_EQ(sent.body.size(), request.body_bytes());
  return sent;
}

std::string chat(std::string_view more = "") {
  return R"({"model":"alias","messages":[{"role":"user","content":"hi"}])" + std::string(more) +
         "}";
}

TEST(OpenAiRequests, ChangeOnlyTheModel) {
  const std::string body =
      "{ \"seed\" : 7,\n \"model\":\"alias\" , \"x\":{\"model\":1},\"messages\":[] }";
  const Sent sent = send("openai", body);
  EXPECT_EQ(sent.body,
            "{ \"seed\" : 7,\n \"model\":\"upstream/m\" , \"x\":{\"model\":1},\"messages\":[] }");
  EXPECT_EQ(sent.path, "/v1/chat/completions");
  EXPECT_FALSE(sent.streamed);
}

TEST(OpenAiRequests, StreamsAlwaysReportTheirUsage) {
  for (const std::string_view more :
       {R"(,"stream":true)", R"(,"stream":true,"stream_options":null)",
        R"(,"stream":true,"stream_options":{})", R"(,"stream_options":{"x":1},"stream":true)",
        R"(,"stream":true,"stream_options":{"include_usage":false})",
        R"(,"stream":true,"stream_options":{"include_usage":true})"}) {
    const Sent sent = send("openai", chat(more));
    EXPECT_TRUE(sent.streamed);
    EXPECT_EQ(sent.parsed()["stream"], true);
    EXPECT_EQ(sent.parsed()["stream_options"]["include_usage"], true) << more;
  }
}

TEST(OpenAiRequests, AskedUsageIsLeftAsItStands) {
  const std::string body =
      chat(R"(,"stream":true,"stream_options":{"include_usage":true,"vendor":1})");
  EXPECT_EQ(send("openai", body).parsed()["stream_options"]["vendor"], 1);
}

TEST(OpenAiRequests, TheOutputLimitIsSplicedUnderOneName) {
  const engines::Ask limited{.upstream_model = "m", .output_limit = Tokens(9)};
  for (const std::string_view more :
       {"", R"(,"max_tokens":3)", R"(,"max_tokens":null)", R"(,"max_completion_tokens":3)",
        R"(,"n_predict":3)", R"(,"max_tokens":-1)"}) {
    const json sent = send("openai", chat(more), limited).parsed();
    EXPECT_EQ(sent["max_tokens"], 9) << more;
    EXPECT_FALSE(sent.contains("n_predict") || sent.contains("max_completion_tokens"));
  }
  EXPECT_EQ(send("openai", chat(R"(,"max_completion_tokens":3)")).parsed()["max_tokens"], 3);
  EXPECT_FALSE(send("openai", chat()).parsed().contains("max_tokens"));
}

// --- One output limit ------------------------------------------------------

constexpr std::array<std::string_view, 3> kLimitNames = {"max_tokens", "max_completion_tokens",
                                                         "n_predict"};

// A body with `members` in this order, with or without blanks.
std::string body_of(const std::vector<std::string>& members, bool blanks) {
  std::string body = blanks ? "{ " : "{";
  for (const std::string& member : members) {
    if (body.find(':') != std::string::npos) body += blanks ? "\n ,\t" : ",";
    body += member;
  }
  return body + (blanks ? " }" : "}");
}

// The names of the outermost object, also those that come twice, with their
// values. (A parsed object would have forgotten the second one.)
std::vector<std::pair<std::string, std::string>> members_of(const std::string& body) {
  std::vector<std::pair<std::string, std::string>> found;
  JsonCursor cursor(body);
  EXPECT_EQ(cursor.peek(), JsonType::object);
  JsonObject object(cursor);
  for (JsonString name; object.next(name);) {
    cursor.peek();
    const std::size_t begin = cursor.offset();
    cursor.skip();
    found.emplace_back(name.raw, body.substr(begin, cursor.offset() - begin));
  }
  EXPECT_TRUE(cursor.at_end()) << body;
  return found;
}

// What leaves for a body whose limits are all but one null: one limit.
void expect_one_limit(std::string_view kind, const std::string& body, std::string_view limit,
                      const engines::Ask& ask) {
  const Sent sent = send(kind, body, ask);
  std::vector<std::pair<std::string, std::string>> limits;
  std::size_t others = 0;
  for (auto& member : members_of(sent.body)) {
    if (std::ranges::find(kLimitNames, member.first) != kLimitNames.end()) {
      limits.push_back(std::move(member));
    } else if (!member.first.starts_with("stream")) {
      ++others;
    }
  }
  ASSERT_EQ(limits.size(), 1U) << body << " -> " << sent.body;
  EXPECT_EQ(limits[0].first, "max_tokens") << body << " -> " << sent.body;
  EXPECT_EQ(limits[0].second, limit) << body << " -> " << sent.body;
  EXPECT_EQ(others, 3U) << body << " -> " << sent.body;
}

// `{"n_predict":7,"max_tokens":null}` left as 7 and null of one name, and
// llama.cpp believed the null: an answer without end, at our cost. Every mix of
// names and values, in every order, between every pair of other members.
TEST(Requests, OneOutputLimitLeavesWhateverTheClientNamed) {
  enum Value : std::uint8_t { absent, null, number };
  for (int mix = 0; mix < 27; ++mix) {
    const std::array<int, 3> values = {mix % 3, mix / 3 % 3, mix / 9};
    if (std::ranges::count(values, static_cast<int>(number)) > 1) continue;
    std::vector<std::string> members = {R"("messages":[])", R"("model":"m")", R"("x":",")"};
    for (std::size_t i = 0; i < 3; ++i) {
      if (values[i] == absent) continue;
      members.push_back(
          fmt::format("\"{}\": {}", kLimitNames[i], values[i] == null ? "null" : "7"));
    }
    const bool named = std::ranges::find(values, static_cast<int>(number)) != values.end();
    std::ranges::sort(members);
    do {
      for (const bool blanks : {false, true}) {
        const std::string body = body_of(members, blanks);
        for (const std::string_view kind : engines::engine_kinds()) {
          expect_one_limit(kind, body, "9", {.upstream_model = "m", .output_limit = Tokens(9)});
          if (named) expect_one_limit(kind, body, "7", {.upstream_model = "m"});
        }
      }
    } while (std::ranges::next_permutation(members).found);
  }
}

TEST(OpenAiRequests, ModelNamesAreEscaped) {
  const Sent sent = send("openai", chat(), {.upstream_model = "a\"b\\c"});
  EXPECT_EQ(sent.parsed()["model"], "a\"b\\c");
}

TEST(LlamaCppRequests, AreAlwaysForAStream) {
  for (const std::string_view more : {"", R"(,"stream":false)", R"(,"stream":null)",
                                      R"(,"stream":true)", R"(,"stream_options":null)"}) {
    const Sent sent = send("llama.cpp", chat(more));
    EXPECT_TRUE(sent.streamed);
    EXPECT_EQ(sent.parsed()["stream"], true) << more;
    EXPECT_EQ(sent.parsed()["stream_options"]["include_usage"], true) << more;
  }
}

TEST(LlamaCppRequests, ANamedToolIsTheOnlyOneAndRequired) {
  const json sent =
      send("llama.cpp", chat(R"(,"tools":[{"type":"function","function":{"name":"a"}},)"
                             R"({"type":"function","function":{"name":"b","x":[1]}}],)"
                             R"("tool_choice":{"type":"function","function":{"name":"b"}})"))
          .parsed();
  EXPECT_EQ(sent["tool_choice"], "required");
  ASSERT_EQ(sent["tools"].size(), 1U);
  EXPECT_EQ(sent["tools"][0]["function"]["name"], "b");
  EXPECT_EQ(sent["tools"][0]["function"]["x"][0], 1);
}

TEST(LlamaCppRequests, OtherToolChoicesAreLeft) {
  const std::string tools = R"(,"tools":[{"type":"function","function":{"name":"a"}}])";
  for (const std::string_view choice :
       {"\"auto\"", "\"none\"", "null", R"({"type":"function","function":{"name":"x"}})", "{}"}) {
    const json sent =
        send("llama.cpp", chat(tools + ",\"tool_choice\":" + std::string(choice))).parsed();
    EXPECT_EQ(sent["tool_choice"], json::parse(choice));
    EXPECT_EQ(sent["tools"].size(), 1U);
  }
}

TEST(Requests, ReuseTheirBuffers) {
  const std::string body = chat();
  api::QuestionScratch scratch;
  const auto question = api::read_question(Dialect::chat, body, scratch);
  engines::UpstreamRequest request;
  std::string first;
  for (int i = 0; i < 3; ++i) {
    const engines::Ask ask{.upstream_model = "m", .output_limit = Tokens(5)};
    ASSERT_TRUE(engines::find_engine("llama.cpp")->write_request(*question, body, ask, request));
    if (i == 0) first = request.body();
    EXPECT_EQ(request.body(), first);
  }
}

TEST(UpstreamHeaders, AreAnAllowList) {
  const auto headers = engines::upstream_headers(
      {.authorization = "Bearer site", .traceparent = "00-x", .streamed = true});
  std::string names;
  for (const auto& header : headers) names += std::string(header.name) + " ";
  EXPECT_EQ(names, "content-type accept accept-encoding user-agent authorization traceparent ");
  EXPECT_EQ(engines::upstream_headers({}).count, 4U);
}

TEST(Engines, AreFoundByKind) {
  EXPECT_EQ(engines::engine_kinds(),
            (std::vector<std::string_view>{"llama.cpp", "openai", "sglang", "vllm"}));
  EXPECT_EQ(engines::find_engine("vllm?"), nullptr);
}

}  // namespace
}  // namespace hanse
