// Cut off anywhere, killed or without power, the journal comes back as a
// prefix of what was appended, and nothing is lost that had been written.
#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "adapters/journal/journal.h"
#include "adapters/journal/journal_reader.h"
#include "adapters/journal/testing/faulty_disk.h"
#include "core/ledger/testing/seeds.h"
#include "core/ledger/testing/simulated_shard.h"

namespace hanse::journal {
namespace {

using ledger::Entry;
using ledger::Ledger;
using ledger::Position;
using ledger::testing::for_each_seed;
using ledger::testing::SimulatedShard;
using testing::FaultyDisk;

constexpr const char* kDirectory = "j";

JournalOptions options() {
  return {.directory = kDirectory,
          .segment_bytes = 6'000,
          .payload_segment_bytes = 20'000,
          .flush_interval = Duration(0),
          .on_durable = {}};
}

// Hands everything on to the journal, some of it with a payload, and keeps it.
class PayingSink final : public ledger::EntrySink {
 public:
  PayingSink(Journal& journal, Random random) : journal_(journal), random_(random) {}

  Position append(const Entry& entry) override {
    entries.push_back(entry);
    if (random_.below(3) != 0) return journal_.append(entry);
    const std::vector<std::uint8_t> payload(1 + random_.below(80), std::uint8_t{0x55});
    return journal_.append(entry, payload);
  }

  std::vector<Entry> entries;

 private:
  Journal& journal_;
  Random random_;
};

struct Life {
  std::vector<Entry> entries;  // appended, in order, from position 2 on
  Position written;            // when the process was last told so
  Position durable;
  // After each write: how many bytes the disk had taken, and what was written.
  std::vector<std::pair<std::uint64_t, Position>> writes;

