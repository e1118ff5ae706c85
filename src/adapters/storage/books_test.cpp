// What every store must do. A new one adds itself to the table at the end.
#include "adapters/storage/books.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "adapters/storage/balance_report.h"
#include "adapters/storage/book_keeper.h"
#include "adapters/storage/memory_books.h"
#include "adapters/storage/sqlite_books.h"
#include "adapters/storage/testing/agrees.h"
#include "core/ledger/testing/kept_source.h"
#include "core/ledger/testing/seeds.h"
#include "core/ledger/testing/simulated_shard.h"

namespace hanse::storage {
namespace {

using ledger::Entry;
using ledger::Ledger;
using ledger::Position;
using ledger::testing::KeepingSink;
using ledger::testing::KeptSource;
using ledger::testing::SimulatedShard;

// A store and the means to close and open it again.
class Store {
 public:
  virtual ~Store() = default;
  virtual Books& books() = 0;
  virtual void reopen() = 0;
};

class MemoryStore final : public Store {
 public:
  Books& books() override { return books_; }
  void reopen() override {}

 private:
  MemoryBooks books_;
};

class SqliteStore final : public Store {
 public:
  SqliteStore() {
    std::string name = ::testing::TempDir() + "hanse-books-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = name;
    reopen();
  }
  ~SqliteStore() override {
    books_.reset();
    std::filesystem::remove_all(directory_);
  }
  Books& books() override { return *books_; }
  void reopen() override {
    books_.reset();
    books_ = SqliteBooks::open(directory_ + "/books.sqlite", Database::Mode::read_write).value();
  }

