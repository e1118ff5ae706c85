// The small parts: buffers, addresses, heads to send.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "adapters/http/buffer.h"
#include "adapters/http/endpoint.h"
#include "adapters/http/framing_rules.h"
#include "adapters/http/head_writer.h"
#include "adapters/http/message.h"
#include "base/ascii.h"

namespace hanse::http {
namespace {

TEST(Buffer, GrowsAndGivesBack) {
  BufferPool pool;
  Buffer buffer(pool);
  EXPECT_EQ(pool.in_use(), 0U);
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    const std::string part(static_cast<std::size_t>(i % 50), static_cast<char>('a' + i % 26));
    ASSERT_TRUE(buffer.append(part));
    expected += part;
  }
  EXPECT_EQ(buffer.view(), expected);
  EXPECT_GE(buffer.capacity(), buffer.size());
  buffer.consume(100);
  EXPECT_EQ(buffer.view(), expected.substr(100));
  buffer.consume(buffer.size());
  EXPECT_EQ(pool.in_use(), 0U) << "an emptied buffer holds nothing";
}

TEST(Buffer, StaysWithinTheBudget) {
  BufferPool pool({.in_use_max = 4096, .spare_max = 0});
  Buffer first(pool);
  ASSERT_TRUE(first.append(std::string(1900, 'x')));
  Buffer second(pool);
  EXPECT_FALSE(second.append(std::string(3000, 'x')));
  EXPECT_TRUE(second.empty());
  EXPECT_FALSE(first.append(std::string(3000, 'x')));
  EXPECT_EQ(first.size(), 1900U) << "a refused append changes nothing";
  first.release();
  EXPECT_TRUE(second.append(std::string(3000, 'x')));
}

TEST(Buffer, BlocksAreUsedAgainUpToABound) {
  BufferPool pool({.in_use_max = 1U << 20U, .spare_max = 2048});
  std::vector<Buffer> buffers;
  for (int i = 0; i < 4; ++i) {
    buffers.emplace_back(pool);
    ASSERT_TRUE(buffers.back().append(std::string(900, 'x')));
  }
  const char* last = buffers.back().data();
  buffers.clear();
  EXPECT_EQ(pool.spare(), 2048U);
  Buffer again(pool);
  ASSERT_TRUE(again.append(std::string(900, 'x')));
  EXPECT_TRUE(pool.spare() == 1024U || again.data() == last);
}

TEST(Buffer, AFullWindowMovesInsteadOfGrowing) {
  BufferPool pool;
  Buffer buffer(pool);
  ASSERT_TRUE(buffer.append(std::string(400, 'x')));
  const std::size_t capacity = buffer.capacity();
  for (int i = 0; i < 100; ++i) {
    buffer.consume(100);
    ASSERT_TRUE(buffer.append(std::string(100, 'y')));
  }
  EXPECT_EQ(buffer.capacity(), capacity);
}

TEST(Endpoint, ReadsWhatItWrites) {
  for (const std::string text :
       {"127.0.0.1:8080", "[::1]:8080", "unix:/tmp/x.sock", "10.1.2.3:0"}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint.has_value()) << text;
    EXPECT_EQ(endpoint->to_string(), text);
  }
}

TEST(Endpoint, IsLoopbackUnlessAnAddressSaysOtherwise) {
  for (const char* text : {"8080", ":8080", "localhost:8080"}) {
    EXPECT_EQ(Endpoint::parse(text)->to_string(), "127.0.0.1:8080") << text;
  }
  EXPECT_FALSE(Endpoint::parse("0.0.0.0:80")->is_loopback());
}

TEST(Endpoint, RefusesNonsense) {
  for (const std::string text :
       {"", "a", "a:1", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "[::1]",
        "[::1:80", "::1:80", "unix:", "1.2.3:4"}) {
    EXPECT_FALSE(Endpoint::parse(text).has_value()) << text;
  }
  EXPECT_FALSE(Endpoint::parse("unix:/" + std::string(200, 'x')).has_value());
}

TEST(Url, HasAnOriginAndAPath) {
  const auto url = Url::parse("http://site.example:8080/v1?x=1");
  ASSERT_TRUE(url.has_value());
  EXPECT_EQ(url->origin, (Origin{.host = "site.example", .port = 8080, .tls = false}));
  EXPECT_EQ(url->path, "/v1?x=1");
  EXPECT_EQ(url->origin.authority(), "site.example:8080");
  EXPECT_EQ(Url::parse("https://site.example")->origin.authority(), "site.example");
  EXPECT_EQ(Url::parse("https://site.example")->origin.port, 443);
  EXPECT_EQ(Url::parse("http://[::1]:81/")->origin.authority(), "[::1]:81");
  EXPECT_EQ(Url::parse("unix:/run/x")->origin.unix_path, "/run/x");
}

