#include "base/json_cursor.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <simdjson.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace hanse {
namespace {

using nlohmann::json;

bool is_valid(std::string_view text, JsonRules rules = {}) {
  JsonCursor cursor(text, rules);
  return cursor.skip() && cursor.at_end();
}

JsonError error_of(std::string_view text) {
  JsonCursor cursor(text);
  if (cursor.skip()) cursor.at_end();
  return cursor.error();
}

bool is_valid_to_simdjson(const std::string& text) {
  simdjson::dom::parser parser;
  return parser.parse(text).error() == simdjson::SUCCESS;
}

TEST(JsonCursor, TakesWhatTheStandardTakes) {
  for (const std::string_view text : {"{}",
                                      "[]",
                                      "0",
                                      "-0",
                                      "1.5e-7",
                                      "1E+9",
                                      "\"\"",
                                      "true",
                                      "false",
                                      "null",
                                      " [ 1 , 2 ] ",
                                      "{\"a\":{\"b\":[{}]}}",
                                      "\t\r\n{ \"a\" : null }\n",
                                      R"("\"\\\/\b\f\n\r\t\u00e9")",
                                      R"("\ud83d\ude42")",
                                      "\"\xF0\x9F\x99\x82\"",
                                      "\"\xC2\x80\"",
                                      "\"\xEF\xBF\xBF\"",
                                      "\"\x7F\"",
                                      "[[],[],{}]",
                                      "[0,-1,10]",
                                      "{\"\":0}"}) {
    EXPECT_TRUE(is_valid(text)) << text;
  }
}

TEST(JsonCursor, RefusesWhatTheStandardRefuses) {
  for (const std::string_view text : {"",
                                      " ",
                                      "{",
                                      "}",
                                      "[",
                                      "]",
                                      "[1,]",
                                      "[,1]",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{'a':1}",
                                      "[1 2]",
                                      "{\"a\" 1}",
                                      "{\"a\":1 \"b\":2}",
                                      "01",
                                      "-",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "1e+",
                                      "+1",
                                      "0x1",
                                      "NaN",
                                      "Infinity",
                                      "tru",
                                      "nul",
                                      "True",
                                      "\"",
                                      "\"a",
                                      "\"\\\"",
                                      R"("\x")",
                                      R"("\u12")",
                                      R"("\u12g4")",
                                      R"("\ud83d")",
                                      R"("\ude42")",
                                      R"("\ud83d\u0041")",
                                      "\"\n\"",
                                      "\"\x1F\"",
                                      "1 2",
                                      "{} {}",
                                      "[]]",
                                      "// c\n1",
                                      "[1}",
                                      "{\"a\":1]",
                                      "\xEF\xBB\xBF{}",
                                      "-a",
                                      "[\"a\",\"b\"",
                                      "1.5.5"}) {
    EXPECT_FALSE(is_valid(text)) << text;
  }
  EXPECT_FALSE(is_valid(std::string_view("\"a\0b\"", 5)));
  EXPECT_FALSE(is_valid(std::string_view("1\0", 2)));
}

// Table 3-7 of The Unicode Standard, each bound from both sides.
TEST(JsonCursor, RefusesBytesThatAreNotUtf8) {
  for (const std::string_view bytes :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF", "\xE0\xA0",
        "\xED\xA0\x80", "\xED\xBF\xBF", "\xEF\xBF", "\xF0\x8F\xBF\xBF", "\xF0\x90\x80",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xFE", "\xE2\x28\xA1",
        "\xF0\x28\x8C\xBC"}) {
    const std::string text = "\"" + std::string(bytes) + "\"";
    EXPECT_FALSE(is_valid(text));
    EXPECT_FALSE(is_valid("{" + text + ":1}"));
  }
  for (const std::string_view bytes : {"\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF",
                                       "\xEE\x80\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_valid("\"" + std::string(bytes) + "\""));
  }
}

