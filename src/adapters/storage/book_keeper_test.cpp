#include "adapters/storage/book_keeper.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <vector>

#include "adapters/storage/memory_books.h"
#include "adapters/storage/testing/agrees.h"
#include "core/ledger/testing/kept_source.h"
#include "core/ledger/testing/simulated_shard.h"

namespace hanse::storage {
namespace {

using ledger::Entry;
using ledger::Ledger;
using ledger::Position;
using ledger::testing::KeepingSink;
using ledger::testing::SimulatedShard;

// A journal in memory that grows while it is read.
class GrowingJournal {
 public:
  // An epoch of a shard's life, all of it ended.
  Position live(std::uint64_t seed, int steps) {
    KeepingSink fresh;
    {
      const Entry epoch{.at = ledger_.last_at(),
                        .body = ledger::EpochStarted{.epoch = ledger_.epoch() + ledger::Epoch(1)}};
      EXPECT_TRUE(ledger_.apply(epoch));
      fresh.append(epoch);
      SimulatedShard shard(ledger_, fresh, seed);
      for (int i = 0; i < steps; ++i) shard.step();
      shard.drain();
    }
    const std::lock_guard lock(mutex_);
    sink_.entries.insert(sink_.entries.end(), fresh.entries.begin(), fresh.entries.end());
    return Position(static_cast<std::int64_t>(sink_.entries.size()));
  }

  class Source final : public ledger::EntrySource {
   public:
    explicit Source(GrowingJournal& journal) : journal_(journal) { id_.bytes[0] = 1; }
    [[nodiscard]] const ledger::JournalId& journal() const override { return id_; }
    [[nodiscard]] Position begins_at() const override { return {}; }
    Result<bool> next(ledger::PlacedEntry& entry) override {
      const std::lock_guard lock(journal_.mutex_);
      if (read_ == journal_.sink_.entries.size()) return false;
      entry.entry = journal_.sink_.entries[read_];
      entry.position = Position(static_cast<std::int64_t>(++read_));
      return true;
    }

   private:
    GrowingJournal& journal_;
    ledger::JournalId id_;
    std::size_t read_ = 0;
  };

  OpenSource opener() {
    return [this](Position) -> Result<std::unique_ptr<ledger::EntrySource>> {
      ++opened_;
      return std::make_unique<Source>(*this);
    };
  }
  [[nodiscard]] Ledger& ledger() { return ledger_; }
  [[nodiscard]] int opened() const { return opened_; }

 private:
  std::mutex mutex_;
  Ledger ledger_;
  KeepingSink sink_;
  std::atomic<int> opened_{0};
};

// A store that can be out of order.
class FlakyBooks final : public Books {
 public:
  std::atomic<bool> broken{false};
  std::atomic<int> refused{0};

  Result<Position> position(const ledger::JournalId& journal) override {
    return books_.position(journal);
  }
  Status write(const BookBatch& batch) override {
    if (!broken) return books_.write(batch);
    ++refused;
    return fail({ErrorCode::unavailable, Fault::us, Retry::later, "the store is out of order"});
  }
  Result<std::vector<BookedBalance>> balances() override { return books_.balances(); }
  Result<std::vector<BookedCost>> costs() override { return books_.costs(); }
  Result<std::vector<BookedPosting>> postings(const ledger::JournalId& journal, Position after,
                                              std::size_t limit) override {
    return books_.postings(journal, after, limit);
  }
  Result<std::optional<BookedRequest>> request(const ledger::RequestId& id) override {
    return books_.request(id);
  }
  Status dump(const std::function<void(std::string_view)>& to) override { return books_.dump(to); }

