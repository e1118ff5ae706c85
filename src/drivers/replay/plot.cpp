#include "drivers/replay/plot.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"

namespace hanse::replay {
namespace {

class PlottedDirector final : public Director {
 public:
  // Requires: `plot` and `report` outlive the director.
  PlottedDirector(const Plot& plot, SimulationReport& report) : plot_(plot), report_(report) {}

  std::optional<MonotonicTime> next_arrival() override {
    if (next_ == plot_.requests.size()) return std::nullopt;
    return plot_.requests[next_].at;
  }

  Asked ask(const dispatch::Snapshot& snapshot) override {
    static_cast<void>(snapshot);
    Asked asked = plot_.requests[next_].asked;
    asked.tag = next_++;
    return asked;
  }

  AttemptScript script(const Asked& asked, std::string_view site, std::uint8_t attempt) override {
    static_cast<void>(site);
    const std::vector<AttemptScript>& scripts = plot_.requests[asked.tag].attempts;
    return attempt < scripts.size() ? scripts[attempt] : AttemptScript{};
  }

  void ended(const Asked& asked, const Outcome& outcome, const dispatch::Dispatch& dispatch,
             dispatch::RequestRef request) override {
    static_cast<void>(asked);
    const dispatch::Record& record = dispatch.record(request);
    ++report_.ends[static_cast<std::size_t>(record.end)];
    report_.delivered += outcome.delivered;
    report_.charged += record.charged;
    report_.written_off += record.written_off;
    for (const auto& attempt : record.attempts) report_.owed += attempt.owed;
  }

 private:
  const Plot& plot_;
  SimulationReport& report_;
  std::size_t next_ = 0;
};

struct Scheduler {
  VirtualGrid& grid;
  const Plot& plot;
  MonotonicTime at;

  void operator()(const SiteChange& change) const {
    grid.site_becomes(at, change.site, change.becomes);
  }
  void operator()(const LinkChange& change) const {
    grid.link_slows(at, change.site, change.slower_by);
  }
  void operator()(const DrillChange& change) const {
    grid.site_drilled(at, change.site, change.lasts);
  }
  void operator()(const DiskChange& change) const { grid.disk_slows(at, change.turn_max); }
  void operator()(const ClockChange& change) const { grid.clock_jumps(at, change.forward); }
  void operator()(const SnapshotChange& change) const {
    grid.snapshot_changes(at, plot.snapshots.at(change.snapshot));
  }
  void operator()(const TellingChange& change) const {
    grid.site_tells(at, change.site, change.telling);
  }
};

GridCounts sum(GridCounts a, const GridCounts& b) {
  a.happenings += b.happenings;
  a.events += b.events;
  a.actions += b.actions;
  a.requests += b.requests;
  a.attempts += b.attempts;
  a.continued += b.continued;
  a.repeated += b.repeated;
  a.rescued += b.rescued;
  a.hedges += b.hedges;
  a.hedges_won += b.hedges_won;
  a.turned_away += b.turned_away;
  a.late_news += b.late_news;
  a.pauses += b.pauses;
  a.queue_longest = std::max(a.queue_longest, b.queue_longest);
  return a;
}

// What is left of the plot for the gateway that starts at `now` after the
// other has died: sites are as they were.
Plot after_death(const Plot& plot, MonotonicTime now) {
  Plot rest;
  rest.snapshots = plot.snapshots;
  rest.dispatch = plot.dispatch;
  rest.seed = plot.seed;
  const auto later = [&](MonotonicTime at) {
    return MonotonicTime() + std::max(elapsed(now, at), Duration());
  };
  for (const PlottedRequest& request : plot.requests) {
    if (request.at <= now) continue;
    rest.requests.push_back(request);
    rest.requests.back().at = later(request.at);
  }
  for (const PlottedChange& change : plot.changes) {
    // The operator's drills die with the gateway, and clocks have jumped.
    const bool is_lasting = !std::holds_alternative<DrillChange>(change.what) &&
                            !std::holds_alternative<ClockChange>(change.what);
    if (change.at <= now && !is_lasting) continue;
    rest.changes.push_back({.at = later(change.at), .what = change.what});
  }
  return rest;
}

struct Recording {
  std::string& out;
  const SnapshotText& text_of;
};

void play_life(const Plot& plot, std::vector<ledger::Entry> past, const Recording* recording,
               SimulationReport& report) {
  PlottedDirector director(plot, report);
  GridOptions options;
  options.starts_at = plot.starts_at;
  options.dispatch = plot.dispatch;
  options.seed = plot.seed;
  options.past = std::move(past);
  options.death = plot.death;
  VirtualGrid grid(plot.snapshots.front(), director, options);
  if (recording != nullptr) grid.record_to(recording->out, recording->text_of);
  for (const PlottedChange& change : plot.changes) {
    std::visit(Scheduler{.grid = grid, .plot = plot, .at = change.at}, change.what);
  }
  grid.run();

  report.counts = sum(report.counts, grid.counts());
  report.simulated += elapsed(MonotonicTime(), grid.now().monotonic);
  report.complaints = grid.complaints();
  if (!grid.died()) {
    report.digest ^= grid.digest();
    return;
  }
  if (!report.holds()) return;
  ++report.deaths;
  const Remains remains = grid.remains();
  report.lost += remains.open.size();
  Plot rest = after_death(plot, grid.now().monotonic);
  rest.starts_at = grid.now().wall;
  Recovered recovered = recover(remains, rest.starts_at);
  report.complaints = std::move(recovered.complaints);
  if (!report.holds()) return;
  RunDigest digest;
  digest.add(grid.digest());
  digest.add(recovered.journal.size());
  report.digest = digest.value();
  play_life(rest, std::move(recovered.journal), nullptr, report);
}

}  // namespace

SimulationReport play(const Plot& plot) {
  HANSE_CHECK(!plot.snapshots.empty());
  SimulationReport report;
  play_life(plot, {}, nullptr, report);
  return report;
}

SimulationReport play(const Plot& plot, std::string& recording, const SnapshotText& text_of) {
  HANSE_CHECK(!plot.snapshots.empty() && !plot.death);
  SimulationReport report;
  const Recording to{.out = recording, .text_of = text_of};
  play_life(plot, {}, &to, report);
  return report;
}

std::string describe(const SimulationReport& report) {
  std::string text = fmt::format(
      "{} requests, {} attempts ({} continued, {} repeated an answer, {} answers "
      "rescued; {} hedges, {} won), "
      "{} events, {} actions in {} of virtual time\n",
      report.counts.requests, report.counts.attempts, report.counts.continued,
      report.counts.repeated, report.counts.rescued, report.counts.hedges, report.counts.hedges_won,
      report.counts.events, report.counts.actions, to_string(report.simulated));
  for (std::size_t i = 0; i < kEnds; ++i) {
    if (report.ends[i] == 0) continue;
    text += fmt::format("  {}: {}\n", dispatch::to_string(static_cast<dispatch::End>(i)),
                        report.ends[i]);
  }
  if (report.deaths > 0) {
    text += fmt::format("  killed {} times, with {} requests open\n", report.deaths, report.lost);
  }
  text +=
      fmt::format("  delivered {} tokens, charged {}, owed {}, written off {}, digest {:016x}\n",
                  report.delivered.count(), to_decimal(report.charged), to_decimal(report.owed),
                  to_decimal(report.written_off), report.digest);
  for (const std::string& complaint : report.complaints) text += "  BROKEN: " + complaint + "\n";
  return text;
}

}  // namespace hanse::replay
