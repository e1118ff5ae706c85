// Each alias goes round its offers in order of id; those that may not be used
// now are passed over. Blind to price, speed and load; here to be compared
// with.

#include <vector>

#include "core/placement/strategy.h"

namespace hanse::placement {
namespace {

class RoundRobin final : public Strategy {
 public:
  void rank(Field field, Ranking& ranking) const override {
    const std::size_t alias = field.demand().alias.value();
    const std::size_t next = alias < next_.size() ? next_[alias] : 0;
    field.for_each([&](OfferId offer, std::uint64_t cached) {
      const bool already_had_its_turn = offer.value() < next;
      ranking.add({{already_had_its_turn ? std::uint64_t{1} : 0, 0}, offer, cached});
    });
  }

  [[nodiscard]] Reason why_not(const Score&, const Score&) const override {
    return Reason::not_its_turn;
  }

  void chose(const Demand& demand, OfferId offer) override {
    const std::size_t alias = demand.alias.value();
    if (alias >= next_.size()) next_.resize(alias + 1, 0);
    next_[alias] = offer.value() + 1;
  }

 private:
  std::vector<std::size_t> next_;  // by AliasId: where the next turn begins
};

HANSE_PLACEMENT_STRATEGY(RoundRobin, "round_robin");

}  // namespace
}  // namespace hanse::placement
