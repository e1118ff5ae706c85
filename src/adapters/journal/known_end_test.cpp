// A journal that ends before what the books know of it.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "adapters/journal/journal.h"
#include "adapters/journal/testing/faulty_disk.h"
#include "core/ledger/testing/simulated_shard.h"

namespace hanse::journal {
namespace {

using ledger::Ledger;
using ledger::Position;
using testing::FaultyDisk;

const std::string kFile = "j/00000001.entries";

class KnownEndTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Journal>> open(FaultyDisk& disk) {
    ledger_ = std::make_unique<Ledger>();
    JournalOptions options{.directory = "j"};
    options.known_end = [this](const ledger::JournalId&) { return known_; };
    return Journal::open(disk, options, *ledger_, WallTime(1'000));
  }
  // A disk on which a shard has lived for a while and was killed.
  FaultyDisk lived() {
    FaultyDisk disk;
    auto journal = open(disk).value();
    ledger::testing::SimulatedShard shard(*ledger_, *journal, 3);
    for (int i = 0; i < 100; ++i) {
      shard.step();
      EXPECT_TRUE(journal->write());
    }
    written_ = journal->written();
    return disk.after_kill();
  }

  std::unique_ptr<Ledger> ledger_;
  Position known_;
  Position written_;
};

TEST_F(KnownEndTest, AJournalThatHasWhatIsKnownIsOpened) {
  FaultyDisk disk = lived();
  known_ = written_;
  EXPECT_TRUE(open(disk));
}

// A start wrote entries of its own in place of the lost ones, up to the known
// end and past it, so that nobody noticed.
TEST_F(KnownEndTest, ADamagedLastBlockThatIsKnownIsNotCut) {
  FaultyDisk disk = lived();
  known_ = written_;
  disk.flip_bit(kFile, disk.file(kFile).size() - 1);
  const auto before = disk.file(kFile);
  const auto opened = open(disk);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::conflict);
  EXPECT_NE(opened.error().message.find("lost its end"), std::string::npos);
  EXPECT_NE(opened.error().message.find(kFile + " at offset"), std::string::npos);
  EXPECT_EQ(disk.file(kFile), before);
}

TEST_F(KnownEndTest, ADamagedLastBlockThatNobodyKnowsIsCut) {
  FaultyDisk disk = lived();
  disk.flip_bit(kFile, disk.file(kFile).size() - 1);
  const auto opened = open(disk);
  ASSERT_TRUE(opened);
  EXPECT_GT((*opened)->recovery().bytes_cut, 0U);
}

TEST_F(KnownEndTest, AnEndThatIsCleanlyGoneIsMissedToo) {
  FaultyDisk disk = lived();
  known_ = written_ + Position(1);
  const auto before = disk.file(kFile);
  EXPECT_FALSE(open(disk));
  EXPECT_EQ(disk.file(kFile), before);
}

}  // namespace
}  // namespace hanse::journal
