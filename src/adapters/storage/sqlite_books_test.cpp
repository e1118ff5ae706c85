#include "adapters/storage/sqlite_books.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "adapters/storage/sqlite_schema.h"

namespace hanse::storage {
namespace {

class SqliteBooksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "hanse-sqlite-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    directory = name;
    path = directory + "/books.sqlite";
  }
  void TearDown() override { std::filesystem::remove_all(directory); }

  std::string directory;
  std::string path;
};

TEST_F(SqliteBooksTest, ReadingDoesNotMakeAFile) {
  const auto books = SqliteBooks::open(path, Database::Mode::read_only);
  ASSERT_FALSE(books);
  EXPECT_EQ(books.error().code, ErrorCode::not_found);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(SqliteBooksTest, TheBooksAreForTheirOwnerAlone) {
  const auto books = SqliteBooks::open(path, Database::Mode::read_write).value();
  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    ++files;
    EXPECT_EQ(file.status().permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
        << file.path();
  }
  EXPECT_GT(files, 0U);
}

TEST_F(SqliteBooksTest, AFileThatIsNoDatabaseIsRefused) {
  std::ofstream(path) << std::string(4'096, 'x');
  const auto books = SqliteBooks::open(path, Database::Mode::read_write);
  ASSERT_FALSE(books);
  EXPECT_EQ(books.error().code, ErrorCode::broken);
  EXPECT_NE(books.error().message.find(path), std::string::npos) << books.error().message;
}

TEST_F(SqliteBooksTest, AnotherSchemaIsRefusedWithWhatToDo) {
  {
    ASSERT_TRUE(SqliteBooks::open(path, Database::Mode::read_write));
  }
  {
    auto database = Database::open(path, Database::Mode::read_write).value();
    ASSERT_TRUE(database.execute("PRAGMA user_version = 77"));
  }
  const auto books = SqliteBooks::open(path, Database::Mode::read_write);
  ASSERT_FALSE(books);
  EXPECT_NE(books.error().message.find("rebuild"), std::string::npos);
}

TEST_F(SqliteBooksTest, CanBeReadWhileItIsWritten) {
  const auto writer = SqliteBooks::open(path, Database::Mode::read_write).value();
  const auto reader = SqliteBooks::open(path, Database::Mode::read_only).value();
  BookBatch batch;
  batch.journal.bytes[0] = 1;
  batch.last = ledger::Position(3);
  ASSERT_TRUE(writer->write(batch));
  EXPECT_EQ(reader->position(batch.journal).value(), ledger::Position(3));
}

// A second writer cannot book the same entries again.
TEST_F(SqliteBooksTest, TwoWritersCannotBothBeRight) {
  const auto one = SqliteBooks::open(path, Database::Mode::read_write).value();
  const auto two = SqliteBooks::open(path, Database::Mode::read_write).value();
  BookBatch batch;
  batch.journal.bytes[0] = 1;
  batch.last = ledger::Position(3);
  ASSERT_TRUE(one->write(batch));
  batch.last = ledger::Position(4);
  EXPECT_EQ(two->write(batch).error().code, ErrorCode::conflict);
}

TEST(Sums, RoundTripAsDigits) {
  for (const ledger::Sum sum :
       {ledger::Sum{0}, ledger::Sum{-1}, ledger::Sum{INT64_MAX},
        static_cast<ledger::Sum>(INT64_MAX) * INT64_MAX, -static_cast<ledger::Sum>(INT64_MAX)}) {
    EXPECT_EQ(sum_of_digits(to_digits(sum)), sum);
  }
  for (const char* const wrong :
       {"", "-", "1x", " 1", "1234567890123456789012345678901234567890"}) {
    EXPECT_FALSE(sum_of_digits(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace hanse::storage
