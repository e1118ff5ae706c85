// Any bytes are a record or an error; a record that was read is written as the
// same bytes, and one that fits a snapshot names only what is there.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "core/dispatch/record_codec.h"
#include "core/dispatch/testing/four_sites.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse::dispatch;
  static const testing::FourSites grid;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  (void)read_record_head(bytes);
  auto stored = read_record(bytes);
  if (!stored) return 0;

  std::string again;
  write_record(stored->record, stored->extras, again);
  HANSE_CHECK(again == bytes);

  // Nobody guesses a digest, so it is made to fit.
  stored->record.snapshot = grid.snapshot().digest;
  if (check_record(stored->record, grid.snapshot())) {
    for (const AttemptRecord& attempt : stored->record.attempts) {
      HANSE_CHECK(grid.snapshot().fleet.offers[attempt.decision.chosen].site == attempt.site);
    }
  }
  return 0;
}
