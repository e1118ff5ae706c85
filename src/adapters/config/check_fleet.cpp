// Whether the owners make sense together.
#include <fmt/format.h>

#include <algorithm>

#include "adapters/config/draft.h"

namespace hanse::config {
namespace {

// Depth first along parents; a holder that is still being visited closes a ring.
class RingSearch {
 public:
  explicit RingSearch(Draft& draft)
      : draft_(draft), states_(draft.configuration.fleet.suppliers.size(), State::fresh) {}

  void run() {
    draft_.configuration.fleet.suppliers.for_each(
        [&](SupplierId id, const fleet::Supplier&) { visit(id); });
  }

 private:
  enum class State : std::uint8_t { fresh, open, done };

  // Iterative, for a chain of owners may be as long as the file.
  void visit(SupplierId start) {
    if (states_[start.value()] != State::fresh) return;
    struct Step {
      SupplierId entity;
      std::size_t next_parent;
    };
    std::vector<Step> steps = {{start, 0}};
    states_[start.value()] = State::open;
    while (!steps.empty()) {
      Step& step = steps.back();
      const auto& parents = draft_.configuration.fleet.suppliers[step.entity].parents;
      if (step.next_parent == parents.size()) {
        states_[step.entity.value()] = State::done;
        steps.pop_back();
        continue;
      }
      const SupplierId holder = parents[step.next_parent++].holder;
      if (states_[holder.value()] == State::open) {
        std::vector<SupplierId> ring;
        for (const Step& open : steps) ring.push_back(open.entity);
        ring.erase(ring.begin(), std::ranges::find(ring, holder));
        report(ring);
      } else if (states_[holder.value()] == State::fresh) {
        states_[holder.value()] = State::open;
        steps.push_back({holder, 0});
      }
    }
  }

  void report(const std::vector<SupplierId>& ring) {
    const auto& suppliers = draft_.configuration.fleet.suppliers;
    std::string text;
    for (const SupplierId entity : ring)
      text += fmt::format("'{}', which is controlled by ", suppliers[entity].name);
    const fleet::Supplier& first = suppliers[ring.front()];
    const Section section =
        top(draft_).section(first.offers_compute ? "supplier" : "owner").section(first.name);
    draft_.report.warning(
        section.place(),
        {section.path_of("parents"), fmt::format("a ring of owners: {}'{}'", text, first.name),
         "the law of all their homes reaches each of them"});
  }

  Draft& draft_;
  std::vector<State> states_;
};

}  // namespace

void check_fleet(Draft& draft) { RingSearch(draft).run(); }

}  // namespace hanse::config
