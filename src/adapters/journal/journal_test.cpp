#include "adapters/journal/journal.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "adapters/journal/journal_reader.h"
#include "adapters/journal/testing/faulty_disk.h"
#include "core/ledger/testing/simulated_shard.h"

namespace hanse::journal {
namespace {

using ledger::Entry;
using ledger::Ledger;
using ledger::Position;
using ledger::testing::SimulatedShard;
using testing::FaultyDisk;

constexpr const char* kDirectory = "j";
const std::string kFirst = "j/00000001.entries";

JournalOptions options(std::uint64_t segment_bytes = std::uint64_t{1} << 20U) {
  return {.directory = kDirectory,
          .segment_bytes = segment_bytes,
          .payload_segment_bytes = 4 * segment_bytes,
          .flush_interval = Duration(0),
          .on_durable = {}};
}

std::vector<Entry> read_all(Disk& disk) {
  JournalReader reader = JournalReader::open(disk, kDirectory).value();
  std::vector<Entry> entries;
  ledger::PlacedEntry placed;
  for (;;) {
    const auto more = reader.next(placed);
    EXPECT_TRUE(more) << more.error().message;
    if (!more || !*more) return entries;
    entries.push_back(placed.entry);
    EXPECT_EQ(placed.position, Position(static_cast<std::int64_t>(entries.size())));
  }
}

class JournalTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Journal>> try_open(JournalOptions with = options()) {
    journal.reset();
    ledger = std::make_unique<Ledger>();
    return Journal::open(disk, std::move(with), *ledger, WallTime(1'000));
  }
  void open(JournalOptions with = options()) {
    auto opened = try_open(std::move(with));
    ASSERT_TRUE(opened) << opened.error().message;
    journal = std::move(*opened);
  }
  // A few turns of a shard's life.
  void live(std::uint64_t seed, int steps) {
    SimulatedShard shard(*ledger, *journal, seed);
    for (int i = 0; i < steps; ++i) {
      shard.step();
      if (i % 3 == 0) {
        ASSERT_TRUE(journal->write());
      }
    }
    ASSERT_TRUE(journal->write());
  }
  std::vector<std::string> segments() {
    std::vector<std::string> found;
    for (const std::string& name : disk.names()) {
      if (name.ends_with(".entries")) found.push_back(name);
    }
    return found;
  }

  FaultyDisk disk;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<Journal> journal;
};

TEST_F(JournalTest, ANewJournalBeginsWithItsFirstEpoch) {
  open();
  EXPECT_EQ(ledger->epoch(), ledger::Epoch(1));
  EXPECT_EQ(journal->written(), Position(1));
  EXPECT_NE(journal->id(), ledger::JournalId{});
  const auto entries = read_all(disk);
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<ledger::EpochStarted>(entries[0].body));
}

TEST_F(JournalTest, WhatWasWrittenIsThereAgainAndEachOpeningIsAnEpoch) {
  open();
  const auto id = journal->id();
  live(1, 200);
  const auto before = read_all(disk);
  const Position written = journal->written();
  open();
  EXPECT_EQ(journal->id(), id);
  EXPECT_EQ(ledger->epoch(), ledger::Epoch(2));
  EXPECT_GT(journal->written(), written);
  const auto after = read_all(disk);
  ASSERT_GT(after.size(), before.size());
  for (std::size_t i = 0; i < before.size(); ++i) ASSERT_EQ(after[i], before[i]);
  EXPECT_EQ(ledger->open_requests(), 0U) << "the start ends what the last epoch left open";
}

TEST_F(JournalTest, EntriesAppendedButNotWrittenAreNotInTheFile) {
  open();
  const auto size = disk.file(kFirst).size();
  SimulatedShard shard(*ledger, *journal, 1);
  EXPECT_EQ(disk.file(kFirst).size(), size);
  ASSERT_TRUE(journal->write());
  EXPECT_GT(disk.file(kFirst).size(), size);
}

TEST_F(JournalTest, ATurnIsOneBlock) {
  open();
  SimulatedShard shard(*ledger, *journal, 1);
  ASSERT_TRUE(journal->write());
  auto reader = SegmentReader::open(disk, kDirectory, SegmentNumber(1)).value();
  SegmentReader::Block block;
  ASSERT_TRUE(reader.next(block).value());
  EXPECT_EQ(block.header.entries, 1U);
  ASSERT_TRUE(reader.next(block).value());
  EXPECT_EQ(block.header.entries, ledger->accounts());
  EXPECT_FALSE(reader.next(block).value());
  EXPECT_FALSE(reader.damage());
}

TEST_F(JournalTest, OneProcessAtATimeHoldsTheDirectory) {
  open();
  Ledger other;
  const auto second = Journal::open(disk, options(), other, WallTime(1));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
}

TEST_F(JournalTest, AFullSegmentIsLeftForOneThatBeginsWithASeal) {
  open(options(8'000));
  live(1, 600);
  ASSERT_GT(segments().size(), 3U);
  const auto entries = read_all(disk);
  EXPECT_EQ(Position(static_cast<std::int64_t>(entries.size())), journal->written());

  // The next start reads the last seal and what follows, not everything.
  open(options(8'000));
  EXPECT_LT(journal->recovery().entries_read, entries.size() / 2);
  EXPECT_GT(journal->recovery().entries_read, 0U);

  // An auditor who reads everything finds that every seal is right.
  Ledger audit;
  for (const Entry& entry : read_all(disk)) {
    const auto applied = audit.apply(entry);
    ASSERT_TRUE(applied) << applied.error().message;
  }
  EXPECT_EQ(audit.position(), ledger->position());
}

TEST_F(JournalTest, ADurablePositionFollowsWhatIsWritten) {
  open();
  live(1, 20);
  ASSERT_TRUE(journal->close());
  EXPECT_EQ(journal->durable(), journal->written());
}

// A block without entries says that all before it reached the disk.
TEST_F(JournalTest, ACloseMakesTheEndKnownToBeWhole) {
  open();
  live(1, 20);
  const Position written = journal->written();
  ASSERT_TRUE(journal->close());
  auto reader = SegmentReader::open(disk, kDirectory, SegmentNumber(1)).value();
  SegmentReader::Block block;
  while (reader.next(block).value()) {
  }
  EXPECT_EQ(block.header.entries, 0U);
  EXPECT_EQ(block.header.durable, written);
  open();
  EXPECT_EQ(read_all(disk).size(), static_cast<std::size_t>(journal->written().count()));
}

// --- A disk that fails. ---

TEST_F(JournalTest, AFullDiskStopsTheJournalForGood) {
  open();
  SimulatedShard shard(*ledger, *journal, 1);
  ASSERT_TRUE(journal->write());
  const Position written = journal->written();
  disk.fail_appends_after(100, ErrorCode::at_capacity);
  Status status;
  for (int i = 0; i < 100 && status; ++i) {
    shard.step();
    status = journal->write();
  }
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::at_capacity);
  EXPECT_TRUE(journal->failed());
  disk.fail_appends_after(1'000'000, ErrorCode::at_capacity);
  shard.step();
  EXPECT_FALSE(journal->write()) << "also when there is room again";
  EXPECT_EQ(journal->status().error(), status.error());
  EXPECT_GE(journal->written(), written);

  // What had been written is there for the next start, which cuts off the rest.
  const auto kept = static_cast<std::size_t>(journal->written().count());
  open();
  EXPECT_GT(journal->recovery().bytes_cut, 0U);
  EXPECT_GE(read_all(disk).size(), kept);
}

TEST_F(JournalTest, ShortWritesAreCarriedOn) {
  disk.write_short(7);
  open(options(8'000));
  live(1, 300);
  EXPECT_EQ(read_all(disk).size(), static_cast<std::size_t>(journal->written().count()));
}

TEST_F(JournalTest, AFailedSyncStopsTheJournalForGood) {
  open();
  disk.fail_syncs();
  // The write may come before or after the flusher has noticed.
  SimulatedShard shard(*ledger, *journal, 1);
  (void)journal->write();
  EXPECT_FALSE(journal->close());
  EXPECT_TRUE(journal->failed());
  EXPECT_FALSE(journal->write());
  EXPECT_EQ(journal->status().error().code, ErrorCode::unavailable);
}

TEST_F(JournalTest, AFullDiskAtTheStartOfASegmentStopsTheJournal) {
  open(options(2'000));
  SimulatedShard shard(*ledger, *journal, 1);
  disk.fail_appends_after(3'000, ErrorCode::at_capacity);
  Status status;
  for (int i = 0; i < 200 && status; ++i) {
    shard.step();
    status = journal->write();
  }
  EXPECT_FALSE(status);
  const auto kept = static_cast<std::size_t>(journal->written().count());
  disk = disk.after_kill();
  open(options(2'000));
  EXPECT_GE(read_all(disk).size(), kept);
}

// --- Damage. ---

// A journal of one segment whose head is gone looks like a first start that
// died, but for its size.
TEST_F(JournalTest, AUsedJournalWithoutItsHeadIsNotBegunAnew) {
  open();
  live(3, 200);
  ASSERT_TRUE(journal->close());
  const auto entries = disk.file(kFirst);
  ASSERT_GT(entries.size(), 1024U);
  disk.set_file(kFirst, FaultyDisk::Bytes(entries.size(), 0));
  const auto zeroed = try_open();
  ASSERT_FALSE(zeroed);
  EXPECT_EQ(zeroed.error().code, ErrorCode::broken);

  const std::string payloads = "j/00000001.payloads";
  auto longer = disk.file(payloads);
  longer.resize(longer.size() + 100, 7);
  disk.set_file(payloads, longer);
  disk.set_file(kFirst, {});
  EXPECT_FALSE(try_open()) << "records say that there were requests";
  EXPECT_EQ(disk.file(payloads).size(), longer.size()) << "nothing is removed";
}

TEST_F(JournalTest, DamageBeforeTheEndNamesFileAndOffset) {
  open();
  live(1, 100);
  const auto size = disk.file(kFirst).size();
  disk.flip_bit(kFirst, size / 2);
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::broken);
  EXPECT_NE(opened.error().message.find(kFirst + " at offset "), std::string::npos)
      << opened.error().message;
}

TEST_F(JournalTest, EveryFlippedBitBeforeTheLastBlockIsNoticed) {
  open();
  live(1, 12);
  journal.reset();
  const auto bytes = disk.file(kFirst);
  std::uint64_t last_block = 0;
  {
    auto reader = SegmentReader::open(disk, kDirectory, SegmentNumber(1)).value();
    SegmentReader::Block block;
    while (reader.next(block).value()) last_block = block.offset;
  }
  for (std::size_t i = 0; i < last_block; ++i) {
    disk.flip_bit(kFirst, i, i % 8);
    Ledger fresh;
    const auto recovered = recover(disk, kDirectory, fresh);
    ASSERT_FALSE(recovered) << i;
    ASSERT_EQ(disk.file(kFirst).size(), bytes.size()) << "a failed start changes nothing";
    disk.flip_bit(kFirst, i, i % 8);
  }
}

TEST_F(JournalTest, ABlockForgedWithAGoodChecksumBreaksTheChain) {
  open();
  live(1, 12);
  journal.reset();
  auto bytes = disk.file(kFirst);
  SegmentReader::Block last;
  {
    auto reader = SegmentReader::open(disk, kDirectory, SegmentNumber(1)).value();
    SegmentReader::Block block;
    while (reader.next(block).value()) last = block;
  }
  // The forger fixes checksum and chain value of the very last block, but does
  // not know what it builds on. Even there it is not taken for a torn write.
  const std::span block = std::span(bytes).subspan(last.offset);
  block[kBlockHeaderBytes + 20] ^= 1;
  BlockHeader header = decode_block_header(block).value();
  (void)finish_block(header, sha256("a guess"), block);
  disk.set_file(kFirst, bytes);
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("chain"), std::string::npos) << opened.error().message;
}

TEST_F(JournalTest, AMissingSegmentIsNoticed) {
  open(options(4'000));
  live(1, 600);
  journal.reset();
  ASSERT_GT(segments().size(), 3U);
  ASSERT_TRUE(disk.remove("j/00000002.entries"));
  EXPECT_FALSE(try_open(options(4'000)));
}

TEST_F(JournalTest, ASegmentCutAtItsEndIsNoticedAlthoughAnotherFollows) {
  open(options(4'000));
  live(1, 600);
  journal.reset();
  const std::string before = segments()[segments().size() - 2];
  auto bytes = disk.file(before);
  bytes.resize(bytes.size() - 50);
  disk.set_file(before, bytes);
  const auto opened = try_open(options(4'000));
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find(before), std::string::npos) << opened.error().message;
}

TEST_F(JournalTest, ASegmentWhoseHeaderWasNeverWrittenIsRemoved) {
  open();
  live(1, 50);
  journal.reset();
  disk.set_file("j/00000002.entries", {1, 2, 3});
  open();
  EXPECT_EQ(segments().size(), 1U);
  EXPECT_EQ(journal->recovery().segments_removed, 1);
}

TEST_F(JournalTest, AnotherFormatVersionIsRefusedByName) {
  open();
  journal.reset();
  disk.flip_bit(kFirst, 8, 1);
  const auto opened = try_open();
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("version 3"), std::string::npos) << opened.error().message;
}

// The clock was set back while the gateway was down.
TEST_F(JournalTest, TheWallClockNeverGoesBackwardsAcrossStarts) {
  open();
  SimulatedShard shard(*ledger, *journal, 1);
  for (int i = 0; i < 50; ++i) shard.step();
  ASSERT_TRUE(journal->write());
  const WallTime last = ledger->last_at();
  journal.reset();
  ledger = std::make_unique<Ledger>();
  journal = Journal::open(disk, options(), *ledger, WallTime(-5)).value();
  EXPECT_GE(ledger->last_at(), last);
}

// --- Payloads. ---

class PayloadTest : public JournalTest {
 protected:
  // Entries with payloads of their own; returns where they stand.
  std::vector<Position> append_with_payloads(int count) {
    std::vector<Position> places;
    for (int i = 0; i < count; ++i) {
      const auto path =
          ledger::receivable_path("acme", "web", "key-" + std::to_string(counter_), euro_).value();
      const Entry entry{
          .at = ledger->last_at(),
          .body = ledger::AccountRegistered{.number = ledger::AccountNumber(ledger->accounts()),
                                            .kind = ledger::AccountKind::receivable,
                                            .currency = euro_,
                                            .path = path}};
      EXPECT_TRUE(ledger->apply(entry));
      const std::string fact = "fact " + std::to_string(counter_++);
      places.push_back(journal->append(
          entry, std::span(reinterpret_cast<const std::uint8_t*>(fact.data()), fact.size())));
      EXPECT_TRUE(journal->write());
    }
    return places;
  }
  std::string fact_at(Position position) {
    const auto place = find_payload(disk, kDirectory, position).value();
    const auto payload = read_payload(disk, kDirectory, *place);
    if (!payload) return "broken";
    if (payload->state == Payload::State::erased) return "erased";
    if (payload->state == Payload::State::missing) return "missing";
    return {payload->bytes.begin(), payload->bytes.end()};
  }
  std::string payload_file() { return "j/00000001.payloads"; }

  ledger::Currency euro_ = ledger::parse_currency("EUR").value();
  int counter_ = 0;
};

TEST_F(PayloadTest, IsFoundByItsEntry) {
  open();
  const auto places = append_with_payloads(3);
  EXPECT_EQ(fact_at(places[1]), "fact 1");
  EXPECT_FALSE(find_payload(disk, kDirectory, Position(1)).value()) << "it has none";
  EXPECT_FALSE(find_payload(disk, kDirectory, Position(99)));
}

TEST_F(PayloadTest, CanBeErasedWhileTheChainStillVerifies) {
  open();
  const auto places = append_with_payloads(3);
  const auto place = find_payload(disk, kDirectory, places[1]).value();
  ASSERT_TRUE(erase_payload(disk, kDirectory, *place));
  ASSERT_TRUE(erase_payload(disk, kDirectory, *place));
  EXPECT_EQ(fact_at(places[0]), "fact 0");
  EXPECT_EQ(fact_at(places[1]), "erased");
  EXPECT_EQ(fact_at(places[2]), "fact 2");
  const auto bytes = disk.file(payload_file());
  const std::string text(bytes.begin(), bytes.end());
  EXPECT_EQ(text.find("fact 1"), std::string::npos);
  EXPECT_EQ(read_all(disk).size(), static_cast<std::size_t>(journal->written().count()));
}

TEST_F(PayloadTest, AWholeFileCanBeRemovedAndWritingGoesOn) {
  open();
  const auto old = append_with_payloads(3);
  journal.reset();
  ASSERT_TRUE(disk.remove(payload_file()));
  open();
  const auto young = append_with_payloads(2);
  EXPECT_EQ(fact_at(old[0]), "missing");
  EXPECT_EQ(fact_at(young[1]), "fact 4");
}

TEST_F(PayloadTest, AChangedPayloadIsNoticed) {
  open();
  const auto places = append_with_payloads(2);
  const auto place = find_payload(disk, kDirectory, places[1]).value();
  disk.flip_bit(payload_file(), place->offset + kPayloadHeaderBytes);
  EXPECT_EQ(fact_at(places[1]), "broken");
  EXPECT_EQ(fact_at(places[0]), "fact 0");
}

// The process died after the payloads' write and before the entries'.
TEST_F(PayloadTest, APayloadWithoutItsEntryIsCutOffAtTheStart) {
  open();
  const auto old = append_with_payloads(2);
  journal.reset();
  auto bytes = disk.file(payload_file());
  bytes.insert(bytes.end(), 100, std::uint8_t{7});
  disk.set_file(payload_file(), bytes);
  open();
  const auto young = append_with_payloads(1);
  EXPECT_EQ(fact_at(old[1]), "fact 1");
  EXPECT_EQ(fact_at(young[0]), "fact 2");
}

TEST_F(PayloadTest, LongPayloadsBeginANewSegment) {
  open(options(2'000));
  const auto places = append_with_payloads(200);
  EXPECT_GT(segments().size(), 1U);
  for (std::size_t i = 0; i < places.size(); i += 17) {
    EXPECT_EQ(fact_at(places[i]), "fact " + std::to_string(i));
  }
}

TEST_F(JournalTest, GoesOnInItsSegmentWhileTheNextOneCannotBeBegun) {
  constexpr std::uint64_t kSegment = 20'000;
  open(options(kSegment));
  SimulatedShard shard(*ledger, *journal, 7);
  const auto grow_to = [&](std::uint64_t bytes) {
    for (int i = 0; i < 100'000 && journal->bytes_written() < bytes; ++i) {
      shard.step();
      ASSERT_TRUE(journal->write());
    }
  };
  disk.fail_creates(true);
  grow_to(kSegment + kSegment / 2);
  EXPECT_EQ(segments().size(), 1U);
  disk.fail_creates(false);
  grow_to(2 * kSegment);
  EXPECT_EQ(segments().size(), 2U) << "and begins it as soon as it can";
  const auto before = read_all(disk);
  open(options(kSegment));
  const auto after = read_all(disk);
  ASSERT_GT(after.size(), before.size());
  EXPECT_TRUE(std::equal(before.begin(), before.end(), after.begin()));
}

TEST_F(JournalTest, StopsWhenTheNextSegmentCannotBeBegunForTooLong) {
  constexpr std::uint64_t kSegment = 20'000;
  open(options(kSegment));
  disk.fail_creates(true);
  SimulatedShard shard(*ledger, *journal, 7);
  Status written;
  for (int i = 0; i < 100'000 && written; ++i) {
    shard.step();
    written = journal->write();
  }
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::unavailable);
  EXPECT_GE(journal->bytes_written(), 2 * kSegment);
}

}  // namespace
}  // namespace hanse::journal
