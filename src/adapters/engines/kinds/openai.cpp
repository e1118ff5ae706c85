// OpenAI's own API and everything that speaks it well enough: hosted APIs,
// gateways, vLLM and SGLang as far as they keep to it.
#include "adapters/engines/openai_dialect.h"

namespace hanse::engines {
namespace {

class OpenAi final : public OpenAiDialect {
 public:
  [[nodiscard]] std::string_view kind() const override { return "openai"; }
  [[nodiscard]] const Capabilities& capabilities() const override {
    static constexpr Capabilities kCapabilities{.health_path = "/v1/models"};
    return kCapabilities;
  }
};

const OpenAi engine;
const EngineRegistration registration(engine);

}  // namespace
}  // namespace hanse::engines
