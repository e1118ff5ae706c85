#include "adapters/journal/retention.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "adapters/journal/find_request.h"
#include "adapters/journal/journal.h"
#include "adapters/journal/testing/faulty_disk.h"
#include "core/ledger/audit.h"

namespace hanse::journal {
namespace {

using ledger::Epoch;
using ledger::Ledger;
using testing::FaultyDisk;

constexpr const char* kDirectory = "j";

// A journal of refused requests, each with a record of its own, one a second.
class Retention : public ::testing::Test {
 protected:
  void open(JournalOptions options) {
    journal.reset();
    ledger = std::make_unique<Ledger>();
    options.directory = kDirectory;
    options.flush_interval = Duration(0);
    journal = Journal::open(disk, std::move(options), *ledger, at()).value();
  }
  void requests(int count, std::size_t bytes = 100) {
    for (int i = 0; i < count; ++i) {
      ++second_;
      const ledger::Entry entry{
          .at = at(),
          .body = ledger::RequestRefused{.request = {ledger->epoch(), ++sequence_},
                                         .why = ledger::Refusal::by_law}};
      ASSERT_TRUE(ledger->apply(entry));
      journal->append(entry, std::vector<std::uint8_t>(bytes, static_cast<std::uint8_t>(i)));
      ASSERT_TRUE(journal->write());
    }
  }
  RetentionReport erase(const RetentionRule& rule) {
    return erase_old_payloads(disk, kDirectory, rule, at()).value();
  }
  Payload::State record_of(std::int64_t sequence) {
    const auto end = find_request_end(disk, kDirectory,
                                      {.journal = journal->id(), .number = {Epoch(1), sequence}});
    return read_payload(disk, kDirectory, end.value().payload.value()).value().state;
  }
  std::vector<std::string> payload_names() {
    std::vector<std::string> found;
    for (const std::string& name : disk.names()) {
      if (name.ends_with(".payloads")) found.push_back(name);
    }
    return found;
  }
  std::uint64_t payload_bytes() {
    std::uint64_t sum = 0;
    for (const std::string& name : payload_names()) sum += disk.file(name).size();
    return sum;
  }
  void expect_that_it_verifies() {
    auto reader = JournalReader::open(disk, kDirectory).value();
    Ledger fresh;
    const ledger::AuditReport report = ledger::audit(reader, fresh);
    EXPECT_FALSE(report.fault) << report.fault->what;
    EXPECT_EQ(report.requests_refused, sequence_);
  }
  [[nodiscard]] WallTime at() const { return WallTime() + seconds(1'000 + second_); }

  FaultyDisk disk;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<Journal> journal;
  std::int64_t second_ = 0;
  std::int64_t sequence_ = 0;
};

TEST_F(Retention, WhatIsTooOldIsErasedAndTheChainStillVerifies) {
  open({.directory = {}, .segment_time = seconds(10)});
  requests(100);
  const auto report = erase({.retention = seconds(50)});
  EXPECT_GT(report.files_removed, 2);
  EXPECT_EQ(report.bytes_kept, payload_bytes());
  for (std::int64_t sequence = 1; sequence <= 100; ++sequence) {
    const std::int64_t age = 100 - sequence;
    // Exact but for the time that a segment is written for.
    if (age < 50) {
      EXPECT_EQ(record_of(sequence), Payload::State::kept) << sequence;
    }
    if (age > 50 + 11) {
      EXPECT_EQ(record_of(sequence), Payload::State::erased) << sequence;
    }
  }
  expect_that_it_verifies();
  EXPECT_EQ(erase({.retention = seconds(50)}).files_removed, 0) << "twice is as good as once";
}

TEST_F(Retention, TheOldestAreErasedWhileAllAreTooLarge) {
  open({.directory = {}, .payload_segment_bytes = 1'000});
  requests(100);
  const std::uint64_t before = payload_bytes();
  const auto report = erase({.bytes_max = 5'000});
  EXPECT_EQ(report.bytes_removed, before - payload_bytes());
  EXPECT_LE(payload_bytes(), 5'000U);
  EXPECT_GT(payload_bytes(), 3'000U) << "and no more than those";
  EXPECT_EQ(record_of(1), Payload::State::erased);
  EXPECT_EQ(record_of(100), Payload::State::kept);
  expect_that_it_verifies();
}

TEST_F(Retention, TheFileThatIsWrittenStaysHoweverOldAndLarge) {
  open({.directory = {}});
  requests(20);
  second_ += 1'000'000;
  EXPECT_EQ(erase({.retention = seconds(1), .bytes_max = 1}).files_removed, 0);
  EXPECT_EQ(record_of(1), Payload::State::kept);
  requests(1);
  EXPECT_EQ(record_of(21), Payload::State::kept);
}

TEST_F(Retention, NothingIsErasedBeforeItsTime) {
  open({.directory = {}, .segment_time = seconds(1)});
  requests(50);
  EXPECT_EQ(erase({.retention = seconds(100), .bytes_max = 1 << 20}).files_removed, 0);
  EXPECT_EQ(record_of(1), Payload::State::kept);
}

TEST_F(Retention, AStartGoesOnAfterAnErasure) {
  open({.directory = {}, .segment_time = seconds(5)});
  requests(40);
  EXPECT_GT(erase({.retention = seconds(5)}).files_removed, 0);
  journal.reset();
  disk = disk.after_kill();
  open({.directory = {}, .segment_time = seconds(5)});
  EXPECT_EQ(record_of(1), Payload::State::erased);
  EXPECT_EQ(record_of(40), Payload::State::kept);
  expect_that_it_verifies();
}

// The writer has made the next file and not yet its header.
TEST_F(Retention, ASegmentInTheMakingStopsNothing) {
  open({.directory = {}, .segment_time = seconds(5)});
  requests(40);
  disk.set_file("j/" + entries_name(journal->segment() + SegmentNumber(1)), {});
  const std::string current = "j/" + payloads_name(journal->segment());
  second_ += 1'000;
  EXPECT_GT(erase({.retention = seconds(5)}).files_removed, 0);
  EXPECT_EQ(payload_names(), std::vector<std::string>{current});
}

TEST_F(Retention, ADiskThatFailsIsReported) {
  open({.directory = {}, .segment_time = seconds(5)});
  requests(40);
  disk.fail_removes();
  const auto report = erase_old_payloads(disk, kDirectory, {.retention = seconds(5)}, at());
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::unavailable);
  EXPECT_EQ(record_of(1), Payload::State::kept);
}

}  // namespace
}  // namespace hanse::journal