 private:
  std::string directory_;
  std::unique_ptr<SqliteBooks> books_;
};

struct Kind {
  const char* name;
  std::unique_ptr<Store> (*make)();
};

class BooksTest : public ::testing::TestWithParam<Kind> {
 protected:
  Books& books() { return store->books(); }
  std::unique_ptr<Store> store = GetParam().make();
};

const ledger::Currency kEuro = ledger::parse_currency("EUR").value();

ledger::JournalId journal(std::uint8_t name) {
  ledger::JournalId id;
  id.bytes[0] = name;
  return id;
}

// Two accounts and one request that moved `amount` from one to the other.
BookBatch small_batch(std::uint8_t name, std::int64_t amount) {
  BookBatch batch{.journal = journal(name),
                  .after = Position(0),
                  .last = Position(10),
                  .at = WallTime(7),
                  .accounts = {},
                  .balances = {},
                  .postings = {},
                  .attempts = {},
                  .requests = {}};
  const ledger::AccountNumber key(0);
  const ledger::AccountNumber revenue(1);
  batch.accounts = {{.number = key,
                     .kind = ledger::AccountKind::receivable,
                     .currency = kEuro,
                     .path = "receivable/acme/web/laptop/EUR"},
                    {.number = revenue,
                     .kind = ledger::AccountKind::revenue,
                     .currency = kEuro,
                     .path = "revenue/EUR"}};
  batch.balances = {{.account = key, .debits = amount, .credits = 0},
                    {.account = revenue, .debits = 0, .credits = amount}};
  PostingRow posting;
  posting.position = Position(9);
  posting.request = {ledger::Epoch(1), 4};
  posting.debit = key;
  posting.credit = revenue;
  posting.amount = Money(amount);
  batch.postings = {posting};
  RequestRow request;
  request.request = {ledger::Epoch(1), 4};
  request.receivable = key;
  request.charged = Money(amount);
  request.opened = Position(5);
  request.closed = Position(9);
  batch.requests = {request};
  return batch;
}

// What a shard wrote in `steps` steps, with a crash and two seals on the way.
std::vector<Entry> life(std::uint64_t seed, int steps) {
  Ledger ledger;
  KeepingSink sink;
  for (std::int64_t epoch = 1; epoch <= 2; ++epoch) {
    const Entry started{.at = ledger.last_at(),
                        .body = ledger::EpochStarted{.epoch = ledger::Epoch(epoch)}};
    EXPECT_TRUE(ledger.apply(started));
    sink.append(started);
    ledger.close_open_requests_after_crash(ledger.last_at(), sink);
    SimulatedShard shard(ledger, sink, seed + static_cast<std::uint64_t>(epoch));
    for (int i = 0; i < steps; ++i) shard.step();
    ledger.seal(ledger.last_at(), sink);
    for (int i = 0; i < steps; ++i) shard.step();
  }
  return sink.entries;
}

TEST_P(BooksTest, AnUnknownJournalStandsAtZero) {
  EXPECT_EQ(books().position(journal(1)).value(), Position(0));
  EXPECT_TRUE(books().balances().value().empty());
  EXPECT_TRUE(books().postings(journal(1), Position(0), 10).value().empty());
  EXPECT_FALSE(books().request({.journal = journal(1), .number = {}}).value());
}

TEST_P(BooksTest, ABatchIsThereAfterItWasWritten) {
  ASSERT_TRUE(books().write(small_batch(1, 500)));
  store->reopen();
  EXPECT_EQ(books().position(journal(1)).value(), Position(10));
  const auto balances = books().balances().value();
  ASSERT_EQ(balances.size(), 2U);
  EXPECT_EQ(balances[0].path, "receivable/acme/web/laptop/EUR");
  EXPECT_EQ(balances[0].balance(), 500);
  EXPECT_EQ(balances[1].balance(), -500);
}

// The answer to a commit may be lost; the keeper writes the batch again.
TEST_P(BooksTest, ABatchWrittenTwiceCountsOnce) {
  ASSERT_TRUE(books().write(small_batch(1, 500)));
  const auto digest = digest_of(books()).value();
  ASSERT_TRUE(books().write(small_batch(1, 500)));
  EXPECT_EQ(digest_of(books()).value(), digest);
}

TEST_P(BooksTest, ABatchThatDoesNotFollowIsRefusedAndLeavesNoTrace) {
  ASSERT_TRUE(books().write(small_batch(1, 500)));
  const auto digest = digest_of(books()).value();
  BookBatch gap = small_batch(1, 600);
  gap.after = Position(11);
  gap.last = Position(20);
  EXPECT_EQ(books().write(gap).error().code, ErrorCode::conflict);
  BookBatch overlap = small_batch(1, 600);
  overlap.after = Position(9);
  overlap.last = Position(20);
  EXPECT_EQ(books().write(overlap).error().code, ErrorCode::conflict);
  EXPECT_EQ(digest_of(books()).value(), digest);
}

TEST_P(BooksTest, JournalsShareAccountsByPath) {
  ASSERT_TRUE(books().write(small_batch(1, 500)));
  ASSERT_TRUE(books().write(small_batch(2, 70)));
  const auto balances = books().balances().value();
  ASSERT_EQ(balances.size(), 2U);
  EXPECT_EQ(balances[0].balance(), 570);
  EXPECT_EQ(books().postings(journal(2), Position(0), 10).value().size(), 1U);
}

TEST_P(BooksTest, SumsMayPass64Bits) {
  BookBatch batch = small_batch(1, 1);
  const ledger::Sum huge = static_cast<ledger::Sum>(INT64_MAX) * 1'000'000;
  batch.balances[0].debits = huge;
  batch.balances[1].credits = huge;
  ASSERT_TRUE(books().write(batch));
  store->reopen();
  EXPECT_EQ(books().balances().value()[0].balance(), huge);
}

TEST_P(BooksTest, ARequestIsFoundWithItsAttemptsAndPostings) {
  KeptSource source(life(5, 200));
  ASSERT_TRUE(book_all(source, books()));
  MemoryBooks reference;
  KeptSource again(life(5, 200));
  ASSERT_TRUE(book_all(again, reference));
  std::size_t found = 0;
  for (std::int64_t sequence = 1; sequence < 100; ++sequence) {
    const ledger::RequestId id{.journal = source.journal(), .number = {ledger::Epoch(1), sequence}};
    const auto request = books().request(id).value();
    const auto expected = reference.request(id).value();
    ASSERT_EQ(request.has_value(), expected.has_value());
    if (!request) continue;
    ++found;
    EXPECT_EQ(to_line(request->row), to_line(expected->row));
    EXPECT_EQ(request->receivable, expected->receivable);
    ASSERT_EQ(request->attempts.size(), static_cast<std::size_t>(request->row.last_attempt));
    ASSERT_EQ(request->attempts.size(), expected->attempts.size());
    ASSERT_EQ(request->postings.size(), expected->postings.size());
    for (std::size_t i = 0; i < request->postings.size(); ++i) {
      EXPECT_EQ(to_line(request->postings[i].row), to_line(expected->postings[i].row));
      EXPECT_EQ(request->postings[i].debit, expected->postings[i].debit);
    }
  }
  EXPECT_GT(found, 10U);
}

TEST_P(BooksTest, PostingsComeInOrderAndInParts) {
  KeptSource source(life(6, 200));
  ASSERT_TRUE(book_all(source, books()));
  const auto all = books().postings(source.journal(), Position(0), 100'000).value();
  ASSERT_GT(all.size(), 50U);
  const auto part = books().postings(source.journal(), all[9].row.position, 5).value();
  ASSERT_EQ(part.size(), 5U);
  EXPECT_GT(part[0].row.position, all[9].row.position);
  for (std::size_t i = 1; i < all.size(); ++i) {
    ASSERT_LE(all[i - 1].row.position, all[i].row.position);
  }
}

// Fed in batches of any size, stopped and begun again anywhere, even from a
// seal in mid-journal, the books are those of one pass, to the last digit.
TEST_P(BooksTest, ARebuildEqualsTheFedBooks) {
  ledger::testing::for_each_seed(8, [this](std::uint64_t seed) {
    store = GetParam().make();
    const auto entries = life(seed, 150);
    Random random(seed);
    for (std::size_t fed = 0; fed < entries.size();) {
      fed = std::min(entries.size(), fed + 1 + random.below(400));
      // A source may begin at a seal before what is booked.
      const auto booked =
          static_cast<std::size_t>(books().position(KeptSource({}).journal()).value().count());
      std::size_t begin = 0;
      for (std::size_t i = 0; i <= booked && i < entries.size(); ++i) {
        if (std::holds_alternative<ledger::SealBegun>(entries[i].body)) begin = i;
      }
      KeptSource part({entries.begin() + static_cast<std::ptrdiff_t>(begin),
                       entries.begin() + static_cast<std::ptrdiff_t>(fed)},
                      Position(static_cast<std::int64_t>(begin)));
      const auto reached = book_all(part, books(), 1 + random.below(200));
      ASSERT_TRUE(reached) << reached.error().message;
      ASSERT_EQ(*reached, Position(static_cast<std::int64_t>(fed)));
      store->reopen();
    }
    MemoryBooks rebuilt;
    KeptSource whole(entries);
    ASSERT_TRUE(book_all(whole, rebuilt, 1'000'000));
    EXPECT_EQ(digest_of(books()).value(), digest_of(rebuilt).value());
    EXPECT_EQ(books().balances().value(), rebuilt.balances().value());
    EXPECT_EQ(books().costs().value(), rebuilt.costs().value());
  });
}

TEST_P(BooksTest, AgreeWithTheLedgerAndAddUp) {
  const auto entries = life(9, 400);
  KeptSource source(entries);
  ASSERT_TRUE(book_all(source, books()));
  Ledger ledger;
  for (const Entry& entry : entries) ASSERT_TRUE(ledger.apply(entry));
  EXPECT_TRUE(agrees(books(), ledger));
  const BalanceReport report = report_of(books()).value();
  EXPECT_TRUE(report.adds_up());
  EXPECT_EQ(report.tenants.size(), 3U);
  EXPECT_EQ(report.keys.size(), 6U);
  EXPECT_EQ(report.suppliers.size(), 2U);
  EXPECT_EQ(report.sites.size(), 4U);
}

TEST_P(BooksTest, AStoreThatWasTamperedWithDoesNotAgree) {
  const auto entries = life(9, 100);
  KeptSource source(entries);
  ASSERT_TRUE(book_all(source, books()));
  Ledger ledger;
  for (const Entry& entry : entries) ASSERT_TRUE(ledger.apply(entry));
  BookBatch forged = small_batch(1, 1);
  forged.journal = source.journal();
  forged.after = ledger.position();
  forged.last = ledger.position() + Position(1);
  forged.accounts.clear();
  forged.postings.clear();
  forged.requests.clear();
  forged.balances = {{.account = ledger::AccountNumber(0), .debits = 1, .credits = 1}};
  ASSERT_TRUE(books().write(forged));
  EXPECT_EQ(agrees(books(), ledger).error().code, ErrorCode::conflict);
}

TEST_P(BooksTest, AJournalThatBeginsAfterTheBooksIsRefused) {
  KeptSource late({}, Position(5));
  EXPECT_EQ(book_all(late, books()).error().code, ErrorCode::conflict);
}

INSTANTIATE_TEST_SUITE_P(
    Stores, BooksTest,
    ::testing::Values(
        Kind{"memory", [] -> std::unique_ptr<Store> { return std::make_unique<MemoryStore>(); }},
        Kind{"sqlite", [] -> std::unique_ptr<Store> { return std::make_unique<SqliteStore>(); }}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace hanse::storage
