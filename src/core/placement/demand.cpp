#include "core/placement/demand.h"

namespace hanse::placement {

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::chosen: return "chosen";
    case Reason::dearer: return "dearer";
    case Reason::misses_objective: return "misses_objective";
    case Reason::slower: return "slower";
    case Reason::busier: return "busier";
    case Reason::not_its_turn: return "not_its_turn";
    case Reason::later_id: return "later_id";
  }
  return "unknown";
}

}  // namespace hanse::placement
