// src/drivers/replay/recording_check.h
// Decides a recorded run again and says whether the same was decided.
//
// A recording holds every event with its instant, and of what was decided
// then a digest only. So the first event whose digest differs is named with
// all that is decided now; what was decided then is known to be something
// else. After it the two runs have nothing to say to each other.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "core/dispatch/snapshot.h"

namespace hanse::replay {

// From the canonical text of a configuration to its snapshot.
using SnapshotLoader = std::function<Result<dispatch::SnapshotRef>(std::string_view text)>;

struct RecordingReport {
  struct Difference {
    std::uint64_t event = 0;  // counted from 1
    Instant at;
    std::string kind;  // of the event
    std::uint64_t recorded = 0;
    std::uint64_t decided = 0;
    std::vector<std::string> actions;  // that are decided now, a line each
  };

  std::uint64_t events = 0;  // decided again, the differing one among them
  std::uint64_t actions = 0;
  bool cut = false;  // the recording stops in the middle; what there is was checked
  Duration lasted;   // from the first event to the last
  std::optional<Difference> difference;

  [[nodiscard]] bool same() const { return !difference; }
};

// Fails: broken for bytes that are no recording or contradict themselves;
// whatever `load` fails with; broken when a text does not load to the digest
// that it was recorded with.
Result<RecordingReport> check_recording(std::string_view bytes, const SnapshotLoader& load);

// A few lines for people.
std::string describe(const RecordingReport& report);

}  // namespace hanse::replay
