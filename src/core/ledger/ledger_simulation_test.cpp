// Lives drawn at random, cut anywhere: what must hold holds.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "core/ledger/ledger.h"
#include "core/ledger/testing/seeds.h"
#include "core/ledger/testing/simulated_shard.h"

namespace hanse::ledger {
namespace {

using testing::for_each_seed;
using testing::KeepingSink;
using testing::SimulatedShard;

void start_epoch(Ledger& ledger, EntrySink& sink, Epoch epoch) {
  const Entry entry{.at = ledger.last_at(), .body = EpochStarted{.epoch = epoch}};
  ASSERT_TRUE(ledger.apply(entry));
  sink.append(entry);
}

// The whole state, as a seal would write it.
std::vector<Entry> state_of(Ledger& ledger) {
  KeepingSink sink;
  ledger.seal(ledger.last_at(), sink);
  return sink.entries;
}

void replay(const std::vector<Entry>& entries, std::size_t count, Ledger& ledger) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto applied = ledger.apply(entries[i]);
    ASSERT_TRUE(applied) << i << " " << kind_name(entries[i].body) << ": "
                         << applied.error().message;
  }
}

std::vector<Entry> live_at_random(std::uint64_t seed, int steps) {
  Ledger ledger;
  KeepingSink sink;
  start_epoch(ledger, sink, Epoch(1));
  SimulatedShard shard(ledger, sink, seed);
  for (int i = 0; i < steps; ++i) shard.step();
  return sink.entries;
}

TEST(LedgerSimulation, DebitsEqualCreditsAfterEveryEntry) {
  for_each_seed(60, [](std::uint64_t seed) {
    const auto entries = live_at_random(seed, 500);
    Ledger ledger;
    for (const Entry& entry : entries) {
      ASSERT_TRUE(ledger.apply(entry));
      for (const Currency currency : ledger.currencies()) ASSERT_EQ(ledger.imbalance(currency), 0);
    }
  });
}

