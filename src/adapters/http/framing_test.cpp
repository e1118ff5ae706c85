#include "adapters/http/framing.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "base/random.h"

namespace hanse::http {
namespace {

// One case of testing/framing_*.txt.
struct Vector {
  std::string name;
  bool head_only = false;
  bool then_closed = false;
  std::string bytes;
  std::vector<std::string> expected;
};

std::string unescape(std::string_view line) {
  std::string bytes;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\') {
      bytes += line[i];
      continue;
    }
    switch (line[++i]) {
      case 'r': bytes += '\r'; break;
      case 'n': bytes += '\n'; break;
      case 't': bytes += '\t'; break;
      case '0': bytes += '\0'; break;
      case 'x':
        bytes += static_cast<char>(std::stoi(std::string(line.substr(i + 1, 2)), nullptr, 16));
        i += 2;
        break;
      default: bytes += line[i];
    }
  }
  return bytes;
}

std::string escape(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    if (c == '\r') {
      text += "\\r";
    } else if (c == '\n') {
      text += "\\n";
    } else {
      text += c;
    }
  }
  return text;
}

std::vector<Vector> read_vectors(const std::string& file) {
  std::ifstream in(std::string(HANSE_SOURCE_DIR) + "/src/adapters/http/testing/" + file);
  std::vector<Vector> vectors;
  bool expecting = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("== ")) {
      vectors.emplace_back().name = line.substr(3);
      expecting = false;
    } else if (vectors.empty() || line.empty()) {
      continue;
    } else if (line == "---") {
      expecting = true;
    } else if (expecting) {
      vectors.back().expected.push_back(line);
    } else if (line == "to HEAD") {
      vectors.back().head_only = true;
    } else if (line == "then closed") {
      vectors.back().then_closed = true;
    } else {
      vectors.back().bytes += unescape(line);
    }
  }
  return vectors;
}

// Runs `line` ("field x y") against a head; what is not about fields is false.
bool is_field_line(const std::string& line) {
  return line.starts_with("field ") || line.starts_with("hop ") || line.starts_with("absent ");
}

std::string describe_field(const Headers& headers, const std::string& line) {
  std::istringstream words(line);
  std::string kind;
  std::string name;
  words >> kind >> name;
  for (const Field field : headers) {
    if (!equals_ignoring_case(field.name, name)) continue;
    if (field.hop_by_hop) return "hop " + name;
    return "field " + name + " " + std::string(field.value);
  }
  return "absent " + name;
}

// Feeds in pieces of `piece` bytes and writes down what the parser says, with
// the fields that `expected` asks for.
std::vector<std::string> run_requests(const Vector& vector, std::size_t piece) {
  BufferPool pool;
  HeadPool heads(pool);
  const FramingLimits limits;
  RequestParser parser(heads, limits);
  std::vector<std::string> said;
  std::vector<std::string> field_lines;
  std::size_t expected = 0;
  std::string input = vector.bytes;
  std::string body;
  std::string head;
  std::size_t at = 0;
  bool feed_nothing = false;
  while (at < input.size() || feed_nothing) {
    const auto size = std::min(piece, input.size() - at);
    const Fed fed = parser.feed({input.data() + at, size});
    EXPECT_LE(fed.used, size);
    at += fed.used;
    feed_nothing = fed.event == FramingEvent::head;
    body += fed.body;
    if (fed.event == FramingEvent::refused) {
      said.push_back("refused " + std::to_string(parser.refusal().status) + " " +
                     std::string(parser.refusal().code));
      return said;
    }
    if (fed.event == FramingEvent::head) {
      head = "ok " + std::string(parser.head().method()) + " " +
             std::string(parser.head().target()) + (parser.keep_alive() ? " keep" : " close");
      ++expected;
      field_lines.clear();
      for (; expected < vector.expected.size() && is_field_line(vector.expected[expected]);
           ++expected) {
        field_lines.push_back(describe_field(parser.head().headers(), vector.expected[expected]));
      }
    }
    if (fed.event == FramingEvent::complete) {
      said.push_back(head + " \"" + escape(body) + "\"");
      said.insert(said.end(), field_lines.begin(), field_lines.end());
      body.clear();
      parser.restart();
    }
  }
  if (parser.begun()) said.emplace_back("incomplete");
  return said;
}

