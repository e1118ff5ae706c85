// The cheapest offer that is predicted to meet the latency class. When none
// does, the one that comes nearest: least late over the whole answer, see
// Field::lateness(). One order serves both: first by lateness, which is zero
// for all that meet the class, then by price.

#include "core/placement/strategy.h"

namespace hanse::placement {
namespace {

class CheapestWithinObjective final : public Strategy {
 public:
  void rank(Field field, Ranking& ranking) const override {
    // Inlined for the many without a cache and for the few with one.
    const auto consider = [&](OfferId offer, std::uint64_t cached) __attribute__((always_inline)) {
      // Most offers fail by one half of their score, so the other half need not
      // be known: by price once enough that meet the class are held, by
      // lateness before.
      const Score& bar = ranking.bar();
      if (bar.first == 0) {
        const unsigned __int128 price = field.cost(offer, cached);
        if (price > bar.second) return;
        ranking.add({{field.lateness(offer, cached), price}, offer, cached});
      } else {
        const std::uint64_t late = field.lateness(offer, cached);
        if (late > bar.first) return;
        ranking.add({{late, field.cost(offer, cached)}, offer, cached});
      }
    };
    // Once enough that meet the class are held, a dearer one cannot win.
    const auto too_dear = [&](unsigned __int128 cost) {
      return ranking.bar().first == 0 && cost > ranking.bar().second;
    };
    field.for_each_but(too_dear, consider);
  }

  [[nodiscard]] Reason why_not(const Score& chosen, const Score& other) const override {
    if (other == chosen) return Reason::later_id;
    if (other.first == chosen.first) return Reason::dearer;
    return chosen.first == 0 ? Reason::misses_objective : Reason::slower;
  }
};

HANSE_PLACEMENT_STRATEGY(CheapestWithinObjective, "cheapest_within_objective");

}  // namespace
}  // namespace hanse::placement
