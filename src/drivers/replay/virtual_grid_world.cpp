// What happens to a grid as a whole: to its sites and links, its disk, its
// clock and its configuration, and that it is killed.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "core/dispatch/policy_of_attempts.h"
#include "drivers/replay/virtual_grid.h"

namespace hanse::replay {

VirtualGrid::Place VirtualGrid::place_of(std::string_view site) const {
  const auto place = places_.find(site);
  HANSE_CHECK(place != places_.end());
  return place->second;
}

void VirtualGrid::site_becomes(MonotonicTime time, std::string_view site, Condition condition) {
  at(time, SiteBecomes{.place = place_of(site), .condition = condition});
}

void VirtualGrid::snapshot_changes(MonotonicTime time, dispatch::SnapshotRef snapshot) {
  learn_of_sites(*snapshot);
  at(time, SnapshotChanges{std::move(snapshot)});
}

void VirtualGrid::site_drilled(MonotonicTime time, std::string_view site, Duration lasts) {
  at(time, DrillBegins{.place = place_of(site), .lasts = lasts});
}

void VirtualGrid::link_slows(MonotonicTime time, std::string_view site, Duration by) {
  at(time, LinkSlows{.place = place_of(site), .by = by});
}

void VirtualGrid::disk_slows(MonotonicTime time, Duration turn_max) {
  at(time, DiskSlows{turn_max});
}

void VirtualGrid::clock_jumps(MonotonicTime time, Duration by) { at(time, ClockJumps{by}); }

void VirtualGrid::learn_of_sites(const dispatch::Snapshot& snapshot) {
  for (const fleet::Site& site : snapshot.fleet.sites) {
    if (!places_.emplace(site.name, sites_.size()).second) continue;
    sites_.push_back({.name = site.name, .model = SiteModel(site.slots)});
  }
}

void VirtualGrid::happen(const ProbeReturns& returning) {
  // Indices of sites are a snapshot's, and it may have changed meanwhile.
  const auto site = dispatch_.snapshot().fleet.sites.find(sites_[returning.place].name);
  if (!site) return;
  tell(dispatch::SiteReported{
      .site = *site,
      .finding = returning.healthy ? fleet::Finding::answers : fleet::Finding::fails});
}

void VirtualGrid::happen(const WakeUp&) {
  next_wake_.reset();
  tell(dispatch::Woke{});
}

void VirtualGrid::happen(const TurnEnds&) {
  turn_ends_ = false;
  performing_.swap(waiting_);
  entries_written_ = witness_.entries().size();
  for (const dispatch::Action& action : performing_) {
    if (dies()) return;
    perform(action);
  }
  performing_.clear();
}

void VirtualGrid::happen(const LateNews& news) {
  const Exchange& exchange = exchanges_[news.request.slot];
  const auto is_it = [&](const Line& line) { return line.job && line.attempt == news.attempt; };
  const bool under_way =
      exchange.ref == news.request &&
      (is_it(exchange.line) || (exchange.beside && is_it(*exchange.beside)));
  if (under_way) return;
  ++counts_.late_news;
  const std::size_t actions =
      tell(dispatch::FirstToken{.request = news.request, .attempt = news.attempt}) +
      tell(dispatch::Progressed{
          .request = news.request, .attempt = news.attempt, .output = Tokens(1'000)}) +
      tell(dispatch::AttemptEnded{
          .request = news.request, .attempt = news.attempt, .usage = {}, .retry_after = {}});
  if (actions > 0) witness_.complain("late news of an attempt that is over changes something");
}

void VirtualGrid::happen(const SnapshotChanges& changing) {
  tell(dispatch::SnapshotChanged{changing.snapshot});
}

void VirtualGrid::happen(const DrillBegins& beginning) {
  const auto site = dispatch_.snapshot().fleet.sites.find(sites_[beginning.place].name);
  if (site) tell(dispatch::SiteDrilled{.site = *site, .lasts = beginning.lasts});
}

void VirtualGrid::happen(const LinkSlows& slowing) { sites_[slowing.place].slower_by = slowing.by; }

void VirtualGrid::happen(const DiskSlows& slowing) { options_.turn_max = slowing.turn_max; }

void VirtualGrid::happen(const ClockJumps& jumping) { clock_.put_forward(jumping.by); }

bool VirtualGrid::dies() {
  if (!options_.death || clock_.monotonic() < options_.death->at) return false;
  died_ = died_ || steps_++ >= options_.death->steps;
  return died_;
}

Remains VirtualGrid::remains() const {
  HANSE_CHECK(options_.death.has_value());
  Remains remains;
  remains.journal = options_.past;
  const std::vector<ledger::Entry>& entries = witness_.entries();
  if (options_.past.empty()) {
    remains.journal.push_back(
        {.at = options_.starts_at,
         .body = ledger::EpochStarted{.epoch = ledger::Epoch(1), .machine_boot = {}}});
  }
  const std::size_t unsafe = entries.size() - entries_written_;
  const std::size_t written = entries_written_ + unsafe * options_.death->written_ppm / 1'000'000;
  remains.journal.insert(remains.journal.end(), entries.begin(),
                         entries.begin() + static_cast<std::ptrdiff_t>(written));
  remains.told = told_;
  for (const Exchange& exchange : exchanges_) {
    if (!exchange.open) continue;
    const dispatch::Record& record = dispatch_.record(exchange.ref);
    remains.open.push_back({.request = record.number,
                            .attempt = ledger::AttemptNumber(exchange.attempts_sent),
                            .left = exchange.left,
                            .most = dispatch::most_tokens(record)[TokenKind::output]});
  }
  return remains;
}

}  // namespace hanse::replay
