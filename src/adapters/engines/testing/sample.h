// src/adapters/engines/testing/sample.h
// For tests: replies that a real llama.cpp server sent (tests/e2e/samples),
// and decoders driven over them.
#pragma once

#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/engines/response_decoder.h"
#include "base/check.h"

namespace hanse::engines::testing {

struct Sample {
  std::int32_t status = 0;
  std::string content_type;
  std::string body;  // without the framing of chunks
};

inline std::string unchunked(std::string_view chunked) {
  std::string out;
  for (;;) {
    const std::size_t end = chunked.find("\r\n");
    HANSE_CHECK(end != std::string_view::npos);
    std::size_t size = 0;
    std::from_chars(chunked.data(), chunked.data() + end, size, 16);
    if (size == 0) return out;
    out.append(chunked.substr(end + 2, size));
    chunked.remove_prefix(end + 2 + size + 2);
  }
}

inline Sample read_sample(std::string_view name) {
  const std::string path =
      std::string(HANSE_SOURCE_DIR "/tests/e2e/samples/") + std::string(name) + ".txt";
  std::ifstream file(path, std::ios::binary);
  HANSE_CHECK(file.is_open());
  std::stringstream text;
  text << file.rdbuf();
  const std::string reply = text.str();
  const std::size_t head_end = reply.find("\r\n\r\n");
  HANSE_CHECK(head_end != std::string::npos);
  const std::string_view head = std::string_view(reply).substr(0, head_end);

  Sample sample;
  std::from_chars(head.data() + 9, head.data() + 12, sample.status);
  constexpr std::string_view kContentType = "Content-Type: ";
  if (const std::size_t at = head.find(kContentType); at != std::string_view::npos) {
    const std::string_view rest = head.substr(at + kContentType.size());
    sample.content_type = rest.substr(0, rest.find("\r\n"));
  }
  sample.body = reply.substr(head_end + 4);
  if (head.contains("chunked")) sample.body = unchunked(sample.body);
  return sample;
}

// A delta with its views copied, and how the decoder ended.
struct Seen {
  std::string text;
  std::string reasoning;
  std::string refusal;
  std::string tool_calls;
  std::string logprobs;
  std::uint32_t choice = 0;
  bool has_choice = false;
  bool has_role = false;
  bool has_vendor_part = false;
  answer::Finish finish = answer::Finish::none;
  std::optional<Usage> usage;
  std::optional<std::uint32_t> usage_of_choice;
  std::string json;

  bool operator==(const Seen&) const = default;
};

struct Decoded {
  std::vector<Seen> deltas;
  Step end = Step::more;
  answer::FailureReport failure;

  [[nodiscard]] std::string text(std::uint32_t choice = 0) const {
    std::string out;
    for (const Seen& seen : deltas) {
      if (seen.choice == choice) out += seen.text;
    }
    return out;
  }
};

inline Seen seen(const answer::Delta& delta) {
  return {.text = std::string(delta.text),
          .reasoning = std::string(delta.reasoning),
          .refusal = std::string(delta.refusal),
          .tool_calls = std::string(delta.tool_calls),
          .logprobs = std::string(delta.logprobs),
          .choice = delta.choice,
          .has_choice = delta.has_choice,
          .has_role = delta.has_role,
          .has_vendor_part = !delta.vendor_part.empty(),
          .finish = delta.finish,
          .usage = delta.usage,
          .usage_of_choice = delta.usage_of_choice,
          .json = std::string(delta.json)};
}

struct Reply {
  std::int32_t status = 200;
  std::string content_type = "text/event-stream";
  std::string retry_after = {};
  std::vector<std::string> reads = {};  // the body as it arrives
  BodyEnd end = BodyEnd::clean;
};

// Calls `take(delta)` for each delta.
template <typename Take>
Step drive(ResponseDecoder& decoder, const Reply& reply, Take&& take) {
  decoder.begin({.status = reply.status,
                 .content_type = reply.content_type,
                 .retry_after = reply.retry_after,
                 .now = WallTime(1'795'410'677'000'000'000)});
  answer::Delta delta;
  const auto pull = [&] {
    for (;;) {
      const Step step = decoder.next(delta);
      if (step != Step::delta) return step;
      take(delta);
    }
  };
  for (const std::string& bytes : reply.reads) {
    // A copy of its own size, so that a sanitizer sees any read past its end.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    decoder.feed({exact.data(), exact.size()});
    if (const Step step = pull(); step != Step::more) return step;
  }
  decoder.feed_end(reply.end);
  return pull();
}

inline Decoded decode(std::string_view kind, const DecoderOptions& options, const Reply& reply) {
  const Engine* const engine = find_engine(kind);
  HANSE_CHECK(engine != nullptr);
  ResponseDecoder decoder(*engine, options);
  Decoded out;
  out.end =
      drive(decoder, reply, [&](const answer::Delta& delta) { out.deltas.push_back(seen(delta)); });
  if (out.end == Step::failed) out.failure = decoder.failure();
  return out;
}

// `text` cut at the given places.
inline std::vector<std::string> cut(std::string_view text, const std::vector<std::size_t>& places) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  for (const std::size_t place : places) {
    if (place <= at || place >= text.size()) continue;
    parts.emplace_back(text.substr(at, place - at));
    at = place;
  }
  parts.emplace_back(text.substr(at));
  return parts;
}

}  // namespace hanse::engines::testing
