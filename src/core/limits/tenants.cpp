#include "core/limits/tenants.h"

namespace hanse::limits {

std::string_view to_string(Rescue rescue) {
  switch (rescue) {
    case Rescue::never: return "never";
    case Rescue::same_variant: return "same-variant";
    case Rescue::any_variant: return "any-variant";
  }
  return "unknown";
}

}  // namespace hanse::limits
