#include "core/ledger/audit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/ledger/testing/kept_source.h"
#include "core/ledger/testing/seeds.h"
#include "core/ledger/testing/simulated_shard.h"

namespace hanse::ledger {
namespace {

using testing::KeepingSink;
using testing::KeptSource;
using testing::SimulatedShard;

std::vector<Entry> whole_life(std::uint64_t seed, int steps) {
  Ledger ledger;
  KeepingSink sink;
  const Entry epoch{.at = WallTime(1), .body = EpochStarted{.epoch = Epoch(1)}};
  EXPECT_TRUE(ledger.apply(epoch));
  sink.append(epoch);
  SimulatedShard shard(ledger, sink, seed);
  for (int i = 0; i < steps; ++i) shard.step();
  ledger.seal(ledger.last_at(), sink);
  return sink.entries;
}

TEST(Audit, CountsAndBalances) {
  const auto entries = whole_life(1, 400);
  KeptSource source(entries);
  Ledger ledger;
  const AuditReport report = audit(source, ledger);
  ASSERT_FALSE(report.fault) << report.fault->what;
  EXPECT_EQ(report.last, Position(static_cast<std::int64_t>(entries.size())));
  EXPECT_EQ(report.epochs, 1);
  EXPECT_EQ(report.seals, 1);
  EXPECT_GT(report.requests_charged, 0);
  EXPECT_GT(report.requests_released, 0);
  EXPECT_EQ(report.requests_refused, std::ranges::count_if(entries, [](const Entry& entry) {
              return std::holds_alternative<RequestRefused>(entry.body);
            }));
  EXPECT_GT(report.requests_refused, 0);
  EXPECT_EQ(report.requests_open, static_cast<std::int64_t>(ledger.open_requests()));
  ASSERT_EQ(report.totals.size(), 1U);
  EXPECT_EQ(report.totals[0].debits, report.totals[0].credits);
  EXPECT_GT(report.totals[0].debits, 0);
}

// Changes something that must not be; false for kinds that it leaves alone.
struct Forge {
  bool operator()(AttemptClosed& body) const {
    body.owed += Money(1);
    return true;
  }
  bool operator()(RequestClosed& body) const {
    body.usage.tokens[TokenKind::output] += Tokens(1'000'000);
    return true;
  }
  bool operator()(HoldOpened& body) const {
    body.request.sequence = 0;
    return true;
  }
  bool operator()(RequestRefused& body) const {
    body.why = Refusal{0};
    return true;
  }
  bool operator()(SealedAccount& body) const {
    body.credits += 1;
    return true;
  }
  bool operator()(auto&) const { return false; }
};

// Whatever amount, count or price is changed in one entry, the audit stops at
// that entry or at the first one that contradicts it.
TEST(Audit, FindsAnyForgedAmount) {
  testing::for_each_seed(100, [](std::uint64_t seed) {
    auto entries = whole_life(seed, 300);
    Random random(seed);
    std::size_t forged = 0;
    do {
      forged = random.below(entries.size());
    } while (!std::visit(Forge{}, entries[forged].body));
    KeptSource source(entries);
    Ledger ledger;
    const AuditReport report = audit(source, ledger);
    ASSERT_TRUE(report.fault);
    EXPECT_EQ(report.fault->position, Position(static_cast<std::int64_t>(forged + 1)));
  });
}

TEST(Audit, FindsARepeatedAndALeftOutEntry) {
  auto entries = whole_life(3, 300);
  std::size_t closed = 0;
  while (!std::holds_alternative<RequestClosed>(entries[closed].body)) ++closed;
  {
    auto repeated = entries;
    repeated.insert(repeated.begin() + static_cast<std::ptrdiff_t>(closed), entries[closed]);
    KeptSource source(repeated);
    Ledger ledger;
    EXPECT_TRUE(audit(source, ledger).fault);
  }
  auto shortened = entries;
  shortened.erase(shortened.begin() + static_cast<std::ptrdiff_t>(closed));
  KeptSource source(shortened);
  Ledger ledger;
  EXPECT_TRUE(audit(source, ledger).fault) << "the seal at the end knows better";
}

}  // namespace
}  // namespace hanse::ledger