 private:
  MemoryBooks books_;
};

constexpr BookKeeperOptions kQuick{
    .batch_rows = 50, .gather = microseconds(100), .retry = milliseconds(1)};

TEST(BookKeeper, FollowsTheJournal) {
  GrowingJournal journal;
  FlakyBooks books;
  {
    BookKeeper keeper(books, journal.opener(), kQuick);
    for (std::uint64_t round = 1; round <= 20; ++round) keeper.written(journal.live(round, 50));
    ASSERT_TRUE(keeper.catch_up());
    EXPECT_EQ(keeper.lag(), 0);
    EXPECT_EQ(keeper.booked(), journal.ledger().position());
    EXPECT_FALSE(keeper.trouble());
  }
  EXPECT_TRUE(agrees(books, journal.ledger()));
  EXPECT_EQ(journal.opened(), 1);
}

TEST(BookKeeper, AStoreOutOfOrderHoldsUpNobodyAndIsCaughtUpWithLater) {
  GrowingJournal journal;
  FlakyBooks books;
  {
    BookKeeper keeper(books, journal.opener(), kQuick);
    keeper.written(journal.live(1, 100));
    ASSERT_TRUE(keeper.catch_up());
    books.broken = true;
    const Position booked = keeper.booked();
    keeper.written(journal.live(2, 100));
    const auto stuck = keeper.catch_up();
    ASSERT_FALSE(stuck);
    EXPECT_EQ(stuck.error().message, "the store is out of order");
    EXPECT_TRUE(keeper.trouble());
    EXPECT_EQ(keeper.booked(), booked);
    EXPECT_GT(keeper.lag(), 0);
    books.broken = false;
    while (!keeper.catch_up()) {
    }
    EXPECT_EQ(keeper.lag(), 0);
  }
  EXPECT_GT(books.refused, 0);
  EXPECT_TRUE(agrees(books, journal.ledger()));
}

TEST(BookKeeper, ANewKeeperGoesOnWhereTheBooksAre) {
  GrowingJournal journal;
  FlakyBooks books;
  for (std::uint64_t round = 1; round <= 5; ++round) {
    BookKeeper keeper(books, journal.opener(), kQuick);
    keeper.written(journal.live(round, 100));
    ASSERT_TRUE(keeper.catch_up());
  }
  EXPECT_TRUE(agrees(books, journal.ledger()));
}

TEST(BookKeeper, StopsInTheMiddleAndTheRestIsBookedNextTime) {
  GrowingJournal journal;
  FlakyBooks books;
  for (std::uint64_t round = 1; round <= 20; ++round) {
    BookKeeper keeper(books, journal.opener(), kQuick);
    keeper.written(journal.live(round, 200));
  }
  BookKeeper keeper(books, journal.opener(), kQuick);
  keeper.written(journal.ledger().position());
  ASSERT_TRUE(keeper.catch_up());
  EXPECT_TRUE(agrees(books, journal.ledger()));
}

// What is written may still be lost with the power; the books wait for it.
TEST(BookKeeper, BooksNoFurtherThanItIsTold) {
  GrowingJournal journal;
  FlakyBooks books;
  const Position end = journal.live(1, 200);
  BookKeeper keeper(books, journal.opener(), kQuick);
  const Position half(end.count() / 2);
  keeper.written(half);
  ASSERT_TRUE(keeper.catch_up());
  EXPECT_EQ(keeper.booked(), half);
  keeper.written(end);
  ASSERT_TRUE(keeper.catch_up());
  EXPECT_EQ(keeper.booked(), end);
}

TEST(BookKeeper, BooksThatKnowMoreThanTheJournalAreNotGoneOnWith) {
  GrowingJournal journal;
  FlakyBooks books;
  {
    BookKeeper keeper(books, journal.opener(), kQuick);
    keeper.written(journal.live(1, 100));
    ASSERT_TRUE(keeper.catch_up());
  }
  GrowingJournal shorter;
  BookKeeper keeper(books, shorter.opener(), kQuick);
  keeper.written(shorter.live(1, 10));
  const auto refused = keeper.catch_up();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("rebuild"), std::string::npos);
}

TEST(BookKeeper, AJournalThatCannotBeOpenedIsTroubleAndNotTheEnd) {
  GrowingJournal journal;
  FlakyBooks books;
  std::atomic<bool> there{false};
  {
    BookKeeper keeper(
        books,
        [&](Position after) -> Result<std::unique_ptr<ledger::EntrySource>> {
          if (there) return journal.opener()(after);
          return fail({ErrorCode::not_found, Fault::us, Retry::later, "no journal"});
        },
        kQuick);
    keeper.written(journal.live(1, 50));
    EXPECT_FALSE(keeper.catch_up());
    there = true;
    while (!keeper.catch_up()) {
    }
    EXPECT_FALSE(keeper.trouble());
  }
  EXPECT_TRUE(agrees(books, journal.ledger()));
}

}  // namespace
}  // namespace hanse::storage
