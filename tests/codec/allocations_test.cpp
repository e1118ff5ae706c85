// How often the codecs allocate, counted by a replaced operator new: not at all
// for an event of a stream, a handful of times for a request.
#include <gtest/gtest.h>

#include <string>

#include "adapters/api/request_codec.h"
#include "adapters/api/stream_writer.h"
#include "adapters/api/whole_writer.h"
#include "adapters/engines/response_decoder.h"
#include "base/testing/allocations.h"
#include "core/answer/answer.h"

namespace hanse {
namespace {

using answer::Dialect;

const std::string kEvent =
    R"(data: {"choices":[{"finish_reason":null,"index":0,"delta":{"content":" there"}}],)"
    R"("created":1795410677,"id":"chatcmpl-uvfvZn8zmQmoKXZpvh2zGecC2vEqCQDe","model":"smollm2",)"
    R"("system_fingerprint":"b0-unknown","object":"chat.completion.chunk"})"
    "\n\n";
const std::string kBody =
    R"({"model":"smollm2","messages":[{"role":"system","content":"You are a terse assistant."},)"
    R"({"role":"user","content":"What is the capital of France, and what is it known for?"}],)"
    R"("max_tokens":64,"temperature":0.2,"top_p":0.95,"stream":true})";

class Allocations : public ::testing::Test {
 protected:
  const engines::Engine& engine_ = *engines::find_engine("llama.cpp");
  const engines::DecoderOptions options_;
  const api::ReplyIdentity identity_{.dialect = Dialect::chat,
                                     .request_id = "4f1c2d3e5a6b7c8d4f1c2d3e5a6b7c8d-1-17",
                                     .alias = "smollm2",
                                     .created_unix_seconds = 1'795'410'677};
  const engines::ReplyHead head_{.status = 200, .content_type = "text/event-stream"};
};

TEST_F(Allocations, AStreamedEventMakesNone) {
  engines::ResponseDecoder decoder(engine_, options_);
  decoder.begin(head_);
  answer::Answer answer(Dialect::chat, 1);
  const api::StreamWriter writer(identity_);
  std::string out;
  answer::Delta delta;
  const auto pass = [&](std::string_view bytes) {
    out.clear();
    decoder.feed(bytes);
    while (decoder.next(delta) == engines::Step::delta) {
      writer.write(delta, answer.take(delta), out);
    }
  };
  const auto pass_in_halves = [&] {
    pass(std::string_view(kEvent).substr(0, 100));
    pass(std::string_view(kEvent).substr(100));
  };
  // The buffers grow to their size once.
  for (int i = 0; i < 3; ++i) pass(kEvent), pass_in_halves();
  EXPECT_EQ(allocations_of([&] { pass(kEvent); }), 0U);
  EXPECT_EQ(allocations_of([&] { pass_in_halves(); }), 0U);
}

TEST_F(Allocations, AQuestionAndItsRequestMakeFew) {
  api::QuestionScratch scratch;
  engines::UpstreamRequest request;
  const auto pass = [&] {
    const auto question = api::read_question(Dialect::chat, kBody, scratch);
    ASSERT_TRUE(question);
    ASSERT_TRUE(engine_.write_request(
        *question, kBody, {.upstream_model = "smollm2", .output_limit = Tokens(64)}, request));
  };
  pass();
  EXPECT_EQ(allocations_of(pass), 0U);
}

TEST_F(Allocations, AStreamAllocatesAsItBeginsAndNotAfter) {
  std::string out;
  out.reserve(4096);
  answer::Delta delta;
  const auto stream = [&] {
    engines::ResponseDecoder decoder(engine_, options_);
    decoder.begin(head_);
    answer::Answer answer(Dialect::chat, 1);
    const api::StreamWriter writer(identity_);
    for (int i = 0; i < 100; ++i) {
      out.clear();
      decoder.feed(kEvent);
      while (decoder.next(delta) == engines::Step::delta) {
        writer.write(delta, answer.take(delta), out);
      }
    }
  };
  EXPECT_LE(allocations_of(stream), 1U);
}

TEST_F(Allocations, AWholeReplyMakesFew) {
  std::string out;
  out.reserve(4096);
  answer::Delta delta;
  const auto whole = [&] {
    engines::ResponseDecoder decoder(engine_, options_);
    decoder.begin(head_);
    answer::Answer answer(Dialect::chat, 1);
    api::WholeAssembler assembler(Dialect::chat);
    for (int i = 0; i < 100; ++i) {
      decoder.feed(kEvent);
      while (decoder.next(delta) == engines::Step::delta) {
        if (answer.take(delta).forward) assembler.add(delta);
      }
    }
    out.clear();
    assembler.write(identity_, answer.usage(Tokens(9)),
                    {.request_id = "r", .site = "hamburg", .currency = "EUR"}, out);
  };
  EXPECT_LE(allocations_of(whole), 5U);
}

}  // namespace
}  // namespace hanse
