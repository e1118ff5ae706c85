// Reading beside a writer, on the real disk.
#include "adapters/journal/journal_reader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <thread>

#include "adapters/journal/journal.h"
#include "core/ledger/testing/simulated_shard.h"

namespace hanse::journal {
namespace {

using ledger::Ledger;
using ledger::Position;
using ledger::testing::SimulatedShard;

class JournalReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "hanse-journal-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  JournalOptions options(std::uint64_t segment_bytes) {
    return {.directory = directory + "/journal",
            .segment_bytes = segment_bytes,
            .payload_segment_bytes = 4 * segment_bytes,
            .flush_interval = milliseconds(1),
            .on_durable = {}};
  }
  std::string path() { return directory + "/journal"; }

  std::string directory;
  std::unique_ptr<Disk> disk = posix_disk();
};

TEST_F(JournalReaderTest, ThereMustBeAJournal) {
  ASSERT_TRUE(disk->create_directory(path()));
  const auto reader = JournalReader::open(*disk, path());
  ASSERT_FALSE(reader);
  EXPECT_EQ(reader.error().code, ErrorCode::not_found);
}

TEST_F(JournalReaderTest, BeginsAtTheLastSealBeforeWhatIsWanted) {
  Ledger ledger;
  auto journal = Journal::open(*disk, options(6'000), ledger, WallTime(1)).value();
  SimulatedShard shard(ledger, *journal, 1);
  for (int i = 0; i < 600; ++i) {
    shard.step();
    ASSERT_TRUE(journal->write());
  }
  const Position last = journal->written();
  for (std::int64_t after = 0; after < last.count(); after += 151) {
    auto reader = JournalReader::open(*disk, path(), Position(after)).value();
    ASSERT_LE(reader.begins_at(), Position(after));
    Ledger from_there;
    from_there.begin_at(reader.begins_at());
    ledger::PlacedEntry placed;
    while (reader.next(placed).value()) {
      const auto applied = from_there.apply(placed.entry);
      ASSERT_TRUE(applied) << applied.error().message;
    }
    ASSERT_EQ(from_there.position(), last);
    for (std::size_t i = 0; i < ledger.accounts(); ++i) {
      const ledger::AccountNumber number(i);
      ASSERT_EQ(from_there.account(number).balance(), ledger.account(number).balance());
    }
  }
}

// The books' thread and a curious auditor read while the shard writes.
TEST_F(JournalReaderTest, FollowsAWriterThroughItsSegments) {
  Ledger ledger;
  auto journal = Journal::open(*disk, options(20'000), ledger, WallTime(1)).value();
  std::atomic<bool> done{false};
  std::atomic<std::int64_t> last{0};
  Ledger following;
  std::thread follower([&] {
    auto reader = JournalReader::open(*disk, path()).value();
    ledger::PlacedEntry placed;
    for (;;) {
      const bool was_done = done.load();
      const auto more = reader.next(placed);
      ASSERT_TRUE(more) << more.error().message;
      if (*more) {
        const auto applied = following.apply(placed.entry);
        ASSERT_TRUE(applied) << applied.error().message;
      } else if (was_done && reader.position() == Position(last.load())) {
        return;
      }
    }
  });
  SimulatedShard shard(ledger, *journal, 2);
  for (int i = 0; i < 20'000; ++i) {
    shard.step();
    if (i % 5 == 0) {
      ASSERT_TRUE(journal->write());
    }
  }
  ASSERT_TRUE(journal->write());
  last.store(journal->written().count());
  done.store(true);
  follower.join();
  EXPECT_EQ(following.position(), ledger.position());
  EXPECT_GT(journal->bytes_written(), 200'000U);
}

TEST_F(JournalReaderTest, TheRealDiskLocksSyncsAndComesBack) {
  {
    Ledger ledger;
    auto journal = Journal::open(*disk, options(50'000), ledger, WallTime(1)).value();
    Ledger other;
    const auto second = Journal::open(*disk, options(50'000), other, WallTime(1));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, ErrorCode::conflict);
    SimulatedShard shard(ledger, *journal, 3);
    for (int i = 0; i < 2'000; ++i) {
      shard.step();
      ASSERT_TRUE(journal->write());
    }
    ASSERT_TRUE(journal->close());
    EXPECT_EQ(journal->durable(), journal->written());
  }
  Ledger ledger;
  auto journal = Journal::open(*disk, options(50'000), ledger, WallTime(1)).value();
  EXPECT_EQ(ledger.epoch(), ledger::Epoch(2));
  EXPECT_EQ(journal->recovery().bytes_cut, 0U);
}

TEST_F(JournalReaderTest, ADirectoryThatCannotBeMadeIsAnError) {
  Ledger ledger;
  JournalOptions nowhere = options(1'000);
  nowhere.directory = "/proc/hanse";
  EXPECT_FALSE(Journal::open(*disk, nowhere, ledger, WallTime(1)));
}

}  // namespace
}  // namespace hanse::journal
