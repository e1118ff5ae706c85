#include "core/dispatch/recording.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

#include "core/dispatch/testing/four_sites.h"
#include "core/dispatch/testing/random_words.h"

namespace hanse::dispatch {
namespace {

using testing::FourSites;
using testing::RandomWords;

std::string written(const Event& event) {
  std::string out;
  {
    WireWriter writer(out);
    write_event(event, writer);
  }
  return out;
}

RecordingStart start_of(const Snapshot& snapshot) {
  RecordingStart start;
  start.options.requests_max = 77;
  start.options.health.pause_first = milliseconds(250);
  start.at = {MonotonicTime(1'000), WallTime(1'795'000'000'000'000'000)};
  start.snapshot = snapshot.digest;
  start.journal.bytes.fill(0x5A);
  start.position = ledger::Position(9);
  return start;
}

// A recording with everything in it, but for the end.
struct Example {
  Example() : writer(bytes, start_of(grid.snapshot())) {
    writer.snapshot(grid.snapshot().digest, "the text of four sites");
    writer.event(Woke(), {MonotonicTime(2'000), WallTime(1'795'000'000'000'001'000)}, 11);
    changed.snapshot().digest = sha256("other");
    writer.snapshot(changed.snapshot().digest, "another text");
    writer.event(SnapshotChanged{changed.shared()},
                 {MonotonicTime(3'000), WallTime(1'795'000'000'000'001'990)}, 22);
  }

  FourSites grid;
  FourSites changed;
  std::string bytes;
  RecordingWriter writer;
};

struct ReadAll {
  explicit ReadAll(std::string_view bytes) : reader(bytes) {
    RecordedBlock block;
    Result<bool> more = reader.next(block);
    while (more && *more) {
      blocks.push_back(block);
      more = reader.next(block);
    }
    if (!more) error = more.error().message;
  }

  RecordingReader reader;
  std::vector<RecordedBlock> blocks;
  std::string error;
};

RC_GTEST_PROP(EventCodec, AnyEventIsReadAsItWasWritten, (std::uint64_t seed)) {
  RandomWords words(seed);
  const Event event = words.event();
  const std::string bytes = written(event);
  WireReader in(bytes);
  const ReadEvent read = read_event(in);
  RC_ASSERT(in.finish().has_value());
  RC_ASSERT(read.event.index() == event.index());
  RC_ASSERT(written(read.event) == bytes);
}

RC_GTEST_PROP(EventCodec, AnyInstantIsReadAsItWasWritten, (std::uint64_t seed)) {
  RandomWords words(seed);
  const Instant before = words.instant();
  const Instant now = words.instant();
  std::string bytes;
  {
    WireWriter out(bytes);
    write_instant(now, before, out);
  }
  WireReader in(bytes);
  RC_ASSERT(read_instant(before, in) == now);
  RC_ASSERT(in.finish().has_value());
}

RC_GTEST_PROP(EventCodec, AnyBytesAreAnEventOrAnError, (const std::string& bytes)) {
  WireReader in(bytes);
  const ReadEvent read = read_event(in);
  if (in.ok() && !std::holds_alternative<SnapshotChanged>(read.event)) {
    RC_ASSERT(written(read.event) == bytes.substr(0, in.offset()));
  }
}

TEST(EventCodec, AChangeOfTheSnapshotIsToldByItsDigest) {
  const FourSites grid;
  const std::string bytes = written(SnapshotChanged{grid.shared()});
  WireReader in(bytes);
  const ReadEvent read = read_event(in);
  EXPECT_TRUE(in.finish().has_value());
  EXPECT_EQ(read.snapshot, grid.snapshot().digest);
  EXPECT_EQ(std::get<SnapshotChanged>(read.event).snapshot, nullptr);
}

TEST(EventCodec, EveryKindHasItsWord) {
  EXPECT_EQ(kind_name(Arrived()), "arrived");
  EXPECT_EQ(kind_name(AttemptEnded()), "attempt_ended");
  EXPECT_EQ(kind_name(SnapshotChanged()), "snapshot_changed");
}

TEST(CheckEvent, WhatADispatchWouldStumbleOverIsRefused) {
  const FourSites grid;
  DispatchOptions options;
  options.requests_max = 10;
  const auto fits = [&](const Event& event) {
    return check_event(event, grid.snapshot(), options).has_value();
  };
  Arrived good;
  good.request = {9, 1};
  good.key = KeyId(1);
  good.alias = AliasId(0);
  good.latency_class = ClassId(1);
  EXPECT_TRUE(fits(good));
  const auto but = [&](auto change) {
    Arrived event = good;
    change(event);
    return fits(event);
  };
  EXPECT_FALSE(but([](Arrived& e) { e.request.slot = 10; }));
  EXPECT_FALSE(but([](Arrived& e) { e.key = KeyId(2); }));
  EXPECT_FALSE(but([](Arrived& e) { e.alias = AliasId(); }));
  EXPECT_FALSE(but([](Arrived& e) { e.latency_class = ClassId(2); }));
  EXPECT_FALSE(but([](Arrived& e) { e.prompt_bytes = -1; }));
  EXPECT_FALSE(but([](Arrived& e) { e.output_limit = Tokens(-1); }));
  EXPECT_FALSE(but([](Arrived& e) { e.choices = 0; }));
  EXPECT_FALSE(but([](Arrived& e) { e.choices = e.prompts = 1 << 16; }));
  EXPECT_FALSE(fits(FirstToken{.request = {10, 1}}));
  EXPECT_TRUE(fits(SiteReported{.site = SiteId(3)}));
  EXPECT_FALSE(fits(SiteReported{.site = SiteId(4)}));
  EXPECT_FALSE(fits(SnapshotChanged()));
  EXPECT_TRUE(fits(SiteDrilled{.site = SiteId(3), .lasts = seconds(600)}));
  EXPECT_FALSE(fits(SiteDrilled{.site = SiteId(4), .lasts = seconds(600)}));
  EXPECT_FALSE(fits(SiteDrilled{.site = SiteId(3), .lasts = Duration(-1)}));
  EXPECT_FALSE(fits(SiteDrilled{.site = SiteId(3), .lasts = seconds(90'000)}));
  EXPECT_TRUE(fits(Woke()));

  FourSites sold_out;
  sold_out.snapshot().catalog.price_books[PriceBookId(0)].prices.clear();
  EXPECT_FALSE(check_event(good, sold_out.snapshot(), options).has_value());
}

TEST(Recording, IsReadAsItWasWritten) {
  Example example;
  example.writer.end();
  const ReadAll read(example.bytes);
  EXPECT_EQ(read.error, "");
  ASSERT_EQ(read.blocks.size(), 6U);
  const auto& start = std::get<RecordingStart>(read.blocks[0]);
  EXPECT_EQ(start.options.requests_max, 77U);
  EXPECT_EQ(start.options.health.pause_first, milliseconds(250));
  EXPECT_EQ(start.at, start_of(example.grid.snapshot()).at);
  EXPECT_EQ(start.journal.bytes[15], 0x5A);
  EXPECT_EQ(start.position, ledger::Position(9));
  EXPECT_EQ(std::get<RecordedSnapshot>(read.blocks[1]).text, "the text of four sites");
  EXPECT_EQ(std::get<RecordedEvent>(read.blocks[2]).actions_digest, 11U);
  const auto& changed = std::get<RecordedEvent>(read.blocks[4]);
  EXPECT_EQ(changed.snapshot, example.changed.snapshot().digest);
  EXPECT_EQ(changed.at, (Instant{MonotonicTime(3'000), WallTime(1'795'000'000'000'001'990)}));
  EXPECT_EQ(std::get<RecordingEnd>(read.blocks[5]).events, 2U);
  EXPECT_FALSE(read.reader.cut());
}

RC_GTEST_PROP(Recording, AnyEventsAreReadAsTheyWereWritten, (std::uint64_t seed)) {
  const FourSites grid;
  RandomWords words(seed);
  std::string bytes;
  RecordingWriter writer(bytes, start_of(grid.snapshot()));
  writer.snapshot(grid.snapshot().digest, words.text(100));
  std::vector<Event> events;
  std::vector<Instant> instants;
  Instant now = start_of(grid.snapshot()).at;
  for (auto left = words.below(50); left > 0; --left) {
    now.monotonic = now.monotonic + Duration(static_cast<std::int64_t>(words.below(1U << 30U)));
    now.wall = words.quantity<WallTime>();
    events.push_back(words.event());
    instants.push_back(now);
    writer.event(events.back(), now, events.size());
  }
  writer.end();

  const ReadAll read(bytes);
  RC_ASSERT(read.error == "");
  RC_ASSERT(read.blocks.size() == events.size() + 3);
  for (std::size_t i = 0; i < events.size(); ++i) {
    const auto& event = std::get<RecordedEvent>(read.blocks[i + 2]);
    RC_ASSERT(event.at == instants[i]);
    RC_ASSERT(event.actions_digest == i + 1);
    RC_ASSERT(written(event.event) == written(events[i]));
  }
}

TEST(Recording, ASnapshotIsWrittenOnce) {
  Example example;
  const std::size_t size = example.bytes.size();
  example.writer.snapshot(example.grid.snapshot().digest, "again");
  EXPECT_EQ(example.bytes.size(), size);
}

TEST(Recording, TheOwnerMayFlushBetweenAnyTwoCalls) {
  Example whole;
  whole.writer.end();

  const FourSites grid;
  std::string buffer;
  std::string file;
  const auto flush = [&] {
    file += buffer;
    buffer.clear();
  };
  RecordingWriter writer(buffer, start_of(grid.snapshot()));
  flush();
  writer.snapshot(grid.snapshot().digest, "the text of four sites");
  flush();
  writer.event(Woke(), {MonotonicTime(2'000), WallTime(1'795'000'000'000'001'000)}, 11);
  flush();
  EXPECT_EQ(file, whole.bytes.substr(0, file.size()));
}

// The recorder may be killed at any byte. All blocks before it are good.
TEST(Recording, OneThatStopsAnywhereIsGoodUpToThere) {
  Example example;
  example.writer.end();
  std::size_t blocks = 0;
  for (std::size_t size = 0; size < example.bytes.size(); ++size) {
    const ReadAll read(std::string_view(example.bytes).substr(0, size));
    ASSERT_EQ(read.error, "") << size;
    EXPECT_TRUE(read.reader.cut()) << size;
    EXPECT_GE(read.blocks.size(), blocks);
    blocks = read.blocks.size();
  }
  EXPECT_EQ(blocks, 5U);
}

TEST(Recording, AnyFlippedBitIsFound) {
  Example example;
  example.writer.end();
  const ReadAll good(example.bytes);
  for (std::size_t i = 0; i < example.bytes.size(); ++i) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string bytes = example.bytes;
      bytes[i] = static_cast<char>(static_cast<unsigned char>(bytes[i]) ^ (1U << bit));
      const ReadAll read(bytes);
      // A longer length may look like a file that was cut.
      EXPECT_TRUE(!read.error.empty() || read.reader.cut()) << "byte " << i << " bit " << bit;
      EXPECT_LT(read.blocks.size(), good.blocks.size());
    }
  }
}

TEST(Recording, ALostBlockIsFound) {
  Example example;
  const std::size_t before = example.bytes.size();
  example.writer.event(Woke(), {MonotonicTime(4'000), WallTime()}, 33);
  const std::size_t after = example.bytes.size();
  example.writer.event(Woke(), {MonotonicTime(5'000), WallTime()}, 44);
  example.bytes.erase(before, after - before);
  const ReadAll read(example.bytes);
  EXPECT_NE(read.error.find("the checksum does not fit"), std::string::npos) << read.error;
}

TEST(Recording, BytesAfterTheEndAreFound) {
  Example example;
  example.writer.end();
  example.bytes += "x";
  const ReadAll read(example.bytes);
  EXPECT_NE(read.error.find("more bytes after the end"), std::string::npos) << read.error;
}

TEST(Recording, AnotherFileIsRefusedAtOnce) {
  EXPECT_EQ(ReadAll("{\"json\": true}").error,
            "the recording is damaged at byte 0: not a recording");
  EXPECT_EQ(ReadAll("HANSEREC\x01").error,
            "the recording is damaged at byte 8: not a recording of version 4");
}

// Collects what a ledger seals.
class Collected final : public ledger::EntrySink {
 public:
  ledger::Position append(const ledger::Entry& entry) override {
    entries.push_back(entry);
    return ledger::Position(static_cast<std::int64_t>(entries.size()));
  }
  std::vector<ledger::Entry> entries;
};

ledger::Entry at(std::int64_t when, ledger::EntryBody body) {
  return {.at = WallTime(when), .body = std::move(body)};
}

// A ledger with accounts, balances, an open hold and an open attempt.
ledger::Ledger busy_ledger() {
  ledger::Ledger ledger;
  Collected sink;
  const ledger::Currency euro{{'E', 'U', 'R'}};
  EXPECT_TRUE(ledger.apply(at(1, ledger::EpochStarted{.epoch = ledger::Epoch(1)})).has_value());
  const auto receivable =
      ledger.account_for(ledger::receivable_path("acme", "web", "laptop", euro).value(),
                         ledger::AccountKind::receivable, euro, WallTime(2), sink);
  const auto payable = ledger.account_for(ledger::payable_path("elbe", "hamburg", euro).value(),
                                          ledger::AccountKind::payable, euro, WallTime(2), sink);
  TokenCounts most;
  most[TokenKind::prompt] = Tokens(100);
  most[TokenKind::output] = Tokens(50);
  const ledger::RequestNumber request{ledger::Epoch(1), 1};
  const TokenPrices prices = testing::prices(120'000, 360'000);
  EXPECT_TRUE(ledger
                  .apply(at(3, ledger::HoldOpened{.request = request,
                                                  .receivable = receivable.value(),
                                                  .amount = Money(30'000),
                                                  .prices = prices}))
                  .has_value());
  EXPECT_TRUE(ledger
                  .apply(at(4, ledger::AttemptOpened{.request = request,
                                                     .attempt = ledger::AttemptNumber{1},
                                                     .payable = payable.value(),
                                                     .prices = prices,
                                                     .tokens_max = most}))
                  .has_value());
  return ledger;
}

TEST(Recording, TheSealRestoresTheLedgerThatTheDispatchBeganWith) {
  const FourSites grid;
  ledger::Ledger ledger = busy_ledger();
  const ledger::Position position = ledger.position();
  Collected seal;
  ledger.seal(WallTime(5), seal);
  std::string bytes;
  RecordingStart start = start_of(grid.snapshot());
  start.position = position;
  RecordingWriter writer(bytes, start);
  for (const ledger::Entry& entry : seal.entries) writer.entry(entry);
  writer.snapshot(start.snapshot, "text");

  const ReadAll read(bytes);
  EXPECT_EQ(read.error, "");
  ledger::Ledger restored;
  restored.begin_at(std::get<RecordingStart>(read.blocks.at(0)).position);
  std::vector<ledger::Entry> entries;
  for (const RecordedBlock& block : read.blocks) {
    if (const auto* entry = std::get_if<RecordedEntry>(&block)) {
      entries.push_back(entry->entry);
      const auto applied = restored.apply(entry->entry);
      ASSERT_TRUE(applied.has_value()) << applied.error().message;
    }
  }
  EXPECT_EQ(entries, seal.entries);
  EXPECT_FALSE(restored.restoring());
  EXPECT_EQ(restored.position(), ledger.position());
  EXPECT_EQ(restored.epoch(), ledger.epoch());
  EXPECT_EQ(restored.open_requests(), 1U);
  EXPECT_EQ(restored.open_attempts(), 1U);
}

RC_GTEST_PROP(Recording, AnyBytesBehindTheHeadAreBlocksOrAnError, (const std::string& noise)) {
  const ReadAll read("HANSEREC\x02" + noise);
  RC_ASSERT(!read.error.empty() || read.reader.cut());
}

}  // namespace
}  // namespace hanse::dispatch
