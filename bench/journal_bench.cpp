// What the journal costs, with real files. Each prints one JSON object with a
// list of figures, one per round.
//
//   journal_bench DIRECTORY request PER_TURN ROUNDS
//       CPU of the loop's thread for one request: hold, ledger, journal and a
//       record of kRecordBytes, so many requests in a turn. A turn has one
//       write; a request alone in its turns needs two (before it is sent, and
//       before its last byte leaves).
//   journal_bench DIRECTORY start GIGABYTES ROUNDS
//       seconds until a journal of that size, killed with requests open, is
//       ready again
//   journal_bench DIRECTORY find GIGABYTES ROUNDS
//       seconds until it is found how a request ended, for requests of all
//       ages in a journal of that size
//   journal_bench DIRECTORY seal ACCOUNTS ROUNDS
//       what it costs the loop to leave a segment
//
// DIRECTORY/hanse-journal-bench is made, and removed at the end.
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/journal/find_request.h"
#include "adapters/journal/journal.h"
#include "base/check.h"
#include "core/ledger/budget.h"
#include "core/ledger/hold_book.h"

namespace hanse::journal {
namespace {

// A record of one attempt takes 207 bytes with one candidate.
constexpr std::size_t kRecordBytes = 300;
constexpr WallTime kNow{1'000'000'000};

double seconds_of(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// A shard's books without their readers.
class Shard {
 public:
  Shard(Disk& disk, const std::string& directory, std::uint64_t segment_bytes)
      : journal_(Journal::open(
                     disk,
                     {.directory = directory, .segment_bytes = segment_bytes, .on_durable = {}},
                     ledger_, kNow)
                     .value()),
        holds_(treasurer_),
        numbers_(ledger_.epoch()),
        record_(kRecordBytes, 7) {
    site_ = account(ledger::payable_path("elbe", "hamburg", euro_).value(),
                    ledger::AccountKind::payable);
    prices_[TokenKind::prompt] = TokenPrice(120'000);
    prices_[TokenKind::output] = TokenPrice(360'000);
    most_[TokenKind::prompt] = Tokens(900);
    most_[TokenKind::output] = Tokens(256);
    usage_.tokens[TokenKind::prompt] = Tokens(700);
    usage_.tokens[TokenKind::output] = Tokens(120);
    const Money budget(1'000'000'000'000'000);
    scope_ = {.tenant = treasurer_.set("acme", budget, Money(0)),
              .project = {},
              .key = treasurer_.set("laptop", budget, Money(0))};
    add_key("laptop");
  }

  void add_key(const std::string& name) {
    key_ = account(ledger::receivable_path("acme", "web", name, euro_).value(),
                   ledger::AccountKind::receivable);
  }

  void admit() {
    const Open open{.number = numbers_.next(), .hold = holds_.open(scope_, kHeld).value()};
    append(ledger::HoldOpened{
        .request = open.number, .receivable = key_, .amount = kHeld, .prices = prices_});
    append(ledger::AttemptOpened{.request = open.number,
                                 .attempt = ledger::AttemptNumber{1},
                                 .payable = site_,
                                 .prices = prices_,
                                 .tokens_max = most_});
    open_.push_back(open);
  }

  // Ends the request that has been open for longest.
  void settle() {
    const Open open = open_.front();
    last_settled_ = open.number;
    open_.pop_front();
    const Money due = cost(usage_.tokens, prices_);
    const ledger::Settlement settled = holds_.settle(open.hold, due).value();
    append(ledger::AttemptClosed{.request = open.number,
                                 .attempt = ledger::AttemptNumber{1},
                                 .outcome = ledger::Outcome::completed,
                                 .usage = usage_,
                                 .owed = due});
    append(ledger::RequestClosed{.request = open.number,
                                 .outcome = ledger::Outcome::completed,
                                 .usage = usage_,
                                 .charged = settled.charged,
                                 .written_off = settled.written_off},
           record_);
  }

  void write() { HANSE_CHECK(journal_->write()); }
  void seal() { ledger_.seal(kNow, *journal_); }
  [[nodiscard]] std::size_t open() const { return open_.size(); }
  [[nodiscard]] std::uint64_t bytes_written() const { return journal_->bytes_written(); }
  [[nodiscard]] ledger::RequestId last_settled() const {
    return {.journal = journal_->id(), .number = last_settled_};
  }

 private:
  static constexpr Money kHeld{1'000'000'000};
  struct Open {
    ledger::RequestNumber number;
    ledger::HoldId hold;
  };

  ledger::AccountNumber account(const ledger::AccountPath& path, ledger::AccountKind kind) {
    return ledger_.account_for(path, kind, euro_, kNow, *journal_).value();
  }
  void append(const ledger::EntryBody& body, std::span<const std::uint8_t> record = {}) {
    const ledger::Entry entry{.at = kNow, .body = body};
    HANSE_CHECK(ledger_.apply(entry));
    journal_->append(entry, record);
  }

  ledger::Ledger ledger_;
  std::unique_ptr<Journal> journal_;
  ledger::Treasurer treasurer_;
  ledger::HoldBook holds_;
  ledger::RequestNumbers numbers_;
  std::vector<std::uint8_t> record_;
  ledger::Currency euro_ = ledger::parse_currency("EUR").value();
  ledger::AccountNumber key_;
  ledger::AccountNumber site_;
  ledger::BudgetScope scope_;
  TokenPrices prices_;
  TokenCounts most_;
  Usage usage_;
  std::deque<Open> open_;
  ledger::RequestNumber last_settled_;
};

constexpr std::uint64_t kSegmentBytes = std::uint64_t{128} << 20U;

// CPU microseconds of this thread per request.
double request(Disk& disk, const std::string& directory, std::size_t per_turn) {
  Shard shard(disk, directory, kSegmentBytes);
  const std::size_t count = per_turn == 1 ? 100'000 : 480'000;
  for (std::size_t i = 0; i < per_turn; ++i) shard.admit();
  shard.write();
  const double begin = seconds_of(CLOCK_THREAD_CPUTIME_ID);
  for (std::size_t done = 0; done < count; done += per_turn) {
    for (std::size_t i = 0; i < per_turn; ++i) shard.settle();
    if (per_turn == 1) shard.write();
    for (std::size_t i = 0; i < per_turn; ++i) shard.admit();
    shard.write();
  }
  return 1e6 * (seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin) / static_cast<double>(count);
}

// Writes a journal of about `bytes` and leaves it as a kill does. Returns the
// last request that has ended.
ledger::RequestId fill(Disk& disk, const std::string& directory, double bytes) {
  Shard shard(disk, directory, kSegmentBytes);
  for (int i = 0; i < 1'000; ++i) shard.add_key("key-" + std::to_string(i));
  while (static_cast<double>(shard.bytes_written()) < bytes) {
    for (int i = 0; i < 16; ++i) shard.admit();
    while (shard.open() > 100) shard.settle();
    shard.write();
  }
  return shard.last_settled();
}

double find(Disk& disk, const std::string& directory, const ledger::RequestId& request) {
  const double begin = seconds_of(CLOCK_MONOTONIC);
  HANSE_CHECK(find_request_end(disk, directory, request));
  return seconds_of(CLOCK_MONOTONIC) - begin;
}

double start(Disk& disk, const std::string& directory) {
  ledger::Ledger ledger;
  const double begin = seconds_of(CLOCK_MONOTONIC);
  HANSE_CHECK(Journal::open(disk, {.directory = directory, .on_durable = {}}, ledger, kNow));
  return seconds_of(CLOCK_MONOTONIC) - begin;
}

// CPU milliseconds of this thread to seal so many accounts.
double seal(Disk& disk, const std::string& directory, std::size_t accounts) {
  Shard shard(disk, directory, kSegmentBytes);
  for (std::size_t i = 0; i < accounts; ++i) shard.add_key("key-" + std::to_string(i));
  shard.write();
  const double begin = seconds_of(CLOCK_THREAD_CPUTIME_ID);
  shard.seal();
  shard.write();
  return 1e3 * (seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin);
}

void print(const char* name, const std::vector<double>& figures) {
  std::printf("{\"%s\":[", name);
  for (std::size_t i = 0; i < figures.size(); ++i) {
    std::printf("%s%.4f", i == 0 ? "" : ",", figures[i]);
  }
  std::printf("]}\n");
}

int run(const std::string& directory, std::string_view what, double size, int rounds) {
  const auto disk = posix_disk();
  std::vector<double> figures;
  std::filesystem::remove_all(directory);
  const bool filled = what == "start" || what == "find";
  const auto last = filled ? fill(*disk, directory, size * 1e9) : ledger::RequestId();
  for (int round = 0; round < rounds; ++round) {
    if (filled) {
      ledger::RequestId request = last;
      request.number.sequence =
          std::max<std::int64_t>(1, last.number.sequence / std::max(rounds - 1, 1) * round);
      figures.push_back(what == "start" ? start(*disk, directory)
                                        : find(*disk, directory, request));
      continue;
    }
    const auto count = static_cast<std::size_t>(size);
    figures.push_back(what == "seal" ? seal(*disk, directory, count)
                                     : request(*disk, directory, count));
    std::filesystem::remove_all(directory);
  }
  std::filesystem::remove_all(directory);
  print(filled ? "seconds" : what == "seal" ? "cpu_ms" : "cpu_us", figures);
  return 0;
}

}  // namespace
}  // namespace hanse::journal

int main(int argc, char** argv) {
  const std::string_view what = argc == 5 ? argv[2] : "";
  if (what != "request" && what != "start" && what != "find" && what != "seal") {
    std::fprintf(stderr, "usage: journal_bench DIRECTORY request|start|find|seal SIZE ROUNDS\n");
    return 2;
  }
  return hanse::journal::run(std::string(argv[1]) + "/hanse-journal-bench", what,
                             std::strtod(argv[3], nullptr), std::atoi(argv[4]));
}
