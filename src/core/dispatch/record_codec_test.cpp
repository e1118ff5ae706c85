#include "core/dispatch/record_codec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/dispatch/testing/four_sites.h"
#include "core/dispatch/testing/random_words.h"

namespace hanse::dispatch {
namespace {

using testing::FourSites;
using testing::RandomWords;

std::string written(const Record& record, const RecordExtras& extras = {}) {
  std::string out;
  write_record(record, extras, out);
  return out;
}

// What most requests leave behind: one attempt among four sites, answered.
Record common_record(const FourSites& grid) {
  Record record;
  record.number = {ledger::Epoch(3), 123'456};
  record.snapshot = grid.snapshot().digest;
  record.arrived_at = {MonotonicTime(86'400'123'456'789), WallTime(1'795'000'000'123'456'789)};
  record.key = KeyId(0);
  record.tenant = TenantId(0);
  record.alias = AliasId(0);
  record.latency_class = ClassId(0);
  record.labels = grid.labels("personal; subjects=EU");
  record.prompt_bytes = 1'843;
  record.prompt_tokens_max = Tokens(1'900);
  record.output_limit = Tokens(256);
  record.streamed = true;
  record.sites_permitted = 4;

  AttemptRecord attempt;
  attempt.opened_at = record.arrived_at;
  attempt.site = grid.site("ashburn");
  attempt.decision.chosen = grid.offer("ashburn");
  attempt.decision.candidates = 4;
  std::int64_t n = 0;
  for (const std::string_view site : {"ashburn", "frankfurt", "hamburg", "lyon"}) {
    const Duration first_token = nanoseconds(1'277'503'211 - 7'123'457 * n);
    attempt.decision.best.push(
        {.offer = grid.offer(site),
         .prediction = {.first_token = first_token,
                        .per_token = nanoseconds(25'000'000 + 13'579 * n),
                        .cost = Money(49'160 + 12'290 * n),
                        .prompt = Tokens(461),
                        .cached = Tokens(0),
                        .output = Tokens(256),
                        .sequences = 1,
                        .promised_first_token = first_token,
                        .promised_per_token = milliseconds(25)},
         .within_objective = true,
         .reason = n == 0 ? placement::Reason::chosen : placement::Reason::dearer});
    ++n;
  }
  attempt.limits = {.connect = milliseconds(1'085),
                    .headers = nanoseconds(12'775'032'110),
                    .first_token = nanoseconds(12'775'032'110),
                    .whole_reply = nanoseconds(29'999'993'827),
                    .between_tokens = seconds(5),
                    .rate_window = nanoseconds(12'800'000'000),
                    .rate_tokens = Tokens(16),
                    .whole = nanoseconds(59'999'987'654)};
  attempt.first_token = nanoseconds(1'312'345'678);
  attempt.ended = nanoseconds(4'123'456'789);
  attempt.usage.tokens[TokenKind::prompt] = Tokens(458);
  attempt.usage.tokens[TokenKind::output] = Tokens(112);
  attempt.owed = Money(31'760);
  record.attempts.push(attempt);
  record.end = End::answered;
  record.took = nanoseconds(4'123'478'901);
  record.usage = attempt.usage;
  record.held = Money(320'160);
  record.charged = Money(95'280);
  return record;
}

RC_GTEST_PROP(RecordCodec, AnyRecordIsReadAsItWasWritten, (std::uint64_t seed)) {
  RandomWords words(seed);
  const Record record = words.record();
  const RecordExtras extras = words.extras();
  const std::string bytes = written(record, extras);
  const auto stored = read_record(bytes);
  RC_ASSERT(stored.has_value());
  RC_ASSERT(stored->extras == extras);
  RC_ASSERT(stored->record.number == record.number);
  RC_ASSERT(stored->record.arrived_at == record.arrived_at);
  RC_ASSERT(stored->record.attempts.size() == record.attempts.size());
  for (std::size_t i = 0; i < record.attempts.size(); ++i) {
    const AttemptRecord& was = record.attempts[i];
    const AttemptRecord& is = stored->record.attempts[i];
    RC_ASSERT(is.opened_at == was.opened_at);
    RC_ASSERT(is.limits == was.limits);
    RC_ASSERT(is.first_token == was.first_token);
    RC_ASSERT(is.usage == was.usage);
    RC_ASSERT(is.decision.best.size() == was.decision.best.size());
    for (std::size_t j = 0; j < was.decision.best.size(); ++j) {
      RC_ASSERT(is.decision.best[j].prediction == was.decision.best[j].prediction);
      RC_ASSERT(is.decision.best[j].reason == was.decision.best[j].reason);
    }
  }
  RC_ASSERT(stored->record.usage == record.usage);
  RC_ASSERT(stored->record.written_off == record.written_off);
  // Whatever is not compared above: a record has one encoding.
  RC_ASSERT(written(stored->record, stored->extras) == bytes);
}

RC_GTEST_PROP(RecordCodec, TheHeadIsReadAlone, (std::uint64_t seed)) {
  RandomWords words(seed);
  const Record record = words.record();
  const std::string bytes = written(record);
  const auto head = read_record_head(std::string_view(bytes).substr(0, 80));
  RC_ASSERT(head.has_value());
  RC_ASSERT(head->number == record.number);
  RC_ASSERT(head->snapshot == record.snapshot);
  RC_ASSERT(head->arrived_at == record.arrived_at.wall);
}

TEST(RecordCodec, ATruncatedRecordIsAnErrorAtEveryLength) {
  RandomWords words(2026);
  const std::string bytes = written(words.record(), words.extras());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto stored = read_record(std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(stored.has_value()) << size;
    EXPECT_EQ(stored.error().code, ErrorCode::broken);
  }
}

// Flipped bits may make another record, never a crash, and never one that
// names rows which do not exist.
RC_GTEST_PROP(RecordCodec, DamagedBytesNeverNameWhatIsNotThere, (std::uint64_t seed)) {
  static const FourSites grid;
  RandomWords words(seed);
  std::string bytes = written(common_record(grid), words.extras());
  for (auto flips = 1 + words.below(4); flips > 0; --flips) {
    char& byte = bytes[words.below(bytes.size())];
    byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << words.below(8)));
  }
  const auto stored = read_record(bytes);
  if (!stored || !check_record(stored->record, grid.snapshot())) return;
  for (const AttemptRecord& attempt : stored->record.attempts) {
    RC_ASSERT(attempt.site.value() < grid.snapshot().fleet.sites.size());
    RC_ASSERT(attempt.decision.chosen.value() < grid.snapshot().fleet.offers.size());
  }
}

TEST(RecordCodec, TheCommonRecordIsSmall) {
  const FourSites grid;
  RecordExtras extras;
  extras.trace_id.fill(0xAB);
  EXPECT_LT(written(common_record(grid)).size(), 250U) << "without extras";
  EXPECT_LT(written(common_record(grid), extras).size(), 270U) << "with a trace id";
  RecordProperty("bytes", static_cast<int>(written(common_record(grid)).size()));
}

TEST(RecordCodec, ALongClientRequestIdIsCut) {
  RecordExtras extras;
  extras.client_request_id = std::string(500, 'x');
  const auto stored = read_record(written(Record(), extras));
  ASSERT_TRUE(stored.has_value());
  EXPECT_EQ(stored->extras.client_request_id, std::string(128, 'x'));
}

TEST(RecordCodec, AnotherVersionIsRefused) {
  std::string bytes = written(Record());
  ++bytes[0];
  EXPECT_FALSE(read_record(bytes).has_value());
  EXPECT_FALSE(read_record_head(bytes).has_value());
}

TEST(RecordCodec, BytesBehindARecordAreRefused) {
  EXPECT_FALSE(read_record(written(Record()) + '\0').has_value());
}

TEST(CheckRecord, ARecordOfTheSnapshotPasses) {
  const FourSites grid;
  EXPECT_TRUE(check_record(common_record(grid), grid.snapshot()).has_value());
}

TEST(CheckRecord, WhatDoesNotFitIsNamed) {
  const FourSites grid;
  const auto wrong = [&](auto change) {
    Record record = common_record(grid);
    change(record);
    const Status status = check_record(record, grid.snapshot());
    return status ? std::string() : status.error().message;
  };
  const std::string head = "the record does not fit its snapshot: ";
  EXPECT_EQ(wrong([](Record& r) { r.snapshot = Sha256(); }), head + "it cites another one");
  EXPECT_EQ(wrong([](Record& r) { r.alias = AliasId(7); }), head + "it names alias 7 of 1");
  EXPECT_EQ(wrong([](Record& r) { r.tenant = TenantId(1); }), head + "its key is not its tenant's");
  EXPECT_EQ(wrong([](Record& r) { r.labels = gate::LabelSet(1U << 20U); }),
            head + "it carries a label that is not in the vocabulary");
  EXPECT_EQ(wrong([](Record& r) { r.attempts[0].site = SiteId(2); }),
            head + "an attempt's offer is not of its site");
  EXPECT_EQ(wrong([](Record& r) { r.attempts[0].decision.best.clear(); }),
            head + "a decision does not begin with what it chose");
  EXPECT_EQ(wrong([](Record& r) { r.attempts[0].decision.best[1].offer = OfferId(); }),
            head + "it names candidate 4294967295 of 4");
  EXPECT_EQ(wrong([](Record& r) { r.excluded.push({.site = SiteId(4)}); }),
            head + "it names excluded site 4 of 4");
}

}  // namespace
}  // namespace hanse::dispatch
