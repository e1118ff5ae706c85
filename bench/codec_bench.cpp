// What the codecs cost: one streamed event from engine to client, one request
// from client to engine, and the JSON walk beside simdjson's.
//
//   build/release/bench/codec_bench
#include <benchmark/benchmark.h>
#include <simdjson.h>

#include <string>

#include "adapters/api/request_codec.h"
#include "adapters/api/stream_writer.h"
#include "adapters/api/whole_writer.h"
#include "adapters/engines/response_decoder.h"
#include "base/json_cursor.h"
#include "core/answer/answer.h"

namespace hanse {
namespace {

constexpr std::string_view kEventJson =
    R"({"choices":[{"finish_reason":null,"index":0,"delta":{"content":" there"}}],)"
    R"("created":1795410677,"id":"chatcmpl-uvfvZn8zmQmoKXZpvh2zGecC2vEqCQDe","model":"smollm2",)"
    R"("system_fingerprint":"b0-unknown","object":"chat.completion.chunk"})";

std::string event() { return "data: " + std::string(kEventJson) + "\n\n"; }

std::string chat_request(std::size_t bytes) {
  std::string body =
      R"({"model":"smollm2","messages":[{"role":"system","content":"You are a terse assistant."},)"
      R"({"role":"user","content":")";
  constexpr std::string_view kTail =
      R"("}],"max_tokens":64,"temperature":0.2,"top_p":0.95,"seed":7,"stream":true,)"
      R"("stream_options":{"include_usage":true}})";
  while (body.size() + kTail.size() < bytes) body += "The quick brown fox. ";
  return body + std::string(kTail);
}

api::ReplyIdentity identity() {
  return {.dialect = answer::Dialect::chat,
          .request_id = "4f1c2d3e5a6b7c8d-0000-000001",
          .alias = "smollm2",
          .created_unix_seconds = 1'795'410'677};
}

// One event: split from the bytes, read, judged, written.
void streamed_event(benchmark::State& state) {
  const engines::Engine& engine = *engines::find_engine("llama.cpp");
  const engines::DecoderOptions options;
  const std::string bytes = event();
  engines::ResponseDecoder decoder(engine, options);
  decoder.begin({.status = 200, .content_type = "text/event-stream", .retry_after = {}, .now = {}});
  answer::Answer answer(answer::Dialect::chat, 1);
  const api::StreamWriter writer(identity());
  std::string out;
  answer::Delta delta;
  for (auto _ : state) {
    out.clear();
    decoder.feed(bytes);
    while (decoder.next(delta) == engines::Step::delta) {
      writer.write(delta, answer.take(delta), out);
    }
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes.size()) * state.iterations());
}
BENCHMARK(streamed_event);

// The same when every event is split between two reads.
void streamed_event_split(benchmark::State& state) {
  const engines::Engine& engine = *engines::find_engine("llama.cpp");
  const engines::DecoderOptions options;
  const std::string bytes = event();
  engines::ResponseDecoder decoder(engine, options);
  decoder.begin({.status = 200, .content_type = "text/event-stream", .retry_after = {}, .now = {}});
  answer::Answer answer(answer::Dialect::chat, 1);
  const api::StreamWriter writer(identity());
  std::string out;
  answer::Delta delta;
  for (auto _ : state) {
    out.clear();
    for (const std::string_view part :
         {std::string_view(bytes).substr(0, 100), std::string_view(bytes).substr(100)}) {
      decoder.feed(part);
      while (decoder.next(delta) == engines::Step::delta) {
        writer.write(delta, answer.take(delta), out);
      }
    }
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(streamed_event_split);

void assembled_event(benchmark::State& state) {
  const engines::Engine& engine = *engines::find_engine("llama.cpp");
  const engines::DecoderOptions options;
  const std::string bytes = event();
  engines::ResponseDecoder decoder(engine, options);
  decoder.begin({.status = 200, .content_type = "text/event-stream", .retry_after = {}, .now = {}});
  answer::Answer answer(answer::Dialect::chat, 1);
  api::WholeAssembler assembler(answer::Dialect::chat);
  answer::Delta delta;
  for (auto _ : state) {
    decoder.feed(bytes);
    while (decoder.next(delta) == engines::Step::delta) {
      if (answer.take(delta).forward) assembler.add(delta);
    }
    if (assembler.bytes() > 4096) assembler = api::WholeAssembler(answer::Dialect::chat);
  }
}
BENCHMARK(assembled_event);

// A request of so many bytes: read, and spliced for llama.cpp.
void request(benchmark::State& state) {
  const engines::Engine& engine = *engines::find_engine("llama.cpp");
  const std::string body = chat_request(static_cast<std::size_t>(state.range(0)));
  api::QuestionScratch scratch;
  engines::UpstreamRequest upstream;
  for (auto _ : state) {
    const auto question = api::read_question(answer::Dialect::chat, body, scratch);
    const auto status = engine.write_request(
        *question, body, {.upstream_model = "smollm2-135m", .output_limit = Tokens(64)}, upstream);
    benchmark::DoNotOptimize(status);
    benchmark::DoNotOptimize(upstream.pieces().data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(body.size()) * state.iterations());
}
BENCHMARK(request)->Arg(355)->Arg(4096)->Arg(262'144)->Arg(16 << 20);

// The walk alone: everything validated, nothing kept.
void walk_cursor(benchmark::State& state) {
  const std::string text = state.range(0) == 0
                               ? std::string(kEventJson)
                               : chat_request(static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) {
    JsonCursor json(text);
    bool valid = json.skip() && json.at_end();
    benchmark::DoNotOptimize(valid);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}
BENCHMARK(walk_cursor)->Arg(0)->Arg(355)->Arg(262'144)->Arg(16 << 20);

// On-Demand validates only what it reads, so every value is read.
void walk_value(simdjson::ondemand::value value) {
  switch (value.type().value()) {
    case simdjson::ondemand::json_type::object:
      for (auto field : value.get_object()) {
        benchmark::DoNotOptimize(field.unescaped_key().value());
        walk_value(field.value());
      }
      break;
    case simdjson::ondemand::json_type::array:
      for (auto element : value.get_array()) walk_value(element.value());
      break;
    case simdjson::ondemand::json_type::string:
      benchmark::DoNotOptimize(value.get_string().value());
      break;
    case simdjson::ondemand::json_type::number:
      benchmark::DoNotOptimize(value.get_number().value());
      break;
    case simdjson::ondemand::json_type::boolean:
      benchmark::DoNotOptimize(value.get_bool().value());
      break;
    case simdjson::ondemand::json_type::null: benchmark::DoNotOptimize(value.is_null()); break;
  }
}

void walk_simdjson(benchmark::State& state) {
  const std::string text = state.range(0) == 0
                               ? std::string(kEventJson)
                               : chat_request(static_cast<std::size_t>(state.range(0)));
  simdjson::padded_string padded(text);
  simdjson::ondemand::parser parser;
  for (auto _ : state) {
    auto document = parser.iterate(padded);
    for (auto field : document.get_object()) {
      benchmark::DoNotOptimize(field.unescaped_key().value());
      walk_value(field.value());
    }
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}
BENCHMARK(walk_simdjson)->Arg(0)->Arg(355)->Arg(262'144)->Arg(16 << 20);

}  // namespace
}  // namespace hanse