std::vector<std::string> run_response(const Vector& vector, std::size_t piece) {
  BufferPool pool;
  HeadPool heads(pool);
  const FramingLimits limits;
  ResponseParser parser(heads, limits);
  parser.restart(vector.head_only);
  std::vector<std::string> said;
  std::string input = vector.bytes;
  std::string body;
  std::size_t at = 0;
  bool feed_nothing = false;
  bool complete = false;
  std::vector<std::string> field_lines;
  while ((at < input.size() || feed_nothing) && !complete) {
    const auto size = std::min(piece, input.size() - at);
    const Fed fed = parser.feed({input.data() + at, size});
    EXPECT_LE(fed.used, size);
    at += fed.used;
    feed_nothing = fed.event == FramingEvent::head;
    body += fed.body;
    complete = fed.event == FramingEvent::complete;
    if (fed.event == FramingEvent::refused) {
      said.push_back("refused " + std::string(parser.refusal().code));
      return said;
    }
    if (fed.event == FramingEvent::head) {
      for (const auto& line : vector.expected) {
        if (is_field_line(line))
          field_lines.push_back(describe_field(parser.head().headers(), line));
      }
    }
  }
  if (!complete && vector.then_closed) complete = parser.finish();
  if (!complete) {
    said.push_back(vector.then_closed ? "cut \"" + escape(body) + "\"" : "incomplete");
    return said;
  }
  said.push_back("ok " + std::to_string(parser.head().status()) +
                 (parser.keep_alive() ? " keep" : " close") + " \"" + escape(body) + "\"");
  said.insert(said.end(), field_lines.begin(), field_lines.end());
  if (at < input.size()) said.push_back("left " + std::to_string(input.size() - at));
  return said;
}

TEST(Framing, EveryRequestVectorHoldsForEveryCut) {
  const auto vectors = read_vectors("framing_requests.txt");
  EXPECT_GE(vectors.size(), 100U);
  for (const Vector& vector : vectors) {
    SCOPED_TRACE(vector.name);
    EXPECT_EQ(run_requests(vector, vector.bytes.size()), vector.expected) << "whole";
    for (const std::size_t piece : {1U, 2U, 3U, 7U, 16U}) {
      EXPECT_EQ(run_requests(vector, piece), vector.expected) << "by " << piece;
    }
  }
}

TEST(Framing, EveryResponseVectorHoldsForEveryCut) {
  const auto vectors = read_vectors("framing_responses.txt");
  EXPECT_GE(vectors.size(), 50U);
  for (const Vector& vector : vectors) {
    SCOPED_TRACE(vector.name);
    EXPECT_EQ(run_response(vector, vector.bytes.size()), vector.expected) << "whole";
    for (const std::size_t piece : {1U, 2U, 3U, 7U, 16U}) {
      EXPECT_EQ(run_response(vector, piece), vector.expected) << "by " << piece;
    }
  }
}

std::string refusal_of(std::string request, FramingLimits limits = {}) {
  BufferPool pool;
  HeadPool heads(pool);
  RequestParser parser(heads, limits);
  std::size_t at = 0;
  bool head = false;
  while (at < request.size() || head) {
    const Fed fed = parser.feed({request.data() + at, request.size() - at});
    head = fed.event == FramingEvent::head;
    if (fed.event == FramingEvent::refused) return std::string(parser.refusal().code);
    if (fed.event == FramingEvent::complete) return "complete";
    at += fed.used;
  }
  return "incomplete";
}

TEST(Framing, HeadsPastTheirLimitAreRefused) {
  const std::string begin = "GET / HTTP/1.1\r\nHost: a\r\n";
  EXPECT_EQ(refusal_of(begin + "X: " + std::string(40'000, 'x') + "\r\n\r\n"), "headers_too_large");
  EXPECT_EQ(refusal_of(begin + "X: " + std::string(32'000, 'x') + "\r\n\r\n"), "complete");
  EXPECT_EQ(refusal_of("GET /" + std::string(9'000, 'x') + " HTTP/1.1\r\n"), "target_too_long");
  EXPECT_EQ(refusal_of(std::string(40'000, '\r')), "headers_too_large");
  std::string many = begin;
  for (int i = 0; i < 99; ++i) many += "X: y\r\n";
  EXPECT_EQ(refusal_of(many + "\r\n"), "complete");
  EXPECT_EQ(refusal_of(many + "X: y\r\n\r\n"), "too_many_headers");
}

TEST(Framing, TrailersPastTheirLimitAreRefused) {
  const std::string begin = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
  EXPECT_EQ(refusal_of(begin + "X: " + std::string(5'000, 'x') + "\r\n\r\n"), "trailers_too_large");
}

TEST(Framing, HeadsPastTheMemoryBudgetAreRefused) {
  BufferPool pool({.in_use_max = 512, .spare_max = 0});
  HeadPool heads(pool);
  const FramingLimits limits;
  RequestParser parser(heads, limits);
  std::string request = "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(600, 'x');
  const Fed fed = parser.feed({request.data(), request.size()});
  ASSERT_EQ(fed.event, FramingEvent::refused);
  EXPECT_EQ(parser.refusal().status, 503);
}

// Any cut of any of these streams must give the same messages.
TEST(Framing, RandomCutsChangeNothing) {
  Random random(7);
  for (const Vector& vector : read_vectors("framing_requests.txt")) {
    for (int round = 0; round < 20; ++round) {
      const auto piece = static_cast<std::size_t>(1 + random.below(40));
      ASSERT_EQ(run_requests(vector, piece), vector.expected) << vector.name;
    }
  }
}

}  // namespace
}  // namespace hanse::http
