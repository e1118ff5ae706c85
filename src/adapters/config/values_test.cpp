#include "adapters/config/values.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

namespace hanse::config {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

TEST(Durations, AreReadInEveryUnit) {
  EXPECT_EQ(parse_duration("1500ms"), milliseconds(1500));
  EXPECT_EQ(parse_duration("30s"), seconds(30));
  EXPECT_EQ(parse_duration("10m"), seconds(600));
  EXPECT_EQ(parse_duration("2h"), seconds(7200));
  EXPECT_EQ(parse_duration("1d"), seconds(86'400));
  EXPECT_EQ(parse_duration("0.5ms"), microseconds(500));
  EXPECT_EQ(parse_duration("7 s"), seconds(7));
  EXPECT_EQ(parse_duration("0s"), seconds(0));
  EXPECT_EQ(parse_duration("12ns"), nanoseconds(12));
}

TEST(Durations, ThatAreNotExactAreRefused) {
  for (const char* text : {"", "s", "30", "1 second", "-1s", "+1s", "1e3s", "0.1ns", "1..5s", ".5s",
                           "1.s", "1s ", " 1s", "1h30m", "10000000000000000000s", "300000d"}) {
    EXPECT_FALSE(parse_duration(text).has_value()) << text;
  }
}

RC_GTEST_PROP(Durations, ArePrintedAsTheyAreRead, ()) {
  const Duration duration(*rc::gen::inRange<std::int64_t>(0, kMost));
  RC_ASSERT(parse_duration(print(duration)).value() == duration);
}

TEST(Sizes, AreReadInBinaryAndDecimalUnits) {
  EXPECT_EQ(parse_size("32KiB"), Bytes(32'768));
  EXPECT_EQ(parse_size("16MiB"), Bytes(16'777'216));
  EXPECT_EQ(parse_size("1GB"), Bytes(1'000'000'000));
  EXPECT_EQ(parse_size("512B"), Bytes(512));
  EXPECT_EQ(parse_size("1.5KiB"), Bytes(1536));
  for (const char* text : {"32", "32K", "1.3B", "16Mib", "9000000TiB", "-1B"}) {
    EXPECT_FALSE(parse_size(text).has_value()) << text;
  }
}

RC_GTEST_PROP(Sizes, ArePrintedAsTheyAreRead, ()) {
  const Bytes size(*rc::gen::inRange<std::int64_t>(0, kMost));
  RC_ASSERT(parse_size(print(size)).value() == size);
}

RC_GTEST_PROP(Percentages, ArePrintedAsTheyAreRead, ()) {
  const auto ppm = *rc::gen::inRange<std::int64_t>(1, 1'000'001);
  RC_ASSERT(parse_percent(print_percent(ppm)).value() == ppm);
}

TEST(Percentages, LieAboveZeroAndUpToAHundred) {
  EXPECT_EQ(parse_percent("100"), 1'000'000);
  EXPECT_EQ(parse_percent("33.3333"), 333'333);
  EXPECT_EQ(parse_percent("0.0001"), 1);
  for (const char* text :
       {"0", "0.0", "100.0001", "33.33333", "-1", "1e2", "99999999999999999999"}) {
    EXPECT_FALSE(parse_percent(text).has_value()) << text;
  }
}

TEST(Addresses, AreIpAddressesOrUnixSockets) {
  const auto v4 = parse_address("127.0.0.1:8411");
  ASSERT_TRUE(v4.has_value());
  EXPECT_EQ(v4->text(), "127.0.0.1:8411");
  EXPECT_TRUE(v4->is_local());
  const auto v6 = parse_address("[2001:DB8::1]:0");
  ASSERT_TRUE(v6.has_value());
  EXPECT_EQ(v6->text(), "[2001:db8::1]:0");
  EXPECT_FALSE(v6->is_local());
  const auto socket = parse_address("unix:/run/hanse.sock");
  ASSERT_TRUE(socket.has_value());
  EXPECT_EQ(socket->text(), "unix:/run/hanse.sock");
  EXPECT_TRUE(socket->is_local());
  EXPECT_TRUE(parse_address("localhost:80").has_value());
  for (const char* text :
       {"", ":80", "8411", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.1:80",
        "::1:80", "[::1]", "[::1]80", "[::1:80", "[127.0.0.1]:80", "example.com:80", "unix:"}) {
    EXPECT_FALSE(parse_address(text).has_value()) << text;
  }
}

TEST(Urls, AreBroughtIntoOneForm) {
  const auto form = [](std::string_view text) {
    const auto url = parse_url(text);
    return url ? url->text() : "refused: " + url.error();
  };
  EXPECT_EQ(form("HTTP://Engine.Example:80/"), "http://engine.example");
  EXPECT_EQ(form("https://engine.example:443/v1//"), "https://engine.example/v1");
  EXPECT_EQ(form("https://10.0.0.1:8443/a/b"), "https://10.0.0.1:8443/a/b");
  EXPECT_EQ(form("http://[::1]:8000"), "http://[::1]:8000");
  EXPECT_EQ(form("http://engine_1:8000"), "http://engine_1:8000");
}

TEST(Urls, ThatSayMoreThanAnAddressAreRefused) {
  for (const char* text : {"",
                           "engine.example",
                           "ftp://e",
                           "http://",
                           "http:///v1",
                           "http://e:0",
                           "http://e:65536",
                           "http://e:",
                           "http://e?x=1",
                           "http://e#f",
                           "http://u@e",
                           "http://u:p@e",
                           "http://-e",
                           "http://e-.x",
                           "http://a..b",
                           "http://1.2.3",
                           "http://256.1.1.1",
                           "http://e/a b",
                           "http://[::1",
                           "http://[e]",
                           "http://::1",
                           "http://e/\x01",
                           "//e",
                           "http:/e"}) {
    EXPECT_FALSE(parse_url(text).has_value()) << text;
  }
  EXPECT_TRUE(has_userinfo("http://user:pass@e/x"));
  EXPECT_FALSE(has_userinfo("http://e/x@y"));
}

TEST(Names, AreShortAndPlain) {
  EXPECT_TRUE(is_name("smollm2-135m_instruct.v1"));
  EXPECT_TRUE(is_name("7b"));
  for (const char* text : {"", "-a", ".a", "a/b", "a b", "\xC3\xA4"}) EXPECT_FALSE(is_name(text));
  EXPECT_FALSE(is_name(std::string(65, 'a')));
  EXPECT_TRUE(is_alias_name("openai/gpt-4o:latest"));
  EXPECT_FALSE(is_alias_name("/a"));
}

}  // namespace
}  // namespace hanse::config
