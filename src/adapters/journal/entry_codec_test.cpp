#include "adapters/journal/entry_codec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "adapters/journal/crc32c.h"
#include "adapters/journal/format.h"
#include "adapters/journal/testing/arbitrary_entry.h"

namespace hanse::journal {
namespace {

using testing::draw_record;

std::vector<std::uint8_t> bytes_of(const Record& record) {
  std::vector<std::uint8_t> bytes(kRecordBytesMax);
  bytes.resize(encode(record.entry, record.payload ? &*record.payload : nullptr,
                      std::span(bytes).first<kRecordBytesMax>()));
  return bytes;
}

RC_GTEST_PROP(EntryCodec, ReadsWhatItWrites, ()) {
  const Record record = draw_record();
  const auto bytes = bytes_of(record);
  Record again;
  RC_ASSERT(decode(bytes, again).value() == bytes.size());
  RC_ASSERT(again == record);
}

RC_GTEST_PROP(EntryCodec, RefusesARecordCutAnywhere, ()) {
  const auto bytes = bytes_of(draw_record());
  const auto cut = *rc::gen::inRange<std::size_t>(0, bytes.size());
  Record again;
  RC_ASSERT(!decode(std::span(bytes).first(cut), again).has_value());
}

// One encoding for each entry: whatever is read is written the same way.
RC_GTEST_PROP(EntryCodec, WritesWhatItReads, ()) {
  auto bytes = bytes_of(draw_record());
  for (int i = *rc::gen::inRange(1, 4); i > 0; --i) {
    bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = *rc::gen::arbitrary<std::uint8_t>();
  }
  Record record;
  const auto size = decode(bytes, record);
  if (!size) return;
  bytes.resize(*size);
  RC_ASSERT(bytes_of(record) == bytes);
}

// The layout of docs/ledger.md, byte for byte.
TEST(EntryCodec, LaysAHoldOutAsDocumented) {
  ledger::HoldOpened hold;
  hold.request = {ledger::Epoch(3), 0x0102};
  hold.receivable = ledger::AccountNumber(6);
  hold.amount = Money(1'000'000);
  hold.prices[TokenKind::prompt] = TokenPrice(120'000);
  hold.prices[TokenKind::output] = TokenPrice(360'000);
  const auto bytes =
      bytes_of({.entry = {.at = WallTime(0x1122334455667788), .body = hold}, .payload = {}});
  EXPECT_EQ(to_hex(bytes),
            "2d00"              // 45 bytes
            "03"                // hold_opened
            "00"                // flags
            "8877665544332211"  // wall time
            "03000000"          // epoch
            "0201000000000000"  // sequence
            "06000000"          // receivable account
            "40420f0000000000"  // amount
            "09"                // prices of prompt (bit 0) and output (bit 3), 32 bits each
            "c0d40100"
            "407e0500");
}

TEST(EntryCodec, LaysARefusalOutAsDocumented) {
  const ledger::RequestRefused refused{.request = {ledger::Epoch(3), 0x0102},
                                       .why = ledger::Refusal::over_budget};
  EXPECT_EQ(to_hex(bytes_of({.entry = {.at = WallTime(1), .body = refused}, .payload = {}})),
            "1900"              // 25 bytes
            "10"                // request_refused
            "00"                // flags
            "0100000000000000"  // wall time
            "03000000"          // epoch
            "0201000000000000"  // sequence
            "03");              // over_budget
}

// A refusal of tomorrow is not read as one of today.
TEST(EntryCodec, AnUnknownReasonIsRefused) {
  auto bytes =
      bytes_of({.entry = {.at = WallTime(1), .body = ledger::RequestRefused{}}, .payload = {}});
  Record record;
  for (const std::uint8_t why : {std::uint8_t{0}, std::uint8_t{6}}) {
    bytes.back() = why;
    EXPECT_FALSE(decode(bytes, record)) << static_cast<int>(why);
  }
}

TEST(EntryCodec, TheLargestRecordFits) {
  ledger::SealedAccount account;
  account.account.number = ledger::AccountNumber(0xFFFFFFFE);
  account.account.path = ledger::AccountPath::parse(std::string(240, 'x')).value();
  account.account.currency = ledger::parse_currency("EUR").value();
  const Record record{.entry = {.at = WallTime(1), .body = account},
                      .payload = PayloadMark{.salted_digest = sha256("x"), .bytes = 1}};
  EXPECT_LE(bytes_of(record).size(), kRecordBytesMax);

  ledger::SealedAttempt attempt;
  for (const TokenKind kind : kAllTokenKinds) {
    attempt.attempt.prices[kind] = TokenPrice(INT64_MAX);
    attempt.attempt.tokens_max[kind] = Tokens(INT64_MIN);
    attempt.progress.confirmed[kind] = Tokens(-1);
    attempt.progress.may_leave[kind] = Tokens(INT64_MAX);
  }
  EXPECT_LE(
      bytes_of({.entry = {.at = WallTime(1), .body = attempt}, .payload = record.payload}).size(),
      kRecordBytesMax);
}

TEST(Crc32c, AgreesWithThePublishedVectors) {
  const std::string digits = "123456789";
  const auto of = [](std::string_view text) {
    return crc32c({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  };
  EXPECT_EQ(of(digits), 0xE3069283U);
  EXPECT_EQ(of(std::string(32, '\0')), 0x8A9136AAU);  // RFC 3720, B.4
  EXPECT_EQ(of(std::string(32, '\xFF')), 0x62A8AB43U);
  EXPECT_EQ(of(""), 0U);
}

TEST(Format, ASegmentHeaderRoundTripsAndEveryFlippedBitIsNoticed) {
  SegmentHeader header{.journal = {},
                       .number = SegmentNumber(7),
                       .first = ledger::Position(1'000),
                       .epoch = ledger::Epoch(2),
                       .begun_at = WallTime(5),
                       .previous = sha256("before"),
                       .machine_boot = {1}};
  header.journal.bytes[0] = 9;
  std::array<std::uint8_t, kSegmentHeaderBytes> bytes{};
  encode(header, bytes);
  EXPECT_EQ(decode_segment_header(bytes).value(), header);
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    auto flipped = bytes;
    flipped[i / 8] = static_cast<std::uint8_t>(flipped[i / 8] ^ (1U << (i % 8)));
    EXPECT_FALSE(decode_segment_header(flipped)) << i;
  }
}

TEST(Format, AnotherVersionIsRefusedByName) {
  std::array<std::uint8_t, kSegmentHeaderBytes> bytes{};
  encode(SegmentHeader{.journal = {},
                       .number = SegmentNumber(1),
                       .first = ledger::Position(1),
                       .epoch = {},
                       .begun_at = {},
                       .previous = {},
                       .machine_boot = {}},
         bytes);
  bytes[8] = 2;
  const auto header = decode_segment_header(bytes);
  ASSERT_FALSE(header);
  EXPECT_EQ(header.error().code, ErrorCode::invalid_input);
  EXPECT_NE(header.error().message.find("version 2"), std::string::npos);
}

TEST(Format, FileNames) {
  EXPECT_EQ(entries_name(SegmentNumber(12)), "00000012.entries");
  EXPECT_EQ(segment_of("00000012.entries"), SegmentNumber(12));
  for (const char* const other : {"LOCK", "00000012.payloads", "0000001x.entries",
                                  "00000000.entries", "-0000001.entries", "12.entries"}) {
    EXPECT_FALSE(segment_of(other)) << other;
  }
}

}  // namespace
}  // namespace hanse::journal
