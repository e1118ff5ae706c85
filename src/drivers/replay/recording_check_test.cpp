#include "drivers/replay/recording_check.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/dispatch/event_codec.h"
#include "core/dispatch/recording.h"
#include "core/dispatch/testing/small_grid.h"
#include "drivers/replay/simulation.h"

namespace hanse::replay {
namespace {

using dispatch::Snapshot;
using dispatch::SnapshotRef;
using dispatch::testing::shared;
using dispatch::testing::small_grid;

// Every late request may have a hedge.
Snapshot hedging() {
  Snapshot snapshot = small_grid();
  for (std::size_t i = 0; i < snapshot.catalog.classes.size(); ++i) {
    snapshot.catalog.classes[ClassId(i)].hedge_budget_ppm = 1'000'000;
  }
  return snapshot;
}

Snapshot dearer() {
  Snapshot snapshot = hedging();
  for (const char* site : {"ashburn/small/q4", "frankfurt/small/q4"}) {
    snapshot.fleet.offers[*snapshot.fleet.offers.find(site)].prices =
        dispatch::testing::nanos_per_token(9);
  }
  snapshot.digest = sha256("dearer");
  return snapshot;
}

// The digest in hexadecimal stands for the whole text.
std::string text_of(const Snapshot& snapshot) { return to_hex(snapshot.digest); }

Result<SnapshotRef> load(std::string_view text) {
  for (const Snapshot& known : {hedging(), dearer()}) {
    if (text == text_of(known)) return shared(known);
  }
  return invalid_input("no such snapshot");
}

std::string recording_of(std::uint64_t seed) {
  SimulationOptions options = swarm(seed);
  options.dies_ppm = 0;
  std::string recording;
  const SimulationReport report = play(
      draw({shared(hedging()), shared(dearer()), shared(hedging())}, options), recording, text_of);
  EXPECT_TRUE(report.holds()) << describe(report);
  return recording;
}

// Writes `bytes` anew with the event at `place` changed by `change`.
template <typename Change>
std::string with_event_changed(std::string_view bytes, std::uint64_t place, Change change) {
  std::string out;
  dispatch::RecordingReader reader(bytes);
  dispatch::RecordedBlock block;
  std::optional<dispatch::RecordingWriter> writer;
  std::uint64_t events = 0;
  while (reader.next(block).value()) {
    if (const auto* start = std::get_if<dispatch::RecordingStart>(&block)) {
      writer.emplace(out, *start);
    } else if (const auto* entry = std::get_if<dispatch::RecordedEntry>(&block)) {
      writer->entry(entry->entry);
    } else if (const auto* snapshot = std::get_if<dispatch::RecordedSnapshot>(&block)) {
      writer->snapshot(snapshot->digest, snapshot->text);
    } else if (auto* event = std::get_if<dispatch::RecordedEvent>(&block)) {
      if (++events == place) change(*event);
      if (auto* changed = std::get_if<dispatch::SnapshotChanged>(&event->event)) {
        changed->snapshot = load(to_hex(event->snapshot)).value();
      }
      writer->event(event->event, event->at, event->actions_digest);
    }
  }
  writer->end();
  return out;
}

TEST(RecordingCheck, ARunIsDecidedAgainBitForBit) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const auto report = check_recording(recording_of(seed), load);
    ASSERT_TRUE(report.has_value()) << report.error().message;
    EXPECT_TRUE(report->same()) << "seed " << seed << ": " << describe(*report);
    EXPECT_FALSE(report->cut);
    EXPECT_GT(report->events, 10U);
  }
}

TEST(RecordingCheck, TheFirstEventThatIsDecidedDifferentlyIsNamed) {
  const std::string good = recording_of(7);
  const std::string bad = with_event_changed(
      good, 30, [](dispatch::RecordedEvent& event) { event.actions_digest ^= 1U; });
  const auto report = check_recording(bad, load).value();
  ASSERT_TRUE(report.difference.has_value());
  EXPECT_EQ(report.difference->event, 30U);
  EXPECT_EQ(report.events, 30U);
  EXPECT_EQ(report.difference->recorded ^ report.difference->decided, 1U);
  EXPECT_NE(describe(report).find("event 30"), std::string::npos) << describe(report);
}

TEST(RecordingCheck, WhatIsCutIsCheckedUpToThere) {
  const std::string whole = recording_of(3);
  const auto report = check_recording(std::string_view(whole).substr(0, whole.size() - 9), load);
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_TRUE(report->same());
  EXPECT_TRUE(report->cut);
}

TEST(RecordingCheck, DamageIsAnErrorAndNoDifference) {
  std::string bytes = recording_of(3);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
  const auto report = check_recording(bytes, load);
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::broken);
}

// A configuration that a newer version reads differently decides differently;
// that must not look like a bug in dispatch.
TEST(RecordingCheck, ATextThatLoadsToAnotherDigestIsRefused) {
  const auto report = check_recording(
      recording_of(3), [](std::string_view) -> Result<SnapshotRef> { return shared(dearer()); });
  ASSERT_FALSE(report.has_value());
  EXPECT_NE(report.error().message.find("digest"), std::string::npos) << report.error().message;
}

// A file can say anything; the state machine's own assertions are not for it.
TEST(RecordingCheck, EventsThatNoDriverCouldSendAreRefused) {
  const std::string good = recording_of(3);
  std::uint64_t second_arrival = 0;
  std::uint64_t arrivals = 0;
  std::uint32_t slot = 0;
  dispatch::RecordingReader reader(good);
  dispatch::RecordedBlock block;
  for (std::uint64_t events = 0; reader.next(block).value() && second_arrival == 0;) {
    const auto* event = std::get_if<dispatch::RecordedEvent>(&block);
    if (event == nullptr) continue;
    ++events;
    const auto* arrived = std::get_if<dispatch::Arrived>(&event->event);
    if (arrived == nullptr) continue;
    if (++arrivals == 1) slot = arrived->request.slot;
    if (arrived->request.slot != slot) second_arrival = events;
  }
  ASSERT_GT(second_arrival, 0U);
  const std::string bad =
      with_event_changed(good, second_arrival, [&](dispatch::RecordedEvent& event) {
        std::get<dispatch::Arrived>(event.event).request.slot = slot;
      });
  const auto report = check_recording(bad, load);
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code, ErrorCode::broken);
}

}  // namespace
}  // namespace hanse::replay