  // What had been written when the disk had taken `bytes`.
  [[nodiscard]] Position written_by(std::uint64_t bytes) const {
    Position position;
    for (const auto& [taken, up_to] : writes) {
      if (taken <= bytes) position = up_to;
    }
    return position;
  }
};

// Lives on `disk` until it has had its steps or the disk fails. Seals are the
// journal's own and not among `entries`, so segments are compared by reading.
Life live(FaultyDisk& disk, std::uint64_t seed, int steps, bool sync_at_random) {
  Random random(seed);
  Ledger ledger;
  auto opened = Journal::open(disk, options(), ledger, WallTime(1'000));
  if (!opened) return {};
  Journal& journal = **opened;
  PayingSink sink(journal, random.fork());
  SimulatedShard shard(ledger, sink, seed, {.open_max = 6});
  const std::size_t turn = 1 + random.below(4);
  std::vector<std::pair<std::uint64_t, Position>> writes;
  for (int i = 0; i < steps; ++i) {
    writes.emplace_back(disk.bytes_appended(), journal.written());
    for (std::size_t n = 0; n < turn; ++n) shard.step();
    if (!journal.write()) break;
    if (sync_at_random && random.below(8) == 0) (void)journal.durable();
  }
  return {.entries = std::move(sink.entries),
          .written = journal.written(),
          .durable = journal.durable(),
          .writes = std::move(writes)};
}

std::vector<Entry> read_all(Disk& disk) {
  std::vector<Entry> entries;
  auto reader = JournalReader::open(disk, kDirectory);
  EXPECT_TRUE(reader) << reader.error().message;
  if (!reader) return entries;
  ledger::PlacedEntry placed;
  for (;;) {
    const auto more = reader->next(placed);
    EXPECT_TRUE(more) << more.error().message;
    if (!more || !*more) return entries;
    entries.push_back(placed.entry);
  }
}

// The entries that were appended by the shard: no epochs, no seals, no losses.
std::vector<Entry> without_the_journals_own(const std::vector<Entry>& entries) {
  std::vector<Entry> kept;
  for (const Entry& entry : entries) {
    const std::string_view kind = kind_name(entry.body);
    if (kind.starts_with("seal") || kind.ends_with("_lost") || kind == "epoch_started") continue;
    kept.push_back(entry);
  }
  return kept;
}

// Opens what a crash left and checks it against what was appended.
void check(FaultyDisk& disk, const Life& life, Position must_survive) {
  Ledger ledger;
  {
    const auto journal = Journal::open(disk, options(), ledger, WallTime(2'000));
    ASSERT_TRUE(journal) << journal.error().message;
    ASSERT_GE((*journal)->written(), must_survive);
    ASSERT_EQ(ledger.open_requests(), 0U);
    for (const auto currency : ledger.currencies()) ASSERT_EQ(ledger.imbalance(currency), 0);
  }
  const auto all = read_all(disk);
  ASSERT_EQ(static_cast<std::int64_t>(all.size()), ledger.position().count());
  ASSERT_GE(static_cast<std::int64_t>(all.size()), must_survive.count());
  const auto recovered = without_the_journals_own(all);
  ASSERT_LE(recovered.size(), life.entries.size());
  for (std::size_t i = 0; i < recovered.size(); ++i) ASSERT_EQ(recovered[i], life.entries[i]) << i;
  // The whole journal, read by somebody who trusts nobody, gives the same state.
  Ledger audit;
  for (const Entry& entry : all) {
    const auto applied = audit.apply(entry);
    ASSERT_TRUE(applied) << applied.error().message;
  }
  for (std::size_t i = 0; i < ledger.accounts(); ++i) {
    const ledger::AccountNumber number(i);
    ASSERT_EQ(audit.account(number).balance(), ledger.account(number).balance());
  }
}

TEST(JournalCrash, KilledAfterAnyByteItComesBackAsAPrefixWithAllThatWasWritten) {
  for_each_seed(2, [](std::uint64_t seed) {
    FaultyDisk whole;
    // Every life with this seed appends the same bytes.
    const Life expected = live(whole, seed, 40, false);
    const std::uint64_t total = whole.bytes_appended();
    ASSERT_GT(total, 12'000U) << "several segments";
    Random random(seed);
    for (std::uint64_t cut = 0; cut < total; cut += 1 + random.below(100)) {
      FaultyDisk disk;
      disk.die_after(cut);
      (void)live(disk, seed, 40, false);
      FaultyDisk left = disk.after_kill();
      check(left, expected, expected.written_by(cut));
      if (::testing::Test::HasFatalFailure()) {
        ADD_FAILURE() << "killed after byte " << cut;
        return;
      }
    }
  });
}

// Killed again and again, also while it is recovering.
TEST(JournalCrash, KilledManyTimesOnTheSameDiskTheBooksStayWhole) {
  for_each_seed(20, [](std::uint64_t seed) {
    Random random(seed);
    FaultyDisk disk;
    for (int round = 0; round < 12; ++round) {
      disk.die_after(random.below(4'000));
      (void)live(disk, seed + static_cast<std::uint64_t>(round), 20, false);
      disk = disk.after_kill();
    }
    Ledger ledger;
    const auto journal = Journal::open(disk, options(), ledger, WallTime(2'000));
    ASSERT_TRUE(journal) << journal.error().message;
    Ledger audit;
    for (const Entry& entry : read_all(disk)) {
      const auto applied = audit.apply(entry);
      ASSERT_TRUE(applied) << applied.error().message;
    }
    ASSERT_EQ(audit.position(), ledger.position());
    ASSERT_EQ(audit.open_requests(), 0U);
  });
}

// The disk keeps what was synced, and of the rest some pages in any order. How
// much was synced is up to the flusher's thread, so a seed may need some tries.
TEST(JournalCrash, WithoutPowerNothingDurableIsLost) {
  for_each_seed(150, [](std::uint64_t seed) {
    Random random(seed);
    FaultyDisk disk;
    const Life life = live(disk, seed, 5 + static_cast<int>(random.below(40)), true);
    FaultyDisk left = disk.after_power_loss(random);
    check(left, life, life.durable);
  });
}

// The same bytes, but the machine has not been started since: no loss of power
// can explain a hole, so it is damage and nothing is dropped.
TEST(JournalCrash, AHoleThatNoLossOfPowerExplainsIsAnError) {
  FaultyDisk disk;
  (void)live(disk, 7, 10, false);
  const std::string path = "j/00000001.entries";
  const auto size = disk.file(path).size();
  disk.flip_bit(path, size - 900);
  FaultyDisk left = disk.after_kill();
  Ledger ledger;
  const auto opened = Journal::open(left, options(), ledger, WallTime(2'000));
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message.find("sound blocks follow"), std::string::npos)
      << opened.error().message;
}

TEST(JournalCrash, DurableEntriesAreNeverGivenUpAfterALossOfPower) {
  FaultyDisk disk;
  Ledger ledger;
  {
    auto journal = Journal::open(disk, options(), ledger, WallTime(1'000)).value();
    SimulatedShard shard(ledger, *journal, 3);
    for (int i = 0; i < 30; ++i) {
      shard.step();
      ASSERT_TRUE(journal->write());
    }
    ASSERT_TRUE(journal->close());
  }
  disk.flip_bit("j/00000001.entries", 1'000);
  disk.restart_machine();
  Ledger again;
  const auto opened = Journal::open(disk, options(), again, WallTime(2'000));
  ASSERT_FALSE(opened) << "the last block says that this part had reached the disk";
}

}  // namespace
}  // namespace hanse::journal