TEST(JsonCursor, BoundsTheDepthWithoutUsingTheStack) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(is_valid(nested(256)));
  EXPECT_FALSE(is_valid(nested(257)));
  EXPECT_FALSE(is_valid(nested(50'000)));
  EXPECT_FALSE(is_valid(std::string(50'000, '[')));
  std::string objects;
  for (int i = 0; i < 300; ++i) objects += "{\"a\":";
  EXPECT_EQ(error_of(objects).what, "the nesting is too deep");
  EXPECT_TRUE(is_valid("[[1]]", {.depth_max = 2}));
  EXPECT_FALSE(is_valid("[[[1]]]", {.depth_max = 2}));
}

// Depth counts what is open, not what was ever opened.
TEST(JsonCursor, ManySiblingsAreNotDeep) {
  std::string text = "[";
  for (int i = 0; i < 10'000; ++i) text += "{\"a\":[]},";
  text.back() = ']';
  EXPECT_TRUE(is_valid(text));
}

TEST(JsonCursor, ErrorsNameTheirPlace) {
  const std::string_view text = "{\n  \"a\": 1,\n  \"b\": tru\n}";
  const JsonError error = error_of(text);
  const JsonPlace place = json_place(text, error.offset);
  EXPECT_EQ(place.line, 3U);
  EXPECT_EQ(place.column, 8U);
  EXPECT_EQ(error_of("{\"a\" 1}").offset, 5U);
  EXPECT_EQ(error_of("[1,2").offset, 4U);
}

TEST(JsonCursor, TheFirstErrorSticks) {
  JsonCursor json("[tru, 1]");
  JsonArray array(json);
  ASSERT_TRUE(array.next());
  EXPECT_FALSE(json.skip());
  EXPECT_FALSE(array.next());
  EXPECT_FALSE(json.fail("something else"));
  EXPECT_EQ(json.error().offset, 1U);
  EXPECT_EQ(json.error().what, "a value was expected");
}

TEST(JsonCursor, WalksMembersInOrder) {
  JsonCursor json(R"({"a":1,"b":[true,null],"c":"x"})");
  std::string seen;
  JsonObject object(json);
  for (JsonString name; object.next(name);) {
    json.peek();
    const std::uint32_t begin = json.offset();
    json.skip();
    seen += std::string(name.raw) + "@" + std::to_string(begin) + "-" +
            std::to_string(json.offset()) + " ";
  }
  EXPECT_TRUE(json.at_end());
  EXPECT_EQ(seen, "a@5-6 b@11-22 c@27-30 ");
}

// An escaped name is the same name: a gateway that overlooks it would read
// another request than the engine does.
TEST(JsonCursor, EscapedNamesAreRecognised) {
  JsonCursor json(R"({"mod\u0065l":"\u0078"})");
  JsonObject object(json);
  JsonString name;
  ASSERT_TRUE(object.next(name));
  EXPECT_TRUE(name.says("model"));
  EXPECT_FALSE(name.says("mode"));
  EXPECT_FALSE(name.says("models"));
  JsonString value;
  ASSERT_TRUE(json.read_string(value));
  EXPECT_TRUE(value.says("x"));
}

TEST(JsonCursor, LoneSurrogatesPassOnlyWhereAllowed) {
  for (const std::string_view text : {R"("\ud83d")", R"("\ude42")", R"("\ud83d\ud83d")"}) {
    EXPECT_FALSE(is_valid(text));
    EXPECT_TRUE(is_valid(text, {.lone_surrogates_allowed = true}));
  }
}

TEST(ToInteger, TakesWholeNumbersOf64Bits) {
  EXPECT_EQ(json_integer("0"), 0);
  EXPECT_EQ(json_integer("-7"), -7);
  EXPECT_EQ(json_integer("9223372036854775807"), INT64_MAX);
  for (const std::string_view text : {"9223372036854775808", "1.0", "1e3", "", "-", "1 "}) {
    EXPECT_EQ(json_integer(text), std::nullopt) << text;
  }
}

TEST(Escaping, MakesAnyBytesAJsonString) {
  std::string out;
  append_json_escaped("a\"b\\c\n\x01\xC3\xA9\xFF", out);
  EXPECT_EQ(out, "a\\\"b\\\\c\\n\\u0001\xC3\xA9\xEF\xBF\xBD");
}

TEST(Unescaping, PutsPairsTogether) {
  std::string out;
  append_json_unescaped(R"(a\n\u00e9\ud83d\ude42\/\ud83dx)", out);
  EXPECT_EQ(out, "a\n\xC3\xA9\xF0\x9F\x99\x82/\xEF\xBF\xBDx");
}

json some_json(int depth) {
  const int kind = *rc::gen::inRange(0, depth > 0 ? 8 : 6);
  switch (kind) {
    case 0: return nullptr;
    case 1: return *rc::gen::arbitrary<bool>();
    case 2: return *rc::gen::arbitrary<std::int64_t>();
    case 3: return *rc::gen::inRange(-1000, 1000) / 8.0;
    case 4: return *rc::gen::string<std::string>();
    case 5: return *rc::gen::container<std::string>(rc::gen::inRange<char>(' ', '~'));
    case 6: {
      json array = json::array();
      const int size = *rc::gen::inRange(0, 4);
      for (int i = 0; i < size; ++i) array.push_back(some_json(depth - 1));
      return array;
    }
    default: {
      json object = json::object();
      const int size = *rc::gen::inRange(0, 4);
      for (int i = 0; i < size; ++i) {
        object[*rc::gen::container<std::string>(rc::gen::inRange<char>('a', 'f'))] =
            some_json(depth - 1);
      }
      return object;
    }
  }
}

std::string printed(const json& value) {
  return value.dump(*rc::gen::element(-1, 0, 2), ' ', *rc::gen::arbitrary<bool>(),
                    json::error_handler_t::replace);
}

RC_GTEST_PROP(JsonCursor, AgreesWithSimdjsonOnValidText, ()) {
  const std::string text = printed(some_json(4));
  RC_ASSERT(is_valid(text));
  RC_ASSERT(is_valid_to_simdjson(text));
}

// One byte changed, dropped or doubled: mostly broken, and both must say so.
RC_GTEST_PROP(JsonCursor, AgreesWithSimdjsonOnDamagedText, ()) {
  std::string text = printed(some_json(3));
  const int damages = *rc::gen::inRange(1, 4);
  for (int i = 0; i < damages && !text.empty(); ++i) {
    const auto at = static_cast<std::size_t>(*rc::gen::inRange(0, static_cast<int>(text.size())));
    switch (*rc::gen::inRange(0, 4)) {
      case 0: text[at] = static_cast<char>(*rc::gen::inRange(0, 256)); break;
      case 1: text.erase(at, 1); break;
      case 2: text.insert(at, 1, text[at]); break;
      default: text[at] = *rc::gen::element('"', '\\', '{', '}', '[', ']', ',', ':', '0', 'u', '-');
    }
  }
  // simdjson also refuses numbers that no double holds; nobody here reads them.
  simdjson::dom::parser parser;
  const auto error = parser.parse(text).error();
  if (is_valid(text) && error == simdjson::NUMBER_ERROR) return;
  RC_ASSERT(is_valid(text) == (error == simdjson::SUCCESS));
}

RC_GTEST_PROP(Escaping, IsUndoneByUnescaping, (const std::string& any)) {
  std::string escaped;
  append_json_escaped(any, escaped);
  RC_ASSERT(is_valid("\"" + escaped + "\""));
  std::string plain;
  append_json_unescaped(escaped, plain);
  std::string again;
  append_json_escaped(plain, again);
  RC_ASSERT(again == escaped);
  RC_ASSERT(json_unescaped_size({escaped, true}) == plain.size());
  RC_ASSERT((JsonString{escaped, true}).says(plain));
}

}  // namespace
}  // namespace hanse
