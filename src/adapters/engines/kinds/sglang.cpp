// SGLang's server. It speaks OpenAI's dialect; a last message of the assistant
// is gone on with when a member of its own says so (sgl-project/sglang, pull
// request 4226).
#include "adapters/engines/openai_dialect.h"

namespace hanse::engines {
namespace {

class Sglang final : public OpenAiDialect {
 public:
  [[nodiscard]] std::string_view kind() const override { return "sglang"; }

  [[nodiscard]] const Capabilities& capabilities() const override {
    static constexpr Capabilities kCapabilities{
        .continues_chat = true,
        .idle_close = seconds(5),  // uvicorn's
        // Only where it was started with --enable-metrics.
        .metrics = {.path = "/metrics",
                    .running = "sglang:num_running_reqs",
                    .waiting = "sglang:num_queue_reqs",
                    .kv_use = {"sglang:token_usage"}},
    };
    return kCapabilities;
  }

 protected:
  void splice_own(const answer::Question& question, const Ask& ask,
                  BodySplice& splice) const override {
    if (ask.answer_so_far.empty() || question.dialect != answer::Dialect::chat) return;
    splice.add("continue_final_message", "true");
  }
};

const Sglang engine;
const EngineRegistration registration(engine);

}  // namespace
}  // namespace hanse::engines
