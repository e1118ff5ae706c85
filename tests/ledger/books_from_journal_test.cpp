// A shard's money from end to end: entries into a journal on a real disk, the
// keeper's thread behind it into SQLite, processes that die, an auditor who
// needs nothing but the journal, and books rebuilt from it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "adapters/journal/journal.h"
#include "adapters/journal/journal_reader.h"
#include "adapters/journal/segment_reader.h"
#include "adapters/storage/balance_report.h"
#include "adapters/storage/book_keeper.h"
#include "adapters/storage/memory_books.h"
#include "adapters/storage/sqlite_books.h"
#include "adapters/storage/testing/agrees.h"
#include "core/ledger/audit.h"
#include "core/ledger/testing/seeds.h"
#include "core/ledger/testing/simulated_shard.h"

namespace hanse {
namespace {

using journal::Journal;
using journal::JournalReader;
using ledger::Ledger;
using ledger::Position;
using storage::BookKeeper;
using storage::SqliteBooks;

class BooksFromJournal : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "hanse-ledger-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  std::string journal_path() { return folder + "/journal"; }
  std::string books_path() { return folder + "/books.sqlite"; }

  journal::JournalOptions options() {
    return {.directory = journal_path(),
            .segment_bytes = 30'000,
            .payload_segment_bytes = 1 << 20,
            .flush_interval = milliseconds(1),
            .on_durable = {}};
  }
  storage::OpenSource source() {
    return [this](Position after) -> Result<std::unique_ptr<ledger::EntrySource>> {
      auto reader = JournalReader::open(*disk, journal_path(), after);
      if (!reader) return std::unexpected(std::move(reader.error()));
      return std::make_unique<JournalReader>(std::move(*reader));
    };
  }
  std::unique_ptr<SqliteBooks> open_books() {
    return SqliteBooks::open(books_path(), storage::Database::Mode::read_write).value();
  }

  // One process: opens, lives, and dies without a word, its keeper anywhere.
  void live_and_die(std::uint64_t seed, int turns) {
    Ledger ledger;
    auto journal = Journal::open(*disk, options(), ledger, WallTime(1)).value();
    auto books = open_books();
    BookKeeper keeper(*books, source(),
                      {.batch_rows = 100, .gather = microseconds(200), .retry = milliseconds(1)});
    ledger::testing::SimulatedShard shard(ledger, *journal, seed);
    for (int turn = 0; turn < turns; ++turn) {
      for (int i = 0; i < 4; ++i) shard.step();
      ASSERT_TRUE(journal->write());
      keeper.written(journal->written());
    }
  }

