#include "adapters/engines/reply_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "adapters/engines/usage_reader.h"
#include "base/json_cursor.h"

namespace hanse::engines {
namespace {

using answer::Delta;
using answer::Dialect;
using answer::Edit;
using answer::Part;

struct Reading {
  ReplyFound found;
  Delta delta;
  ErrorWords words;
};

Reading read(std::string_view json, ReplyShape shape = ReplyShape::event, std::uint32_t which = 0,
             Dialect dialect = Dialect::chat) {
  Reading out;
  out.found =
      read_reply(json, {*find_engine("llama.cpp"), dialect, shape, which}, out.delta, out.words);
  return out;
}

// The event with its edits done: <id>, <model>, <created> in place, the role
// and what is unwanted gone.
std::string edited(const Delta& delta) {
  std::string out;
  std::size_t at = 0;
  for (const Edit& edit : delta.edits) {
    EXPECT_GE(edit.range.begin, at) << "edits overlap or are out of order";
    out += delta.json.substr(at, edit.range.begin - at);
    at = edit.range.end;
    if (edit.part == Part::id) out += "<id>";
    if (edit.part == Part::model) out += "<model>";
    if (edit.part == Part::created) out += "<created>";
  }
  return out + std::string(delta.json.substr(at));
}

struct EditRow {
  std::string_view json;
  std::string_view edited;
};

TEST(ReplyReader, EditsWhatIsTheGateways) {
  for (const EditRow& row : {
           EditRow{R"({"id":"a","created":1,"model":"m","choices":[]})",
                   R"({"id":<id>,"created":<created>,"model":<model>,"choices":[]})"},
           EditRow{R"({"choices":[],"usage":null,"x":1})", R"({"choices":[],"x":1})"},
           EditRow{R"({"usage":null,"choices":[]})", R"({"choices":[]})"},
           EditRow{R"({ "usage" : null , "timings":{"a":[1,2]}, "choices":[]})",
                   R"({ "choices":[]})"},
           EditRow{R"({"choices":[], "usage":{"prompt_tokens":1} , "timings":{}})",
                   R"({"choices":[]})"},
           EditRow{R"({"timings":{},"a":1,"usage":null,"choices":[],"hanse":{}})",
                   R"({"a":1,"choices":[]})"},
           EditRow{R"({"choices":[{"delta":{"role":"assistant","content":"x"}}]})",
                   R"({"choices":[{"delta":{"content":"x"}}]})"},
           EditRow{R"({"choices":[{"delta":{"content":"x","role":"assistant"}}]})",
                   R"({"choices":[{"delta":{"content":"x"}}]})"},
           EditRow{R"({"choices":[{"delta":{"role":"assistant"}}]})",
                   R"({"choices":[{"delta":{}}]})"},
           EditRow{R"({"i\u0064":"a","choices":[]})", R"({"i\u0064":<id>,"choices":[]})"},
       }) {
    const Reading reading = read(row.json);
    ASSERT_EQ(reading.found.kind, ReplyKind::answer) << row.json << reading.found.why;
    EXPECT_EQ(edited(reading.delta), row.edited);
  }
}

TEST(ReplyReader, EachChoiceOfSeveralStandsAlone) {
  constexpr std::string_view kThree =
      R"({"choices":[ {"index":0,"delta":{"content":"a"}} , {"index":1,"delta":{"content":"b"}},)"
      R"({"index":2,"delta":{"role":"assistant","content":"c"}} ],"usage":null,"id":1})";
  EXPECT_EQ(edited(read(kThree, ReplyShape::event, 0).delta),
            R"({"choices":[ {"index":0,"delta":{"content":"a"}}],"id":<id>})");
  EXPECT_EQ(edited(read(kThree, ReplyShape::event, 1).delta),
            R"({"choices":[{"index":1,"delta":{"content":"b"}}],"id":<id>})");
  EXPECT_EQ(edited(read(kThree, ReplyShape::event, 2).delta),
            R"({"choices":[{"index":2,"delta":{"content":"c"}} ],"id":<id>})");
}

TEST(ReplyReader, AWholeReplyKeepsItsChoicesAndRoles) {
  const Reading reading =
      read(R"({"choices":[{"index":0,"message":{"role":"assistant","content":"a"}},)"
           R"({"index":1,"message":{"content":"b"}}],"usage":{"prompt_tokens":1,)"
           R"("completion_tokens":2},"timings":{}})",
           ReplyShape::whole, 1);
  EXPECT_EQ(reading.delta.text, "b");
  EXPECT_EQ(edited(reading.delta),
            R"({"choices":[{"index":0,"message":{"role":"assistant","content":"a"}},)"
            R"({"index":1,"message":{"content":"b"}}]})");
}

// What a reply says of its use stood beside what was billed, twice by one name.
TEST(ReplyReader, NoUsageOfAnEngineReachesTheClient) {
  constexpr std::string_view kChoices = R"("choices":[{"message":{"content":"a"}}])";
  for (const std::string_view usage :
       {"null", "{}", "[]", "0", R"({"prompt_tokens":-1,"completion_tokens":-1})",
        R"({"prompt_tokens":1,"completion_tokens":2})"}) {
    for (const std::string_view name : {"usage", "us\\u0061ge"}) {
      const std::string json = fmt::format("{{{},\"{}\":{}}}", kChoices, name, usage);
      EXPECT_EQ(edited(read(json, ReplyShape::whole).delta), fmt::format("{{{}}}", kChoices))
          << json;
    }
  }
}

TEST(ReplyReader, ReadsEveryPartOfADelta) {
  const Reading reading =
      read(R"({"system_fingerprint":"f","choices":[{"index":3,"delta":{"content":"t\n",)"
           R"("reasoning_content":"r","refusal":"no","tool_calls":[{"index":0}],)"
           R"("function_call":{"name":"f"}},"logprobs":{"content":[]},"finish_reason":"stop"}]})");
  const Delta& delta = reading.delta;
  EXPECT_EQ(delta.choice, 3U);
  EXPECT_EQ(delta.text, "t\\n");
  EXPECT_EQ(delta.reasoning, "r");
  EXPECT_EQ(delta.refusal, "no");
  EXPECT_EQ(delta.tool_calls, R"([{"index":0}])");
  EXPECT_EQ(delta.function_call, R"({"name":"f"})");
  EXPECT_EQ(delta.logprobs, R"({"content":[]})");
  EXPECT_EQ(delta.finish_value, "\"stop\"");
  EXPECT_EQ(delta.fingerprint, "\"f\"");
  EXPECT_TRUE(delta.vendor_part.empty());
}

TEST(ReplyReader, NullAndEmptyPartsAreNone) {
  const Reading reading =
      read(R"({"choices":[{"index":0,"delta":{"role":"assistant","content":null,"refusal":null,)"
           R"("tool_calls":[ ],"reasoning":"","function_call":{},"annotations":[],"x":null},)"
           R"("logprobs":null,"finish_reason":null}]})");
  EXPECT_FALSE(reading.delta.is_progress());
  EXPECT_TRUE(reading.delta.vendor_part.empty());
  EXPECT_TRUE(reading.delta.has_role);
  EXPECT_EQ(reading.delta.finish, answer::Finish::none);
}

TEST(ReplyReader, UnknownPartsOfADeltaAreAVendors) {
  for (const std::string_view part :
       {R"("audio":{"id":"x"})", R"("annotations":[1])", R"("content":[{"type":"text"}])"}) {
    EXPECT_EQ(
        read(R"({"choices":[{"index":0,"delta":{)" + std::string(part) + "}}]}").delta.vendor_part,
        part);
  }
}

TEST(ReplyReader, BrokenEventsAreMalformed) {
  for (const std::string_view json :
       {R"({"choices":[1]})", R"({"choices":{}})", R"({"choices":[{"index":-1}]})",
        R"({"choices":[{"index":"0"}]})", R"({"choices":[{"finish_reason":1}]})",
        R"({"id":"a","id":"b","choices":[]})", R"({"choices":[],"choices":[]})",
        R"({"choices":[]} x)", R"({"choices":[],"x":tru})", "[]", "1", "\"x\"",
        R"({"choices":[{"delta":1}]})"}) {
    EXPECT_EQ(read(json).found.kind, ReplyKind::malformed) << json;
  }
}

TEST(ReplyReader, ErrorsAreReadInEveryShape) {
  struct Row {
    std::string_view body;
    std::string_view message;
    std::string_view code;
  };
  for (const Row& row : {
           Row{R"({"error":{"message":"m","type":"t","code":"c","param":null}})", "m", "c"},
           Row{R"({"error":{"code":400,"message":"m"}})", "m", "400"},
           Row{R"({"error":"m"})", "m", ""},
           Row{R"({"object":"error","message":"m","code":404})", "m", "404"},
           Row{R"({"detail":"m"})", "m", ""},
           Row{R"({"message":"first","error":{"message":"m"}})", "m", ""},
       }) {
    ErrorWords words;
    EXPECT_TRUE(read_error_body(row.body, words)) << row.body;
    EXPECT_EQ(words.message, row.message);
    EXPECT_EQ(words.code, row.code);
  }
  ErrorWords words;
  for (const std::string_view body : {"", "oops", "[]", "{}", R"({"ok":1})", R"({"error":null})"}) {
    EXPECT_FALSE(read_error_body(body, words)) << body;
  }
}

struct UsageRow {
  std::string_view json;
  std::int64_t prompt, cached, written, output, reasoning;
  bool contradicted = false;
};

TEST(UsageReader, MakesTheKindsDisjoint) {
  for (const UsageRow& row : {
           UsageRow{R"({"prompt_tokens":10,"completion_tokens":5,"total_tokens":15})", 10, 0, 0, 5,
                    0},
           UsageRow{R"({"prompt_tokens":10,"completion_tokens":5,)"
                    R"("prompt_tokens_details":{"cached_tokens":4},)"
                    R"("completion_tokens_details":{"reasoning_tokens":3}})",
                    6, 4, 0, 2, 3},
           // DeepSeek.
           UsageRow{R"({"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":7})", 3,
                    7, 0, 5, 0},
           // xAI counts reasoning beside the completion.
           UsageRow{R"({"prompt_tokens":10,"completion_tokens":5,"total_tokens":18,)"
                    R"("completion_tokens_details":{"reasoning_tokens":3}})",
                    10, 0, 0, 5, 3},
           UsageRow{R"({"prompt_tokens":10,"completion_tokens":5,"total_tokens":99})", 10, 0, 0, 5,
                    0, true},
           UsageRow{R"({"prompt_tokens":3,"completion_tokens":5,)"
                    R"("prompt_tokens_details":{"cached_tokens":4}})",
                    0, 3, 0, 5, 0, true},
           UsageRow{R"({"prompt_tokens":1e30,"completion_tokens":5})", 0, 0, 0, 5, 0, true},
       }) {
    JsonCursor json(row.json);
    const auto report = read_usage(json);
    ASSERT_TRUE(report) << row.json;
    const Usage* const usage = &report->usage;
    EXPECT_EQ(usage->tokens[TokenKind::prompt].count(), row.prompt) << row.json;
    EXPECT_EQ(usage->tokens[TokenKind::cached_read].count(), row.cached) << row.json;
    EXPECT_EQ(usage->tokens[TokenKind::cache_write].count(), row.written) << row.json;
    EXPECT_EQ(usage->tokens[TokenKind::output].count(), row.output) << row.json;
    EXPECT_EQ(usage->tokens[TokenKind::reasoning].count(), row.reasoning) << row.json;
    EXPECT_EQ(usage->contradicted, row.contradicted) << row.json;
  }
}

// A side without a count was billed as no tokens at all.
TEST(UsageReader, SaysWhichSideIsLacking) {
  for (const std::string_view no_count : {"", "null", "\"5\"", "[]", "-3", "10.5", "1e30"}) {
    const auto member = [&](std::string_view name) {
      return no_count.empty() ? std::string() : fmt::format("\"{}\":{},", name, no_count);
    };
    const bool is_number = no_count.find_first_of("0123456789") == 0 || no_count == "-3";
    const std::string prompt =
        fmt::format(R"({{{}"completion_tokens":2}})", member("prompt_tokens"));
    JsonCursor no_prompt(prompt);
    const auto output_only = read_usage(no_prompt);
    ASSERT_TRUE(output_only) << prompt;
    EXPECT_TRUE(output_only->lacks_prompt && !output_only->lacks_output) << prompt;
    EXPECT_EQ(output_only->usage.tokens[TokenKind::output], Tokens(2));
    EXPECT_EQ(output_only->usage.contradicted, is_number) << prompt;

    const std::string output =
        fmt::format(R"({{{}"prompt_tokens":7,"total_tokens":9}})", member("completion_tokens"));
    JsonCursor no_output(output);
    const auto prompt_only = read_usage(no_output);
    ASSERT_TRUE(prompt_only) << output;
    EXPECT_TRUE(!prompt_only->lacks_prompt && prompt_only->lacks_output) << output;
    EXPECT_EQ(prompt_only->usage.tokens[TokenKind::prompt], Tokens(7));
    EXPECT_EQ(prompt_only->usage.contradicted, is_number) << output;
  }
}

TEST(UsageReader, NullAndNoNumbersAreNoReport) {
  for (const std::string_view json : {"null", "{}", "[]", "\"x\"", R"({"total_tokens":3})",
                                      R"({"prompt_tokens":-1,"completion_tokens":"5"})"}) {
    JsonCursor cursor(json);
    EXPECT_FALSE(read_usage(cursor)) << json;
    EXPECT_TRUE(cursor.at_end());
  }
}

}  // namespace
}  // namespace hanse::engines
