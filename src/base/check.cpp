#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace hanse {

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "hanse: broken invariant: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace hanse
