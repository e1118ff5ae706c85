// src/adapters/engines/openai_dialect.h
// What engines that speak OpenAI's dialect have in common. Kinds begin from
// here and change what they get wrong.
#pragma once

#include <string>
#include <string_view>

#include "adapters/engines/body_splice.h"
#include "adapters/engines/engine.h"
#include "core/answer/question.h"

namespace hanse::engines {

std::string_view openai_path(answer::Dialect dialect);

// Puts the upstream's name of the model, and the output limit as `max_tokens`,
// the name that every engine knows. A limit under another name is renamed, so
// that no engine overlooks it, and empty ones beside it are cut, so that none
// believes them.
void splice_model_and_limit(const answer::Question& question, const Ask& ask, BodySplice& splice);

// Asks for a stream with usage in its last chunk, whatever the client wants to
// see of it: what is not reported cannot be billed right.
void splice_stream_with_usage(const answer::Question& question, BodySplice& splice);

// Puts the answer so far behind the client's words: as a last message of the
// assistant in a chat, at the end of the prompt in a completion.
void splice_answer_so_far(const answer::Question& question, const Ask& ask, BodySplice& splice);

// Which failure an error is by its status and the words that OpenAI, vLLM,
// SGLang and the hosted APIs use. A 200 is judged by its words alone.
answer::FailureReport classify_openai(const EngineError& error);

// A whole or streamed request as OpenAI's own API takes it; usage is asked for.
class OpenAiDialect : public Engine {
 public:
  [[nodiscard]] Status write_request(const answer::Question& question, std::string_view body,
                                     const Ask& ask, UpstreamRequest& out) const override;
  [[nodiscard]] answer::FailureReport classify(const EngineError& error) const override {
    return classify_openai(error);
  }
  [[nodiscard]] bool is_private_member(std::string_view) const override { return false; }

 protected:
  // What the kind must be told beside that.
  virtual void splice_own(const answer::Question&, const Ask&, BodySplice&) const {}
};

}  // namespace hanse::engines
