// What is appended while a write stands still.
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

#include "adapters/journal/journal.h"
#include "adapters/journal/journal_reader.h"
#include "adapters/journal/testing/faulty_disk.h"
#include "core/ledger/testing/simulated_shard.h"

namespace hanse::journal {
namespace {

using ledger::Ledger;
using ledger::Position;
using ledger::testing::SimulatedShard;
using testing::FaultyDisk;

// One step may have nothing to write down.
void live(SimulatedShard& shard) {
  for (int i = 0; i < 10; ++i) shard.step();
}

class JournalCoverTest : public ::testing::Test {
 protected:
  void open(std::uint64_t segment_bytes) {
    journal.reset();
    ledger = std::make_unique<Ledger>();
    journal = Journal::open(disk,
                            {.directory = "j",
                             .segment_bytes = segment_bytes,
                             .payload_segment_bytes = 4 * segment_bytes,
                             .flush_interval = Duration(0),
                             .on_durable = {},
                             .cover =
                                 [this](const std::function<void()>& work) {
                                   if (before) before();
                                   work();
                                   if (after) after();
                                 }},
                            *ledger, WallTime(1'000))
                  .value();
  }
  // Everything in the journal follows from what is before it.
  Position audited() {
    JournalReader reader = JournalReader::open(disk, "j").value();
    Ledger audit;
    ledger::PlacedEntry placed;
    for (;;) {
      const auto more = reader.next(placed);
      EXPECT_TRUE(more) << more.error().message;
      if (!more || !*more) return audit.position();
      const auto applied = audit.apply(placed.entry);
      EXPECT_TRUE(applied) << applied.error().message;
    }
  }

  FaultyDisk disk;
  std::function<void()> before;
  std::function<void()> after;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<Journal> journal;
};

TEST_F(JournalCoverTest, WhatIsAppendedMeanwhileGoesOutWithTheNextWrite) {
  open(1U << 20U);
  SimulatedShard shard(*ledger, *journal, 1);
  ASSERT_TRUE(journal->write());
  live(shard);
  Position appended = journal->appended();
  before = [&] { live(shard); };
  ASSERT_TRUE(journal->write());
  before = {};
  EXPECT_EQ(journal->written(), appended);
  EXPECT_EQ(audited(), appended);
  ASSERT_GT(journal->appended(), appended);
  appended = journal->appended();
  ASSERT_TRUE(journal->write());
  EXPECT_EQ(journal->written(), appended);
  EXPECT_EQ(audited(), appended);
}

TEST_F(JournalCoverTest, SegmentsAreLeftAndBegunAsEver) {
  open(8'000);
  SimulatedShard shard(*ledger, *journal, 7);
  int turn = 0;
  before = [&] {
    if (turn % 3 == 0) shard.step();
  };
  after = [&] {
    if (turn % 7 == 0) shard.step();
  };
  for (; turn < 600; ++turn) {
    shard.step();
    ASSERT_TRUE(journal->write());
  }
  before = after = {};
  ASSERT_TRUE(journal->write());
  EXPECT_GT(journal->segment(), SegmentNumber(3));
  EXPECT_EQ(journal->written(), journal->appended());
  EXPECT_EQ(audited(), journal->written());
  open(8'000);
  EXPECT_EQ(ledger->epoch(), ledger::Epoch(2));
}

TEST_F(JournalCoverTest, AWriteThatFailsTakesWhatWasAppendedMeanwhileWithIt) {
  open(1U << 20U);
  SimulatedShard shard(*ledger, *journal, 1);
  ASSERT_TRUE(journal->write());
  const Position written = journal->written();
  live(shard);
  disk.fail_appends_after(0, ErrorCode::at_capacity);
  before = [&] { live(shard); };
  EXPECT_FALSE(journal->write());
  disk.fail_appends_after(1'000'000, ErrorCode::at_capacity);
  EXPECT_FALSE(journal->write());
  EXPECT_EQ(journal->written(), written);
  EXPECT_EQ(audited(), written);
}

}  // namespace
}  // namespace hanse::journal
