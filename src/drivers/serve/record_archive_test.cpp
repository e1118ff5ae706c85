#include "drivers/serve/record_archive.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "adapters/journal/journal.h"
#include "adapters/journal/testing/faulty_disk.h"
#include "core/ledger/ledger.h"

namespace hanse::serve {
namespace {

using journal::testing::FaultyDisk;

// What another thread says, awaited.
template <typename Word>
class Post {
 public:
  void put(Word word) {
    {
      const std::lock_guard lock(mutex_);
      words_.push_back(std::move(word));
    }
    come_.notify_one();
  }
  Word take() {
    std::unique_lock lock(mutex_);
    come_.wait(lock, [this] { return taken_ < words_.size(); });
    return words_[taken_++];
  }

 private:
  std::mutex mutex_;
  std::condition_variable come_;
  std::vector<Word> words_;
  std::size_t taken_ = 0;
};

class RecordArchiveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    journal_ = journal::Journal::open(disk_,
                                      {.directory = "d/journal",
                                       .payload_segment_bytes = 1'000,
                                       .flush_interval = Duration(0)},
                                      ledger_, WallTime(1))
                   .value();
  }
  void refuse_requests(int count) {
    for (int i = 0; i < count; ++i) {
      const ledger::Entry entry{
          .at = WallTime(1),
          .body = ledger::RequestRefused{.request = {ledger_.epoch(), ++sequence_},
                                         .why = ledger::Refusal::by_law}};
      ASSERT_TRUE(ledger_.apply(entry));
      journal_->append(entry, std::vector<std::uint8_t>(100, 1));
      ASSERT_TRUE(journal_->write());
    }
  }
  std::unique_ptr<RecordArchive> archive(const journal::RetentionRule& rule) {
    return std::make_unique<RecordArchive>(
        disk_,
        RecordArchiveOptions{.files = books_files("d"),
                             .rule = rule,
                             .now = [] { return WallTime(1); },
                             .on_erased = [this](const auto& report) { erasures_.put(report); }});
  }
  [[nodiscard]] ledger::RequestId id(std::int64_t sequence) const {
    return {.journal = journal_->id(), .number = {ledger::Epoch(1), sequence}};
  }

  FaultyDisk disk_;
  ledger::Ledger ledger_;
  std::unique_ptr<journal::Journal> journal_;
  std::int64_t sequence_ = 0;
  Post<Result<journal::RetentionReport>> erasures_;
};

TEST_F(RecordArchiveTest, ErasesAtItsStartAndWithEverySegment) {
  refuse_requests(50);
  const auto kept = archive({.retention = kForever, .bytes_max = 2'500});
  EXPECT_GT(erasures_.take().value().files_removed, 0);
  refuse_requests(50);
  kept->segment_begun();
  EXPECT_GT(erasures_.take().value().files_removed, 0);
}

TEST_F(RecordArchiveTest, AShorterTimeHoldsAtOnce) {
  refuse_requests(50);
  const auto kept = archive({});
  EXPECT_EQ(erasures_.take().value().files_removed, 0);
  kept->set_rule({.retention = Duration(0)});
  EXPECT_GT(erasures_.take().value().files_removed, 0);
}

TEST_F(RecordArchiveTest, SaysWhyARecordIsNotThere) {
  refuse_requests(50);
  Post<Result<telemetry::RecordView>> answers;
  const auto kept = archive({.retention = Duration(0)});
  (void)erasures_.take();
  const auto ask = [&](const ledger::RequestId& request) {
    EXPECT_TRUE(kept->look_up(
        request, [&](Result<telemetry::RecordView> view) { answers.put(std::move(view)); }));
    return answers.take().error();
  };
  EXPECT_NE(ask(id(1)).message.find("has been erased"), std::string::npos);
  EXPECT_NE(ask(id(51)).message.find("knows no request"), std::string::npos);
  EXPECT_EQ(ask({.journal = {}, .number = {ledger::Epoch(1), 1}}).code, ErrorCode::invalid_input);
  EXPECT_EQ(ask(id(50)).code, ErrorCode::broken) << "those bytes are no record";
}

TEST_F(RecordArchiveTest, LookUpsThatWaitAreBounded) {
  Post<bool> began;
  Post<bool> go_on;
  const auto kept = archive({});
  ASSERT_TRUE(kept->look_up(id(1), [&](const auto&) {
    began.put(true);
    (void)go_on.take();
  }));
  (void)began.take();
  for (std::size_t i = 0; i < RecordArchive::kLookUpsMax; ++i) {
    EXPECT_TRUE(kept->look_up(id(1), [](const auto&) {}));
  }
  EXPECT_FALSE(kept->look_up(id(1), [](const auto&) { FAIL(); }));
  go_on.put(true);
}

TEST(RecordArchive, SegmentsAreShortAgainstTheTimeThatTheirRecordsAreKept) {
  EXPECT_EQ(segment_time_for(seconds(8 * 86'400)), seconds(86'400));
  EXPECT_EQ(segment_time_for(seconds(1)), seconds(1));
  EXPECT_EQ(payload_segment_bytes_for(std::uint64_t{4} << 30U), std::uint64_t{256} << 20U);
  EXPECT_EQ(payload_segment_bytes_for(8'000'000), 1'000'000U);
}

}  // namespace
}  // namespace hanse::serve
