// Writes the seeds of journal_fuzz into a folder, the same bytes each time:
//
//   hanse_journal_fuzz_corpus FOLDER
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "adapters/journal/journal.h"
#include "adapters/journal/journal_reader.h"
#include "adapters/journal/testing/faulty_disk.h"
#include "base/check.h"
#include "core/ledger/hold_book.h"

namespace {

using namespace hanse;
using namespace hanse::journal;

using Bytes = std::vector<std::uint8_t>;

void write(const std::string& folder, const std::string& name, std::uint8_t mode,
           const Bytes& bytes) {
  std::ofstream file(folder + "/" + name, std::ios::binary);
  file.put(static_cast<char>(mode));
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  HANSE_CHECK(file.good());
}

// A short life with every kind of entry: two requests, one of them lost in a
// crash, and a seal.
journal::testing::FaultyDisk short_life(std::uint64_t segment_bytes) {
  journal::testing::FaultyDisk disk;
  const JournalOptions options{.directory = "j",
                               .segment_bytes = segment_bytes,
                               .payload_segment_bytes = 1 << 20,
                               // So that nothing depends on the flusher's pace.
                               .flush_interval = seconds(3'600),
                               .on_durable = {}};
  for (int epoch = 1; epoch <= 2; ++epoch) {
    ledger::Ledger ledger;
    auto journal = Journal::open(disk, options, ledger, WallTime(1'000)).value();
    const auto euro = ledger::parse_currency("EUR").value();
    const auto write = [&](const ledger::EntryBody& body) {
      const ledger::Entry entry{.at = ledger.last_at(), .body = body};
      HANSE_CHECK(ledger.apply(entry).has_value());
      journal->append(entry, Bytes(20, 7));
    };
    const auto key =
        ledger
            .account_for(ledger::receivable_path("acme", "web", "laptop", euro).value(),
                         ledger::AccountKind::receivable, euro, ledger.last_at(), *journal)
            .value();
    const auto site =
        ledger
            .account_for(ledger::payable_path("elbe", "hamburg", euro).value(),
                         ledger::AccountKind::payable, euro, ledger.last_at(), *journal)
            .value();
    HANSE_CHECK(journal->write().has_value());
    TokenPrices prices;
    prices[TokenKind::output] = TokenPrice(360'000);
    Usage usage;
    usage.tokens[TokenKind::output] = Tokens(100);
    const Money due = cost(usage.tokens, prices);
    for (std::int64_t sequence = 1; sequence <= 4; ++sequence) {
      const ledger::RequestNumber number{ledger.epoch(), sequence};
      if (sequence == 4) {
        write(ledger::RequestRefused{.request = number, .why = ledger::Refusal::over_rate});
        continue;
      }
      constexpr ledger::AttemptNumber kFirst{1};
      write(ledger::HoldOpened{
          .request = number, .receivable = key, .amount = Money(50'000), .prices = prices});
      if (sequence == 3) {
        write(ledger::HoldReleased{.request = number, .outcome = ledger::Outcome::failed});
        continue;
      }
      write(ledger::AttemptOpened{.request = number,
                                  .attempt = kFirst,
                                  .payable = site,
                                  .prices = prices,
                                  .tokens_max = usage.tokens});
      const ledger::Progress progress{.confirmed = {}, .may_leave = usage.tokens};
      write(ledger::Watermark{
          .request = number, .attempt = kFirst, .tenant = progress, .supplier = progress});
      HANSE_CHECK(journal->write().has_value());
      if (sequence == 2) continue;
      write(ledger::AttemptClosed{.request = number,
                                  .attempt = kFirst,
                                  .outcome = ledger::Outcome::completed,
                                  .usage = usage,
                                  .owed = due});
      write(ledger::RequestClosed{.request = number,
                                  .outcome = ledger::Outcome::completed,
                                  .usage = usage,
                                  .charged = due,
                                  .written_off = Money(0)});
      ledger.seal(ledger.last_at(), *journal);
    }
    HANSE_CHECK(journal->write().has_value());
  }
  return disk;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: hanse_journal_fuzz_corpus FOLDER\n", stderr);
    return 2;
  }
  const std::string folder = argv[1];
  journal::testing::FaultyDisk disk = short_life(1 << 20);
  Bytes segment = disk.file("j/00000001.entries");
  write(folder, "segment", 1, segment);
  write(folder, "segment-cut", 1, Bytes(segment.begin(), segment.end() - 40));
  Bytes flipped = segment;
  flipped[flipped.size() / 3] ^= 4;
  write(folder, "segment-damaged", 1, flipped);
  write(folder, "segment-empty", 1, Bytes(segment.begin(), segment.begin() + kSegmentHeaderBytes));

  // All records laid end to end, alone and for blocks of 4 and the rest.
  Bytes records;
  auto reader = SegmentReader::open(disk, "j", SegmentNumber(1)).value();
  SegmentReader::Block block;
  while (reader.next(block).value()) {
    records.insert(records.end(), block.body.begin(), block.body.end());
  }
  write(folder, "records", 0, records);
  Bytes blocks{3};
  blocks.insert(blocks.end(), records.begin(), records.end());
  write(folder, "blocks", 2, blocks);

  // One seed for each record, so that every kind is found at once.
  Record record;
  std::size_t number = 0;
  for (std::span<const std::uint8_t> left = records; !left.empty(); ++number) {
    const std::size_t size = decode(left, record).value();
    const auto one = left.first(size);
    write(folder, "record-" + std::to_string(number), 0, Bytes(one.begin(), one.end()));
    left = left.subspan(size);
  }

  const Bytes payloads = disk.file("j/00000001.payloads");
  write(folder, "payload", 3, Bytes(payloads.begin() + kPayloadFileHeaderBytes, payloads.end()));
  return 0;
}
