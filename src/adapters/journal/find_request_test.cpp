#include "adapters/journal/find_request.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <variant>

#include "adapters/journal/journal.h"
#include "adapters/journal/testing/faulty_disk.h"
#include "core/ledger/testing/simulated_shard.h"

namespace hanse::journal {
namespace {

using ledger::Epoch;
using ledger::Ledger;
using ledger::Position;
using ledger::RequestNumber;
using ledger::testing::SimulatedShard;
using testing::FaultyDisk;

constexpr const char* kDirectory = "j";

JournalOptions options(std::uint64_t segment_bytes) {
  return {.directory = kDirectory,
          .segment_bytes = segment_bytes,
          .payload_segment_bytes = 4 * segment_bytes,
          .flush_interval = Duration(0),
          .on_durable = {}};
}

// Three lives of a shard, each killed in the middle; the last goes on.
class FindRequest : public ::testing::Test {
 protected:
  void live(std::uint64_t seed, int steps, std::uint64_t segment_bytes = 6'000) {
    journal.reset();
    ledger = std::make_unique<Ledger>();
    journal = Journal::open(disk, options(segment_bytes), *ledger, WallTime(1'000)).value();
    SimulatedShard shard(*ledger, *journal, seed);
    for (int i = 0; i < steps; ++i) {
      shard.step();
      ASSERT_TRUE(journal->write());
    }
  }
  Result<PlacedRecord> find(RequestNumber number) {
    return find_request_end(disk, kDirectory, {.journal = journal->id(), .number = number});
  }
  // Where each request ended, by reading everything; zero while it is open.
  std::map<RequestNumber, Position> ends() {
    std::map<RequestNumber, Position> all;
    JournalReader reader = JournalReader::open(disk, kDirectory).value();
    ledger::PlacedEntry placed;
    while (reader.next(placed).value()) {
      std::visit(
          [&]<typename Body>(const Body& body) {
            if constexpr (std::is_same_v<Body, ledger::HoldOpened>) {
              all.emplace(body.request, Position());
            } else if constexpr (std::is_same_v<Body, ledger::RequestClosed> ||
                                 std::is_same_v<Body, ledger::HoldReleased> ||
                                 std::is_same_v<Body, ledger::RequestRefused> ||
                                 std::is_same_v<Body, ledger::RequestLost>) {
              all[body.request] = placed.position;
            }
          },
          placed.entry.body);
    }
    return all;
  }

  FaultyDisk disk;
  std::unique_ptr<Ledger> ledger;
  std::unique_ptr<Journal> journal;
};

TEST_F(FindRequest, FindsTheEndOfEveryRequestThatEverCame) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) live(seed, 500);
  const auto all = ends();
  ASSERT_GT(all.size(), 100U);
  ASSERT_GT(journal->segment(), SegmentNumber(8));
  std::size_t open = 0;
  for (const auto& [number, position] : all) {
    const auto found = find(number);
    if (position == Position()) {
      ++open;
      ASSERT_FALSE(found);
      EXPECT_EQ(found.error().code, ErrorCode::unavailable) << "it is under way";
    } else {
      ASSERT_TRUE(found) << found.error().message;
      EXPECT_EQ(found->position, position);
    }
  }
  EXPECT_GT(open, 0U);
}

TEST_F(FindRequest, KnowsWhatNeverCame) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) live(seed, 300);
  for (const RequestNumber number :
       {RequestNumber{Epoch(0), 1}, RequestNumber{Epoch(1), 0}, RequestNumber{Epoch(1), 100'000},
        RequestNumber{Epoch(2), 100'000}, RequestNumber{Epoch(3), 1},
        RequestNumber{ledger::kEpochMax, ledger::kSequenceMax}}) {
    const auto found = find(number);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::not_found);
  }
}

TEST_F(FindRequest, SaysWhenTheRequestIsOfAnotherJournal) {
  live(1, 100);
  const auto found = find_request_end(disk, kDirectory, {.journal = {}, .number = {Epoch(1), 1}});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::invalid_input);
  EXPECT_NE(found.error().message.find(ledger::to_string(journal->id())), std::string::npos);
}

TEST_F(FindRequest, ThereMustBeAJournal) {
  EXPECT_EQ(find_request_end(disk, "nowhere", {}).error().code, ErrorCode::not_found);
}

// A long journal must not be read for one record.
TEST_F(FindRequest, ReadsAFewSegmentsOfMany) {
  live(1, 8'000, 12'000);
  ASSERT_GT(journal->segment(), SegmentNumber(40));
  std::uint64_t whole = 0;
  for (const std::string& name : disk.names()) {
    if (name.ends_with(".entries")) whole += disk.file(name).size();
  }
  for (const auto& [number, position] : ends()) {
    if (position == Position() || number.sequence % 97 != 0) continue;
    const std::uint64_t before = disk.bytes_read();
    ASSERT_TRUE(find(number));
    EXPECT_LT(disk.bytes_read() - before, whole / 4);
  }
}

// The header of the next segment was written, and nothing more of it.
TEST_F(FindRequest, ASegmentInTheMakingIsPassedOver) {
  live(1, 400);
  const auto all = ends();
  const std::string last = std::string(kDirectory) + "/" + entries_name(journal->segment());
  const auto bytes = disk.file(last);
  for (const std::size_t size : {std::size_t{0}, std::size_t{60}, kSegmentHeaderBytes}) {
    disk.set_file(last, {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)});
    std::size_t found = 0;
    for (const auto& [number, position] : all) {
      if (position != Position() && find(number)) ++found;
    }
    EXPECT_GT(found, all.size() / 2);
  }
}

}  // namespace
}  // namespace hanse::journal
