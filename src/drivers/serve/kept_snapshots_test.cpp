#include "drivers/serve/kept_snapshots.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

#include "adapters/journal/journal.h"
#include "adapters/journal/retention.h"
#include "adapters/journal/testing/faulty_disk.h"
#include "core/dispatch/record_codec.h"
#include "core/ledger/ledger.h"

namespace hanse::serve {
namespace {

using journal::testing::FaultyDisk;

// Configurations are called by a letter; its digest is made of it.
Sha256 digest_of(char letter) { return sha256(std::string_view(&letter, 1)); }

dispatch::SnapshotRef snapshot(char letter) {
  dispatch::Snapshot made;
  made.digest = digest_of(letter);
  return std::make_shared<const dispatch::Snapshot>(std::move(made));
}

class KeptSnapshotsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    journal_ = journal::Journal::open(disk_,
                                      {.directory = "d/journal",
                                       .payload_segment_bytes = 1'000,
                                       .flush_interval = Duration(0)},
                                      ledger_, WallTime(1))
                   .value();
  }
  void keep(std::string_view letters) {
    for (const char letter : letters) {
      ASSERT_TRUE(disk_.create(snapshot_file(files_, digest_of(letter)).string()));
    }
  }
  // Requests that cite `letter`, some files full of them.
  void cite(char letter) {
    for (int i = 0; i < 30; ++i) {
      dispatch::Record record;
      record.number = {ledger_.epoch(), ++sequence_};
      record.snapshot = digest_of(letter);
      std::string bytes;
      dispatch::write_record(record, {}, bytes);
      append({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
    }
  }
  void append(std::span<const std::uint8_t> payload) {
    const ledger::Entry entry{
        .at = WallTime(1),
        .body = ledger::RequestRefused{.request = {ledger_.epoch(), sequence_},
                                       .why = ledger::Refusal::by_law}};
    ASSERT_TRUE(ledger_.apply(entry));
    journal_->append(entry, payload);
    ASSERT_TRUE(journal_->write());
  }
  void erase_records(std::uint64_t bytes_left) {
    ASSERT_TRUE(journal::erase_old_payloads(
        disk_, "d/journal", {.retention = kForever, .bytes_max = bytes_left}, WallTime(1)));
  }
  std::string kept(std::string_view letters) {
    std::string found;
    for (const char letter : letters) {
      if (disk_.open_read(snapshot_file(files_, digest_of(letter)).string())) found += letter;
    }
    return found;
  }

  FaultyDisk disk_;
  const BooksFiles files_ = books_files("d");
  ledger::Ledger ledger_;
  std::unique_ptr<journal::Journal> journal_;
  std::int64_t sequence_ = 0;
  KeptSnapshots snapshots_{disk_, files_};
};

TEST_F(KeptSnapshotsTest, WhatIsCitedOrInUseStays) {
  keep("abcd");
  const dispatch::SnapshotRef running = snapshot('d');
  snapshots_.use(running);
  cite('a');
  cite('b');
  EXPECT_EQ(snapshots_.erase_unused().value(), 1);
  EXPECT_EQ(kept("abcd"), "abd");
}

TEST_F(KeptSnapshotsTest, AConfigurationGoesWithTheLastRecordThatCitesIt) {
  keep("ab");
  cite('a');
  cite('b');
  EXPECT_EQ(snapshots_.erase_unused().value(), 0);
  erase_records(1'500);
  EXPECT_EQ(snapshots_.erase_unused().value(), 1);
  EXPECT_EQ(kept("ab"), "b");
}

// The first record found to cite it goes before the last that does.
TEST_F(KeptSnapshotsTest, ARecordThatCitesItAgainLaterKeepsIt) {
  keep("ab");
  cite('a');
  cite('b');
  cite('a');
  EXPECT_EQ(snapshots_.erase_unused().value(), 0);
  erase_records(1'500);
  EXPECT_EQ(snapshots_.erase_unused().value(), 1);
  EXPECT_EQ(kept("ab"), "a");
}

TEST_F(KeptSnapshotsTest, ARequestUnderWayKeepsItsConfiguration) {
  keep("ab");
  dispatch::SnapshotRef of_request = snapshot('a');
  snapshots_.use(of_request);
  const dispatch::SnapshotRef running = snapshot('b');
  snapshots_.use(running);
  EXPECT_EQ(snapshots_.erase_unused().value(), 0);
  of_request.reset();
  EXPECT_EQ(snapshots_.erase_unused().value(), 1);
  EXPECT_EQ(kept("ab"), "b");
}

TEST_F(KeptSnapshotsTest, WhatCannotBeToldCountsAsCited) {
  keep("a");
  ++sequence_;
  append(std::vector<std::uint8_t>(3, 1));  // no record
  EXPECT_FALSE(snapshots_.erase_unused());
  EXPECT_EQ(kept("a"), "a");
}

TEST_F(KeptSnapshotsTest, OtherFilesAreLeftAlone) {
  ASSERT_TRUE(disk_.create("d/snapshots/notes.toml"));
  ASSERT_TRUE(disk_.create(snapshot_file(files_, digest_of('a')).string() + ".new"));
  EXPECT_EQ(snapshots_.erase_unused().value(), 0);
  EXPECT_TRUE(disk_.open_read("d/snapshots/notes.toml"));
}

}  // namespace
}  // namespace hanse::serve
