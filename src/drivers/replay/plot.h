// src/drivers/replay/plot.h
// All that is asked of a grid and all that goes wrong in one run, as data.
//
// A run is a function of its plot: nothing else is drawn while it is played.
// So a plot that breaks a rule can be written down, and made smaller piece by
// piece for as long as it still breaks it.
//
// Plain values.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/money.h"
#include "base/time.h"
#include "core/dispatch/dispatch.h"
#include "drivers/replay/trouble.h"
#include "drivers/replay/virtual_grid.h"

namespace hanse::replay {

// A client's request and how each of its attempts is treated, wherever it goes;
// attempts without a script go well.
struct PlottedRequest {
  MonotonicTime at;
  Asked asked;
  std::vector<AttemptScript> attempts;
};

// Something happens to the grid.
struct SiteChange {
  std::string site;
  Condition becomes = Condition::up;
};
struct LinkChange {
  std::string site;
  Duration slower_by;
};
struct TellingChange {
  std::string site;
  Telling telling;
};
struct DrillChange {
  std::string site;
  Duration lasts;
};
struct DiskChange {
  Duration turn_max;
};
struct ClockChange {
  Duration forward;
};
struct SnapshotChange {
  std::size_t snapshot = 0;
};
struct PlottedChange {
  MonotonicTime at;
  std::variant<SiteChange, LinkChange, DrillChange, DiskChange, ClockChange, SnapshotChange,
               TellingChange>
      what;
};

struct Plot {
  // Begun with the first. What they sell, to whom and under which labels has
  // the same order in all: requests name it by index.
  std::vector<dispatch::SnapshotRef> snapshots;
  WallTime starts_at;
  dispatch::DispatchOptions dispatch;
  std::uint64_t seed = 0;
  std::vector<PlottedRequest> requests;  // in order of time
  std::vector<PlottedChange> changes;    // likewise
  // The gateway is killed, and starts again with the journal and the clients
  // that have not come yet.
  std::optional<Death> death;
};

inline constexpr std::size_t kEnds = 13;  // values of dispatch::End

struct SimulationReport {
  std::uint64_t digest = 0;  // of all actions and their times
  GridCounts counts;
  std::array<std::uint64_t, kEnds> ends{};  // by dispatch::End
  Duration simulated;
  Tokens delivered{0};
  Money charged;
  Money owed;  // to suppliers
  Money written_off;
  std::uint64_t deaths = 0;
  std::uint64_t lost = 0;  // requests that were open at a death
  // Rules that were broken, as sentences; a run stops at the first.
  std::vector<std::string> complaints;

  [[nodiscard]] bool holds() const { return complaints.empty(); }
};

SimulationReport play(const Plot& plot);

// The same, written to `recording` as `serve --record` writes a live run.
// Requires: nobody dies.
SimulationReport play(const Plot& plot, std::string& recording, const SnapshotText& text_of);

// The report for people, in a few lines.
std::string describe(const SimulationReport& report);

}  // namespace hanse::replay
