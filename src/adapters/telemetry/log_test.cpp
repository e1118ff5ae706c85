#include "adapters/telemetry/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <type_traits>

#include "adapters/telemetry/redaction.h"

namespace hanse::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// A folder of the test's own, gone afterwards.
class LogTest : public ::testing::Test {
 protected:
  LogTest() {
    std::string name = (std::filesystem::temp_directory_path() / "hanse-log-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~LogTest() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string file() const { return (folder_ / "hanse.log").string(); }
  Log open(LogFormat format, LogLevel level = LogLevel::info) {
    return Log::open({.level = level,
                      .format = format,
                      .file = file(),
                      .now = [] { return WallTime(1'795'408'561'250'000'000); }})
        .value();
  }
  [[nodiscard]] static std::string content(const std::filesystem::path& path) {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  [[nodiscard]] std::string written(Log& log) const {
    log.flush();
    return content(file());
  }

  std::filesystem::path folder_;
};

TEST_F(LogTest, WritesALineForPeople) {
  Log log = open(LogFormat::text);
  log.info("configuration reloaded", {field::snapshot(sha256("x")), field::count("sites", 4),
                                      field::duration("took", microseconds(1'250)),
                                      field::detail("tenants.toml:3: \"acme\" is new")});
  EXPECT_EQ(written(log),
            "2026-11-23T04:36:01.250Z info    configuration reloaded snapshot=2d711642b726 sites=4 "
            "took_ms=1.25 detail=\"tenants.toml:3: \\\"acme\\\" is new\"\n");
}

TEST_F(LogTest, WritesALineForPrograms) {
  Log log = open(LogFormat::json);
  const ledger::RequestId id{.journal = {}, .number = {ledger::Epoch(1), 2}};
  log.warning("an attempt failed",
              {field::request(id), field::site("hamburg"), field::failure(answer::Failure::reset),
               field::http_status(502)});
  const auto line = nlohmann::json::parse(written(log));
  EXPECT_EQ(line["time"], "2026-11-23T04:36:01.250Z");
  EXPECT_EQ(line["level"], "warning");
  EXPECT_EQ(line["message"], "an attempt failed");
  EXPECT_EQ(line["request"], ledger::to_string(id));
  EXPECT_EQ(line["site"], "hamburg");
  EXPECT_EQ(line["failure"], "reset");
  EXPECT_EQ(line["http_status"], 502);
}

TEST_F(LogTest, LinesBelowTheLevelAreNotWritten) {
  Log log = open(LogFormat::text, LogLevel::warning);
  EXPECT_FALSE(log.writes(LogLevel::info));
  EXPECT_TRUE(log.writes(LogLevel::error));
  log.info("a quiet thing");
  log.error("a loud thing");
  EXPECT_THAT(written(log), Not(HasSubstr("quiet")));
  EXPECT_THAT(written(log), HasSubstr("error   a loud thing"));
}

// Prompts, replies and keys, planted wherever a caller could put a text: none
// of them is written.
TEST_F(LogTest, NoSecretIsWrittenWhereverItIsPut) {
  const std::string prompt = "Patient Erika Mustermann, born 1964, has a melanoma";
  const std::string key = "hk-0123456789abcdefghijklmnop";
  const std::string other_key = "sk-proj-ABCDEFGHIJKLMNOP_12345";
  const std::string token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl";
  for (const LogFormat format : {LogFormat::text, LogFormat::json}) {
    Log log = open(format, LogLevel::debug);
    for (const std::string& secret : {prompt, key, other_key}) {
      log.debug("planted", {field::site(secret), field::address(secret)});
    }
    log.error("planted", {field::detail("the header was Authorization: Bearer " + token),
                          field::detail(fmt::format("unknown key {}, or {}?", key, other_key)),
                          field::path("/run/secrets/" + key)});
    const std::string text = written(log);
    EXPECT_THAT(text, HasSubstr("(withheld, 51 bytes)"));
    EXPECT_THAT(text, HasSubstr("Bearer [key]"));
    for (const std::string& secret : {std::string("Mustermann"), std::string("melanoma"), key,
                                      other_key, token, key.substr(3), other_key.substr(3)}) {
      EXPECT_THAT(text, Not(HasSubstr(secret)));
    }
  }
}

TEST_F(LogTest, ADetailStaysOnItsLine) {
  Log log = open(LogFormat::json);
  log.error("odd", {field::detail("one\ntwo\r\x1b[31m\"three\" \\ \xff\xfe")});
  const std::string text = written(log);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1);
  EXPECT_EQ(nlohmann::json::parse(text)["detail"], "one two  [31m\"three\" \\ ??");
}

TEST_F(LogTest, AMovedFileIsOpenedAnew) {
  Log log = open(LogFormat::text);
  log.info("before");
  log.flush();
  const std::filesystem::path moved = folder_ / "hanse.log.1";
  std::filesystem::rename(file(), moved);
  ASSERT_TRUE(log.reopen().has_value());
  log.info("after");
  EXPECT_THAT(written(log), HasSubstr("after"));
  EXPECT_THAT(content(moved), HasSubstr("before"));
}

TEST_F(LogTest, WhatIsWaitingIsWrittenAtTheEnd) {
  {
    Log log = open(LogFormat::text);
    for (int i = 0; i < 1'000; ++i) log.info("one of many", {field::count("n", i)});
  }
  EXPECT_THAT(content(file()), HasSubstr("n=999\n"));
}

// A reader that does not read, and then goes, must cost lines, never time and
// never the process.
TEST_F(LogTest, AReaderThatStopsCostsLinesAndIsCounted) {
  ASSERT_EQ(::mkfifo(file().c_str(), 0600), 0);
  const int reader = ::open(file().c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  Log log = Log::open({.level = LogLevel::info,
                       .format = LogFormat::text,
                       .file = file(),
                       .now = [] { return WallTime(0); },
                       .lines_waiting_max = 8})
                .value();
  // More than a pipe and the queue hold.
  const std::string long_detail(900, 'x');
  for (int i = 0; i < 1'000; ++i) log.info("too much", {field::detail(long_detail)});
  EXPECT_GT(log.dropped(), 0U);
  ::close(reader);
  log.flush();
  const std::uint64_t before = log.dropped();
  log.info("nobody is there");
  log.flush();
  EXPECT_EQ(log.dropped(), before + 1);
}

TEST(Log, AFolderThatIsNotThereIsAnError) {
  const auto log =
      Log::open({.file = "/nonexistent/folder/hanse.log", .now = [] { return WallTime(0); }});
  ASSERT_FALSE(log.has_value());
  EXPECT_EQ(log.error().code, ErrorCode::unavailable);
  EXPECT_THAT(log.error().message, HasSubstr("/nonexistent/folder/hanse.log"));
}

// A text that is not in the source cannot be what happened.
static_assert(!std::is_convertible_v<std::string, Literal>);
static_assert(!std::is_convertible_v<std::string_view, Literal>);
static_assert(!std::is_constructible_v<LogField, std::string, std::string>);

TEST(Redaction, NamesOfAConfigurationAreNames) {
  for (const std::string_view name :
       {"hamburg", "acme/web/laptop", "smollm2-135m-instruct/q4", "127.0.0.1:8411", "[::1]:80",
        "http://127.0.0.1:8411/v1", "sk-west", "a"}) {
    EXPECT_TRUE(is_name(name)) << name;
  }
  for (const std::string_view text :
       {"", "two words", "line\nfeed", "caf\xc3\xa9", "hk-demo-acme-000000000000", "quote\"d",
        "SK-PROJ-ABCDEFGHIJKLMNOP"}) {
    EXPECT_FALSE(is_name(text)) << text;
  }
  EXPECT_FALSE(is_name(std::string(129, 'a')));
}

TEST(Redaction, WordsThatLookLikeKeysAreReplaced) {
  EXPECT_EQ(redacted("key=hk-demo-acme-000000000000.", 100), "key=[key]");
  EXPECT_EQ(redacted("(\"sk-abcdefghijklmnop\")", 100), "(\"[key]\")");
  EXPECT_EQ(redacted("authorization: bearer abc", 100), "authorization: bearer [key]");
  EXPECT_EQ(redacted("risk-abcdefghijklmnopq and sk-west", 100),
            "risk-abcdefghijklmnopq and sk-west");
}

TEST(Redaction, ALongTextIsCutAtACharacter) {
  EXPECT_EQ(redacted("caf\xc3\xa9s", 4), "caf");
  EXPECT_EQ(redacted("caf\xc3\xa9s", 5), "caf\xc3\xa9");
}

RC_GTEST_PROP(Redaction, WhatComesOutIsOneLineOfUtf8, (const std::string& text)) {
  const std::string out = redacted(text, 200);
  RC_ASSERT(out.size() <= 200U);
  RC_ASSERT(std::none_of(out.begin(), out.end(),
                         [](char c) { return static_cast<unsigned char>(c) < 0x20; }));
  // nlohmann's strict handler throws on anything that is not UTF-8.
  RC_ASSERT(!nlohmann::json(out).dump().empty());
}

}  // namespace
}  // namespace hanse::telemetry