  std::string folder;
  std::unique_ptr<journal::Disk> disk = journal::posix_disk();
};

TEST_F(BooksFromJournal, ThroughManyDeathsTheBooksAreThoseOfTheJournal) {
  ledger::testing::for_each_seed(3, [this](std::uint64_t seed) {
    std::filesystem::remove_all(folder);
    std::filesystem::create_directory(folder);
    Random random(seed);
    for (int life = 0; life < 8; ++life) {
      live_and_die(random.next(), static_cast<int>(random.below(400)));
    }
    // The last one stays until the books have caught up.
    Ledger ledger;
    auto journal = Journal::open(*disk, options(), ledger, WallTime(1)).value();
    auto books = open_books();
    {
      BookKeeper keeper(*books, source());
      keeper.written(journal->written());
      const auto caught_up = keeper.catch_up();
      ASSERT_TRUE(caught_up) << caught_up.error().message;
      EXPECT_EQ(keeper.booked(), journal->written());
    }
    ASSERT_EQ(ledger.open_requests(), 0U);

    // The auditor needs the journal only.
    auto reader = JournalReader::open(*disk, journal_path()).value();
    Ledger audited;
    const ledger::AuditReport report = ledger::audit(reader, audited);
    ASSERT_FALSE(report.fault) << report.fault->what;
    EXPECT_EQ(report.last, journal->written());
    EXPECT_EQ(report.epochs, 9);
    EXPECT_GT(report.seals, 0);
    EXPECT_GT(report.requests_lost, 0);
    EXPECT_EQ(report.requests_open, 0);
    EXPECT_TRUE(storage::agrees(*books, audited));
    EXPECT_TRUE(storage::report_of(*books).value().adds_up());

    // Rebuilt from the journal they are the same, row by row.
    storage::MemoryBooks rebuilt;
    auto again = JournalReader::open(*disk, journal_path()).value();
    ASSERT_TRUE(storage::book_all(again, rebuilt));
    EXPECT_EQ(storage::digest_of(*books).value(), storage::digest_of(rebuilt).value());
  });
}

TEST_F(BooksFromJournal, BooksFarBehindBeginAtASealAndStillEqualARebuild) {
  live_and_die(1, 50);
  Ledger ledger;
  auto journal = Journal::open(*disk, options(), ledger, WallTime(1)).value();
  ledger::testing::SimulatedShard shard(ledger, *journal, 2);
  for (int i = 0; i < 4'000; ++i) {
    shard.step();
    ASSERT_TRUE(journal->write());
  }
  auto books = open_books();
  const Position behind = books->position(journal->id()).value();
  ASSERT_LT(behind, journal->written());
  auto late = JournalReader::open(*disk, journal_path(), behind).value();
  ASSERT_TRUE(storage::book_all(late, *books));
  storage::MemoryBooks rebuilt;
  auto whole = JournalReader::open(*disk, journal_path()).value();
  ASSERT_TRUE(storage::book_all(whole, rebuilt));
  EXPECT_EQ(storage::digest_of(*books).value(), storage::digest_of(rebuilt).value());
}

// Someone lowers a bill in the file and makes the checksums fit; the chain
// gives it away, and so would the amounts.
TEST_F(BooksFromJournal, AForgedBillIsFoundFromTheJournalAlone) {
  live_and_die(3, 200);
  const std::string segment = journal_path() + "/00000001.entries";
  const auto size = std::filesystem::file_size(segment);
  auto file = disk->open_read(segment).value();
  std::vector<std::uint8_t> bytes(size);
  ASSERT_EQ(file->read(0, bytes).value(), size);
  bytes[size / 3] ^= 1;
  ASSERT_TRUE(disk->overwrite(segment, 0, bytes));
  auto reader = JournalReader::open(*disk, journal_path()).value();
  Ledger audited;
  const ledger::AuditReport report = ledger::audit(reader, audited);
  ASSERT_TRUE(report.fault);
  EXPECT_NE(report.fault->what.find("00000001.entries at offset"), std::string::npos)
      << report.fault->what;
}

// The program that docs/ledger.md prints is a checker, and finds a changed byte.
TEST_F(BooksFromJournal, TheCheckerInTheDocumentsChecks) {
  live_and_die(4, 300);
  std::string command = std::string(HANSE_PYTHON3) +
                        " " HANSE_SOURCE_DIR
                        "/tests/ledger/check_as_documented.py " HANSE_SOURCE_DIR "/docs/ledger.md";
  const auto segments = journal::list_segments(*disk, journal_path()).value();
  ASSERT_GT(segments.size(), 1U);
  for (const auto number : segments) {
    command += " " + journal_path() + "/" + journal::entries_name(number);
  }
  command += " >/dev/null 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0) << command;

  const std::string first = journal_path() + "/" + journal::entries_name(segments.front());
  // The first record's epoch, behind the headers of segment, block and record.
  constexpr std::uint64_t kFirstField = 128 + 40 + 12;
  const std::uint8_t other = 2;
  ASSERT_TRUE(disk->overwrite(first, kFirstField, {&other, 1}));
  EXPECT_NE(std::system(command.c_str()), 0);
}

}  // namespace
}  // namespace hanse
