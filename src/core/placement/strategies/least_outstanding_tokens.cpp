// The offer with the fewest prompt and expected output tokens under way: what
// most routers of the field do. Blind to price, speed and distance; here to be
// compared with.

#include "core/placement/strategy.h"

namespace hanse::placement {
namespace {

class LeastOutstandingTokens final : public Strategy {
 public:
  void rank(Field field, Ranking& ranking) const override {
    field.for_each([&](OfferId offer, std::uint64_t cached) {
      const std::int64_t tokens = field.loads().of(offer).outstanding_tokens.count();
      ranking.add({{static_cast<std::uint64_t>(tokens), 0}, offer, cached});
    });
  }

  [[nodiscard]] Reason why_not(const Score& chosen, const Score& other) const override {
    return other == chosen ? Reason::later_id : Reason::busier;
  }
};

HANSE_PLACEMENT_STRATEGY(LeastOutstandingTokens, "least_outstanding_tokens");

}  // namespace
}  // namespace hanse::placement
