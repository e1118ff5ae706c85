#include "drivers/serve/books.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "adapters/journal/testing/faulty_disk.h"
#include "adapters/storage/sqlite.h"

namespace hanse::serve {
namespace {

using storage::Database;

constexpr Instant at(Duration since) {
  return {.monotonic = MonotonicTime(0) + since, .wall = WallTime(1) + since};
}

class BooksTest : public ::testing::Test {
 protected:
  BooksTest() : folder_(::testing::TempDir() + "hanse_books_test." + std::to_string(::getpid())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    open(at(seconds(0)));
  }
  ~BooksTest() override {
    books_.reset();
    std::filesystem::remove_all(folder_);
  }

  void open(Instant now) {
    BooksOptions options;
    options.files = books_files(folder_);
    options.journal.flush_interval = Duration(0);
    options.journal.cover = [this](const std::function<void()>& work) {
      if (meanwhile_) meanwhile_();
      work();
    };
    options.lag_max = seconds(60);
    options.now = [] { return WallTime(1); };
    books_ = Books::open(disk_, options, now).value();
  }
  void refuse_request(Instant now) {
    const ledger::Entry entry{
        .at = now.wall,
        .body = ledger::RequestRefused{.request = {books_->ledger().epoch(), ++sequence_},
                                       .why = ledger::Refusal::by_law}};
    ASSERT_TRUE(books_->ledger().apply(entry));
    books_->append(entry);
    ASSERT_TRUE(books_->write(now));
  }
  void await_books() const {
    while (books_->lag_entries() != 0) std::this_thread::yield();
  }
  // As long as it lives, nothing can be booked.
  Database lock_database() const {
    auto database =
        Database::open(books_files(folder_).database.string(), Database::Mode::read_write).value();
    EXPECT_TRUE(database.execute("BEGIN IMMEDIATE"));
    return database;
  }

  journal::testing::FaultyDisk disk_;
  std::function<void()> meanwhile_;  // a write is under way
  const std::string folder_;
  std::unique_ptr<Books> books_;
  std::int64_t sequence_ = 0;
};

// A disk that stands still while it is written to.
TEST_F(BooksTest, ADiskThatStandsStillStopsAdmissionUntilItGoesOn) {
  EXPECT_EQ(books_->stands(at(seconds(9))), Duration());
  int asked = 0;
  meanwhile_ = [&] {
    ++asked;
    EXPECT_EQ(books_->stands(at(seconds(12))), seconds(2));
    EXPECT_TRUE(books_->may_admit(at(seconds(11))));
    const Status refused = books_->may_admit(at(seconds(12)));
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("stands still"), std::string::npos);
  };
  refuse_request(at(seconds(10)));
  meanwhile_ = {};
  EXPECT_EQ(asked, 1);
  EXPECT_TRUE(books_->may_admit(at(seconds(12))));
}

TEST_F(BooksTest, WhatWasWrittenLastIsBehindThoughNothingFollowsIt) {
  refuse_request(at(seconds(1)));
  await_books();
  EXPECT_EQ(books_->lag(at(seconds(10))), Duration());
  const Database locked = lock_database();
  // Too soon after the one before to be remembered among the marks.
  refuse_request(at(seconds(1) + milliseconds(50)));
  EXPECT_EQ(books_->lag_entries(), 1);
  EXPECT_EQ(books_->lag(at(seconds(10) + milliseconds(50))), seconds(9));
  EXPECT_TRUE(books_->may_admit(at(seconds(61))));
  const Status late = books_->may_admit(at(seconds(62)));
  ASSERT_FALSE(late);
  EXPECT_NE(late.error().message.find("behind the journal"), std::string::npos);
}

TEST_F(BooksTest, WhatTheStartFindsUnbookedIsBehind) {
  refuse_request(at(seconds(1)));
  await_books();
  std::optional<Database> locked = lock_database();
  refuse_request(at(seconds(2)));
  books_.reset();
  open(at(seconds(100)));
  EXPECT_GT(books_->lag_entries(), 0);
  EXPECT_EQ(books_->lag(at(seconds(107))), seconds(7));
  locked.reset();
  await_books();
  EXPECT_EQ(books_->lag(at(seconds(200))), Duration());
}

}  // namespace
}  // namespace hanse::serve
