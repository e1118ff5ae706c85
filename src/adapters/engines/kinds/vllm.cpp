// vLLM's server. It speaks OpenAI's dialect; a last message of the assistant is
// gone on with when two members of its own say so
// (docs.vllm.ai, "OpenAI-Compatible Server", extra parameters).
#include "adapters/engines/openai_dialect.h"

namespace hanse::engines {
namespace {

class Vllm final : public OpenAiDialect {
 public:
  [[nodiscard]] std::string_view kind() const override { return "vllm"; }

  [[nodiscard]] const Capabilities& capabilities() const override {
    static constexpr Capabilities kCapabilities{
        .continues_chat = true,
        .idle_close = seconds(5),  // uvicorn's
        .metrics = {.path = "/metrics",
                    .running = "vllm:num_requests_running",
                    .waiting = "vllm:num_requests_waiting",
                    .kv_use = {"vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"}},
    };
    return kCapabilities;
  }

 protected:
  void splice_own(const answer::Question& question, const Ask& ask,
                  BodySplice& splice) const override {
    if (ask.answer_so_far.empty() || question.dialect != answer::Dialect::chat) return;
    splice.add("continue_final_message", "true");
    splice.add("add_generation_prompt", "false");
  }
};

const Vllm engine;
const EngineRegistration registration(engine);

}  // namespace
}  // namespace hanse::engines