TEST(Url, RefusesNonsense) {
  for (const char* text :
       {"", "site.example", "ftp://a/", "http://", "http:///x", "http://a:b/", "http://a:0/",
        "http://user@a/", "http://a/#x", "http://a/ b", "http://a?x", "http://a b/", "unix:"}) {
    EXPECT_FALSE(Url::parse(text).has_value()) << text;
  }
}

TEST(HeadWriter, SaysWhenItDoesNotFit) {
  std::array<char, 32> space{};
  HeadWriter writer(space);
  writer.status_line(404);
  EXPECT_TRUE(writer.fits());
  EXPECT_EQ(writer.view(), "HTTP/1.1 404 Not Found\r\n");
  writer.field("X", "0123456789");
  EXPECT_FALSE(writer.fits());
}

TEST(HeadWriter, KnowsTheDate) {
  DateText date;
  EXPECT_EQ(date.at(WallTime(784'111'777'000'000'000)), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(date.at(WallTime(784'111'778'999'999'999)), "Sun, 06 Nov 1994 08:49:38 GMT");
}

TEST(HeadWriter, WritesChunkLines) {
  EXPECT_EQ(ChunkLine(0).view(), "0\r\n");
  EXPECT_EQ(ChunkLine(26).view(), "1a\r\n");
  EXPECT_EQ(ChunkLine(~std::size_t{0}).view(), "ffffffffffffffff\r\n");
}

TEST(FramingRules, KnowHosts) {
  for (const char* host :
       {"a", "grid.example", "grid.example:80", "127.0.0.1", "[::1]", "[::1]:80", "a:"}) {
    EXPECT_TRUE(is_host_value(host)) << host;
  }
  for (const char* host :
       {"", ":80", "a b", "a/b", "a@b", "[::1", "[]", "[::1]x", "a:b", "a:123456", "\"a\""}) {
    EXPECT_FALSE(is_host_value(host)) << host;
  }
}

TEST(FramingRules, KnowFieldsThatImitateFraming) {
  EXPECT_EQ(classify_field("Content-Length"), FieldKind::content_length);
  EXPECT_EQ(classify_field("content_length"), FieldKind::imitation);
  EXPECT_EQ(classify_field("TRANSFER_ENCODING"), FieldKind::imitation);
  EXPECT_EQ(classify_field("Keep_Alive"), FieldKind::imitation);
  EXPECT_EQ(classify_field("x_request_id"), FieldKind::ordinary);
  EXPECT_EQ(classify_field("te"), FieldKind::other_hop_by_hop);
}

TEST(FieldNames, CompareLetterByLetterWhateverTheirLength) {
  std::string name;
  for (const char c : std::string_view("x-Client-Request-Id-Of-Ours")) {
    name += c;
    const std::string small = in_lower_case(name);
    EXPECT_TRUE(equals_ignoring_case(name, small)) << name;
    EXPECT_FALSE(equals_ignoring_case(name, small + "s")) << name;
    for (std::size_t i = 0; i < name.size(); ++i) {
      std::string other = small;
      other[i] = '_';
      EXPECT_FALSE(equals_ignoring_case(name, other)) << name;
    }
  }
}

TEST(FramingRules, FindAControlCharacterAtAnyPlaceOfAValue) {
  for (std::size_t size = 1; size <= 20; ++size) {
    for (std::size_t i = 0; i < size; ++i) {
      std::string value(size, 'v');
      for (const char sound : {'\t', ' ', '~', '\x80', '\xFF'}) {
        value[i] = sound;
        EXPECT_TRUE(is_field_value(value)) << size << " " << i;
      }
      for (const char unsound : {'\0', '\n', '\r', '\x1F', '\x7F'}) {
        value[i] = unsound;
        EXPECT_FALSE(is_field_value(value)) << size << " " << i;
        value[size - 1 - i] = '\t';
        value[i] = unsound;
        EXPECT_FALSE(is_field_value(value)) << size << " " << i;
      }
    }
  }
}

}  // namespace
}  // namespace hanse::http
