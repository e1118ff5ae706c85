#include "adapters/engines/sse.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace hanse::engines {
namespace {

struct Event {
  std::string data;
  std::string name = {};
  std::string id = {};
  bool operator==(const Event&) const = default;
};

std::vector<Event> split(const std::vector<std::string>& reads, bool finish = false) {
  SseSplitter splitter(1 << 20);
  std::vector<Event> events;
  SseEvent event;
  const auto take = [&] {
    events.push_back({std::string(event.data), std::string(event.name), std::string(event.id)});
  };
  for (const std::string& read : reads) {
    const std::vector<char> exact(read.begin(), read.end());
    std::string_view input(exact.data(), exact.size());
    while (splitter.next(input, event) == SseSplitter::Found::event) take();
    EXPECT_TRUE(input.empty());
  }
  if (finish && splitter.finish(event) == SseSplitter::Found::event) take();
  return events;
}

TEST(SseSplitter, TakesEveryKindOfLineEnd) {
  const std::vector<Event> expected = {{"a"}, {"b"}};
  EXPECT_EQ(split({"data: a\n\ndata: b\n\n"}), expected);
  EXPECT_EQ(split({"data: a\r\n\r\ndata: b\r\n\r\n"}), expected);
  EXPECT_EQ(split({"data: a\r\rdata: b\r\r"}), expected);
  EXPECT_EQ(split({"data: a\r\n\ndata: b\n\r\n"}), expected);
}

TEST(SseSplitter, ACrLfSplitBetweenReadsIsOneLineEnd) {
  EXPECT_EQ(split({"data: a\r", "\n\r", "\ndata: b\r", "\n", "\r\n"}),
            (std::vector<Event>{{"a"}, {"b"}}));
}

TEST(SseSplitter, JoinsDataOfSeveralLines) {
  EXPECT_EQ(split({"data: a\ndata: b\ndata:\ndata:c\n\n"}), (std::vector<Event>{{"a\nb\n\nc"}}));
}

TEST(SseSplitter, PassesOverCommentsAndUnknownFields) {
  EXPECT_EQ(split({": keep-alive\n\n:\n\nretry: 10\nfoo\ndata: a\n: in between\n\n"}),
            (std::vector<Event>{{"a"}}));
}

TEST(SseSplitter, GivesNameAndIdOfTheEventThatHasThem) {
  EXPECT_EQ(split({"event: x\nid: 7\ndata: a\n\ndata: b\n\n"}),
            (std::vector<Event>{{"a", "x", "7"}, {"b"}}));
  EXPECT_EQ(split({"event: lost\n\ndata: a\n\n"}), (std::vector<Event>{{"a"}}));
}

TEST(SseSplitter, OneBlankAfterTheColonGoes) {
  EXPECT_EQ(split({"data:a\n\ndata:  b\n\ndata: \n\ndata\n\n"}),
            (std::vector<Event>{{"a"}, {" b"}, {""}, {""}}));
}

TEST(SseSplitter, AByteOrderMarkMayComeFirst) {
  EXPECT_EQ(split({"\xEF\xBB\xBF"
                   "data: a\n\n"}),
            (std::vector<Event>{{"a"}}));
  EXPECT_EQ(split({"\xEF", "\xBB",
                   "\xBF"
                   "data: a\n\n"}),
            (std::vector<Event>{{"a"}}));
  EXPECT_EQ(split({"data: a\n\n\xEF\xBB\xBF"
                   "data: b\n\n"}),
            (std::vector<Event>{{"a"}}));
}

TEST(SseSplitter, AnUnfinishedEventDoesNotCount) {
  EXPECT_EQ(split({"data: a\n"}), (std::vector<Event>{}));
  EXPECT_EQ(split({"data: a"}), (std::vector<Event>{}));
  EXPECT_EQ(split({"data: a"}, true), (std::vector<Event>{{"a"}}));
  EXPECT_EQ(split({"data: a\r"}, true), (std::vector<Event>{{"a"}}));
  EXPECT_EQ(split({"data: a\n\n"}, true), (std::vector<Event>{{"a"}}));
}

TEST(SseSplitter, GivesViewsOfTheReadWhenTheEventLiesInIt) {
  SseSplitter splitter(1 << 20);
  const std::string read = "data: abc\n\n";
  std::string_view input = read;
  SseEvent event;
  ASSERT_EQ(splitter.next(input, event), SseSplitter::Found::event);
  EXPECT_EQ(event.data.data(), read.data() + 6);
  EXPECT_FALSE(event.has_line_feeds);
}

TEST(SseSplitter, BoundsLinesAndEvents) {
  const auto feed = [](const std::vector<std::string>& reads) {
    SseSplitter splitter(100);
    SseEvent event;
    for (const std::string& read : reads) {
      std::string_view input = read;
      const auto found = splitter.next(input, event);
      if (found != SseSplitter::Found::more) return found;
    }
    return SseSplitter::Found::more;
  };
  EXPECT_EQ(feed({"data: " + std::string(200, 'x')}), SseSplitter::Found::oversize);
  EXPECT_EQ(feed({"data: " + std::string(200, 'x') + "\n\n"}), SseSplitter::Found::oversize);
  EXPECT_EQ(feed(std::vector<std::string>(30, ": xxxxx")), SseSplitter::Found::oversize);
  EXPECT_EQ(feed(std::vector<std::string>(30, "data: xxxxx\n")), SseSplitter::Found::oversize);
  EXPECT_EQ(feed({"data: " + std::string(90, 'x') + "\n\n"}), SseSplitter::Found::event);
}

// Any stream, cut anywhere, says the same.
RC_GTEST_PROP(SseSplitter, SplitsDoNotMatter, ()) {
  std::string stream;
  const int pieces = *rc::gen::inRange(0, 30);
  for (int i = 0; i < pieces; ++i) {
    stream += *rc::gen::element<std::string>("data: ", "data:", "{\"a\":1}", "\n", "\r\n", "\r",
                                             "\n\n", "\r\n\r\n", ": note", "id: 4", "event: x",
                                             "\xE4\xB8\xAD", "error: ", "x", "[DONE]");
  }
  std::vector<std::string> reads;
  for (std::size_t at = 0; at < stream.size();) {
    const auto size = static_cast<std::size_t>(*rc::gen::inRange(1, 9));
    reads.push_back(stream.substr(at, size));
    at += size;
  }
  const bool finish = *rc::gen::arbitrary<bool>();
  RC_ASSERT(split(reads, finish) == split({stream}, finish));
}

}  // namespace
}  // namespace hanse::engines