TEST(LedgerSimulation, NoTenantOwesMoreThanItsBudget) {
  for_each_seed(60, [](std::uint64_t seed) {
    Ledger ledger;
    KeepingSink sink;
    start_epoch(ledger, sink, Epoch(1));
    SimulatedShard shard(ledger, sink, seed, {.tenant_limit = Money(500'000'000)});
    for (int i = 0; i < 2'000; ++i) shard.step();
    shard.drain();
    EXPECT_GT(shard.refused(), 0U);
    for (const char* const tenant : {"receivable/tenant-0/", "receivable/tenant-1/"}) {
      EXPECT_LE(ledger.balance_below(tenant, parse_currency("EUR").value()), 500'000'000);
    }
    EXPECT_EQ(ledger.open_requests(), 0U);
    EXPECT_EQ(shard.holds().open_holds(), 0U);
  });
}

// Any entry, again at any later time, is refused and leaves no trace.
TEST(LedgerSimulation, NoEntryIsEverTakenTwice) {
  for_each_seed(40, [](std::uint64_t seed) {
    const auto entries = live_at_random(seed, 300);
    Random random(seed);
    Ledger ledger;
    Ledger untouched;
    std::vector<Entry> past;
    for (const Entry& entry : entries) {
      ASSERT_TRUE(ledger.apply(entry));
      ASSERT_TRUE(untouched.apply(entry));
      past.push_back(entry);
      Entry again = past[random.below(past.size())];
      // A watermark may say what the last one said: it moves no money.
      if (std::holds_alternative<Watermark>(again.body)) continue;
      again.at = entry.at;
      ASSERT_FALSE(ledger.apply(again)) << kind_name(again.body);
    }
    EXPECT_EQ(state_of(ledger), state_of(untouched));
  });
}

// Wherever the process dies, the next epoch closes what was open: once, in
// balance, and no tenant above its hold.
TEST(LedgerSimulation, ACrashAfterAnyEntryLeavesNothingOpenAndNothingDoubled) {
  for_each_seed(20, [](std::uint64_t seed) {
    const auto entries = live_at_random(seed, 120);
    for (std::size_t cut = 1; cut <= entries.size(); ++cut) {
      Ledger ledger;
      replay(entries, cut, ledger);
      KeepingSink sink;
      start_epoch(ledger, sink, Epoch(2));
      const std::size_t open = ledger.open_requests();
      ledger.close_open_requests_after_crash(ledger.last_at(), sink);
      ASSERT_EQ(ledger.open_requests(), 0U);
      ASSERT_EQ(ledger.open_attempts(), 0U);
      std::set<RequestNumber> lost;
      for (const Entry& entry : sink.entries) {
        if (const auto* request = std::get_if<RequestLost>(&entry.body)) {
          ASSERT_TRUE(lost.insert(request->request).second);
        }
      }
      ASSERT_EQ(lost.size(), open);
      for (const Currency currency : ledger.currencies()) ASSERT_EQ(ledger.imbalance(currency), 0);

      // The entries alone give the same state.
      Ledger again;
      replay(entries, cut, again);
      replay(sink.entries, sink.entries.size(), again);
      ASSERT_EQ(state_of(again), state_of(ledger));
    }
  });
}

TEST(LedgerSimulation, ALedgerThatBeginsAtASealGoesOnAsTheOneThatReadEverything) {
  for_each_seed(60, [](std::uint64_t seed) {
    Random random(seed);
    Ledger whole;
    KeepingSink sink;
    start_epoch(whole, sink, Epoch(1));
    SimulatedShard shard(whole, sink, seed);
    for (std::uint64_t i = random.below(400); i > 0; --i) shard.step();

    const Position before = whole.position();
    KeepingSink after;
    whole.seal(whole.last_at(), after);
    Ledger restored;
    restored.begin_at(before);
    for (const Entry& entry : after.entries) {
      const auto applied = restored.apply(entry);
      ASSERT_TRUE(applied) << applied.error().message;
      ASSERT_EQ(restored.restoring(), !std::holds_alternative<SealEnded>(entry.body));
    }

    const std::size_t seen = sink.entries.size();
    for (int i = 0; i < 200; ++i) shard.step();
    for (std::size_t i = seen; i < sink.entries.size(); ++i) {
      ASSERT_TRUE(restored.apply(sink.entries[i]));
    }
    EXPECT_EQ(restored.position(), whole.position());
    EXPECT_EQ(state_of(restored), state_of(whole));
  });
}

// Changes one thing in a part of a seal.
struct Forge {
  void operator()(SealBegun& body) const { ++body.last_sequence; }
  void operator()(SealedAccount& body) const { body.debits += 1; }
  void operator()(SealedHold& body) const { body.hold.amount += Money(1); }
  void operator()(SealedAttempt& body) const { body.watermarked = !body.watermarked; }
  void operator()(SealEnded& body) const { ++body.attempts; }
  void operator()(auto&) const { FAIL(); }
};

TEST(LedgerSimulation, ASealThatDoesNotSayWhatTheEntriesSayIsRefused) {
  for_each_seed(40, [](std::uint64_t seed) {
    Ledger sealing;
    Ledger checking;
    KeepingSink sink;
    start_epoch(sealing, sink, Epoch(1));
    SimulatedShard shard(sealing, sink, seed);
    for (int i = 0; i < 200; ++i) shard.step();
    replay(sink.entries, sink.entries.size(), checking);
    auto seal = state_of(sealing);
    Random random(seed);
    Entry& forged = seal[random.below(seal.size())];
    std::visit(Forge{}, forged.body);
    const bool refused = std::any_of(seal.begin(), seal.end(), [&](const Entry& entry) {
      return !checking.apply(entry).has_value();
    });
    EXPECT_TRUE(refused);
  });
}

}  // namespace
}  // namespace hanse::ledger
