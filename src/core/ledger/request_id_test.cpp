#include "core/ledger/request_id.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace hanse::ledger {
namespace {

RequestId draw_id() {
  RequestId id;
  for (auto& byte : id.journal.bytes) byte = *rc::gen::arbitrary<std::uint8_t>();
  id.number.epoch = Epoch(*rc::gen::inRange<std::int64_t>(0, kEpochMax.count() + 1));
  id.number.sequence = *rc::gen::inRange<std::int64_t>(0, kSequenceMax);
  return id;
}

TEST(RequestId, PrintsAsDocumented) {
  RequestId id;
  for (std::size_t i = 0; i < 16; ++i) id.journal.bytes[i] = static_cast<std::uint8_t>(i);
  id.number = {Epoch(1), 2};
  EXPECT_EQ(to_string(id), "req_000g40r40m30e209185gr38e1w00008000000002");
  EXPECT_EQ(parse_request_id(to_string(id)).value(), id);
}

RC_GTEST_PROP(RequestId, ParsesWhatItPrints, ()) {
  const RequestId id = draw_id();
  RC_ASSERT(parse_request_id(to_string(id)).value() == id);
}

RC_GTEST_PROP(RequestId, TextsOfOneJournalSortAsTheirRequests, ()) {
  const RequestId a = draw_id();
  RequestId b = draw_id();
  b.journal = a.journal;
  RC_ASSERT((to_string(a) < to_string(b)) == (a < b));
}

TEST(RequestId, RefusesEverythingElse) {
  const std::string good = to_string(RequestId{});
  EXPECT_FALSE(parse_request_id(""));
  EXPECT_FALSE(parse_request_id(good.substr(1)));
  EXPECT_FALSE(parse_request_id(good + "0"));
  for (const char c : {'i', 'l', 'o', 'u', 'A', ' ', '\0'}) {
    std::string bad = good;
    bad[20] = c;
    EXPECT_FALSE(parse_request_id(bad)) << c;
  }
}

TEST(RequestNumbers, RiseWithinTheirEpoch) {
  RequestNumbers numbers(Epoch(7));
  const RequestNumber first = numbers.next();
  const RequestNumber second = numbers.next();
  EXPECT_EQ(first, (RequestNumber{Epoch(7), 1}));
  EXPECT_LT(first, second);
}

TEST(JournalId, RoundTripsAsHex) {
  JournalId id;
  id.bytes[0] = 0xAB;
  EXPECT_EQ(to_string(id), "ab000000000000000000000000000000");
  EXPECT_EQ(parse_journal_id(to_string(id)).value(), id);
  EXPECT_FALSE(parse_journal_id("ab"));
  EXPECT_FALSE(parse_journal_id(std::string(32, 'x')));
}

}  // namespace
}  // namespace hanse::ledger
