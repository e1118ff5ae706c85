#include "base/testing/allocations.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>

#include "core/limits/fair_queue.h"

namespace hanse::limits {
namespace {

TEST(FairQueue, AsksForNoMemoryOnceItHasGrown) {
  FairQueue queue({.waiting_max = 64});
  const ShareLine acme = queue.set("acme", 1);
  const ShareLine borg = queue.set("borg", 2);
  MonotonicTime now;
  const auto fill_and_empty = [&] {
    for (std::uint64_t i = 0; i < 80; ++i) {
      now = now + milliseconds(1);
      const Waiting waiting{.request = i,
                            .tenant = i % 3 == 0 ? acme : borg,
                            .priority = static_cast<std::uint8_t>(i % 4),
                            .route = i % 5,
                            .expected = {.prompt = Tokens(9), .output = Tokens(9)},
                            .deadline = now + seconds(100)};
      (void)queue.try_add(waiting, now);
    }
    while (queue.next([](const Waiting& w) { return w.route != 3; }, now)) {
    }
    while (queue.shed_due(now + seconds(200))) {
    }
  };
  fill_and_empty();
  EXPECT_EQ(allocations_of(fill_and_empty), 0);
}

}  // namespace
}  // namespace hanse::limits
