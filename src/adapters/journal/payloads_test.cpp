#include "adapters/journal/payloads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "adapters/journal/journal.h"
#include "adapters/journal/testing/faulty_disk.h"
#include "core/ledger/ledger.h"

namespace hanse::journal {
namespace {

using ::testing::ElementsAre;
using testing::FaultyDisk;

constexpr const char* kFile = "j/00000001.payloads";

class VisitPayloads : public ::testing::Test {
 protected:
  void SetUp() override {
    journal_ = Journal::open(disk_, {.directory = "j", .flush_interval = Duration(0)}, ledger_,
                             WallTime(1))
                   .value();
  }
  void append(std::string_view payload) {
    const ledger::Entry entry{
        .at = WallTime(1),
        .body = ledger::RequestRefused{.request = {ledger_.epoch(), ++sequence_},
                                       .why = ledger::Refusal::by_law}};
    ASSERT_TRUE(ledger_.apply(entry));
    journal_->append(entry,
                     {reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()});
    ASSERT_TRUE(journal_->write());
  }
  // The first letters of each, until `most` have been seen.
  Result<std::vector<std::string>> beginnings(std::size_t letters, std::size_t most = 1'000) {
    std::vector<std::string> found;
    const Status visited = visit_payloads(disk_, "j", SegmentNumber(1), letters, [&](auto bytes) {
      found.emplace_back(bytes.begin(), bytes.end());
      return found.size() < most;
    });
    if (!visited) return std::unexpected(visited.error());
    return found;
  }

  FaultyDisk disk_;
  ledger::Ledger ledger_;
  std::unique_ptr<Journal> journal_;
  std::int64_t sequence_ = 0;
};

TEST_F(VisitPayloads, ShowsTheBeginningsInOrder) {
  append("one");
  append(std::string(200'000, 'x'));  // more than is read at once
  append("three");
  EXPECT_THAT(beginnings(4).value(), ElementsAre("one", "xxxx", "thre"));
  EXPECT_THAT(beginnings(4, 2).value(), ElementsAre("one", "xxxx"));
}

TEST_F(VisitPayloads, PassesOverWhatIsErased) {
  append("one");
  append("two");
  const ledger::Position last = journal_->written();
  append("three");
  const auto place = find_payload(disk_, "j", last).value().value();
  ASSERT_TRUE(erase_payload(disk_, "j", place));
  EXPECT_THAT(beginnings(9).value(), ElementsAre("one", "three"));
}

TEST_F(VisitPayloads, AFileThatEndsInAPayloadsHeaderIsBeingWritten) {
  append("one");
  append("two");
  ASSERT_TRUE(disk_.truncate(kFile, kPayloadFileHeaderBytes + 2 * kPayloadHeaderBytes + 3 - 1));
  EXPECT_THAT(beginnings(9).value(), ElementsAre("one"));
}

TEST_F(VisitPayloads, WhatIsNoPayloadIsDamage) {
  append("one");
  append("two");
  disk_.flip_bit(kFile, kPayloadFileHeaderBytes + kPayloadHeaderBytes + 3);
  const auto found = beginnings(9);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::broken);
  EXPECT_NE(found.error().message.find(kFile), std::string::npos);
}

TEST_F(VisitPayloads, AFileThatIsGoneIsNotFound) {
  append("one");
  ASSERT_TRUE(disk_.remove(kFile));
  EXPECT_EQ(beginnings(9).error().code, ErrorCode::not_found);
}

}  // namespace
}  // namespace hanse::journal
