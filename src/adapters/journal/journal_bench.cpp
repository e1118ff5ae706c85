// What the journal costs a request on the loop: ledger and journal, CPU of the
// loop's thread, with and without a payload of 300 bytes.
//
//   build/release/src/adapters/journal/hanse_journal_bench [directory]
//
// A turn at 48 connections carries several requests; `turn 1` is one request
// alone, whose entries need three turns (before sending, before the last
// chunk, and the watermark of a stream).
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "adapters/journal/find_request.h"
#include "adapters/journal/journal.h"
#include "adapters/journal/journal_reader.h"

namespace hanse::journal {
namespace {

double seconds_of(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct World {
  ledger::AccountNumber key;
  ledger::AccountNumber site;
  TokenPrices prices;
};

// The entries of one streamed request, in the three turns in which they come.
class Requests {
 public:
  Requests(ledger::Ledger& ledger, Journal& journal, World world, std::size_t payload_bytes)
      : ledger_(ledger),
        journal_(journal),
        world_(world),
        numbers_(ledger.epoch()),
        payload_(payload_bytes, 7) {}

  ledger::RequestNumber admit() {
    const ledger::RequestNumber number = numbers_.next();
    write(ledger::HoldOpened{.request = number,
                             .receivable = world_.key,
                             .amount = Money(1'000'000),
                             .prices = world_.prices});
    TokenCounts most;
    most[TokenKind::prompt] = Tokens(900);
    most[TokenKind::output] = Tokens(256);
    write(ledger::AttemptOpened{.request = number,
                                .attempt = ledger::AttemptNumber{1},
                                .payable = world_.site,
                                .prices = world_.prices,
                                .tokens_max = most});
    return number;
  }

  void stream(ledger::RequestNumber number) {
    ledger::Progress progress;
    progress.may_leave[TokenKind::prompt] = Tokens(700);
    progress.may_leave[TokenKind::output] = Tokens(64);
    write(ledger::Watermark{.request = number,
                            .attempt = ledger::AttemptNumber{1},
                            .tenant = progress,
                            .supplier = progress});
  }

  void end(ledger::RequestNumber number) {
    Usage usage;
    usage.tokens[TokenKind::prompt] = Tokens(700);
    usage.tokens[TokenKind::output] = Tokens(120);
    const Money due = cost(usage.tokens, world_.prices);
    write(ledger::AttemptClosed{.request = number,
                                .attempt = ledger::AttemptNumber{1},
                                .outcome = ledger::Outcome::completed,
                                .usage = usage,
                                .owed = due});
    const ledger::Entry closed{.at = now_,
                               .body = ledger::RequestClosed{.request = number,
                                                             .outcome = ledger::Outcome::completed,
                                                             .usage = usage,
                                                             .charged = due,
                                                             .written_off = Money(0)}};
    if (!ledger_.apply(closed)) std::abort();
    journal_.append(closed, payload_);
  }

 private:
  void write(const ledger::EntryBody& body) {
    const ledger::Entry entry{.at = now_, .body = body};
    if (!ledger_.apply(entry)) std::abort();
    journal_.append(entry);
  }

  ledger::Ledger& ledger_;
  Journal& journal_;
  World world_;
  ledger::RequestNumbers numbers_;
  std::vector<std::uint8_t> payload_;
  WallTime now_{1'000'000'000};
};

void run(Disk& disk, const std::string& directory, std::size_t per_turn, bool streamed,
         std::size_t payload_bytes) {
  std::filesystem::remove_all(directory);
  ledger::Ledger ledger;
  auto journal = Journal::open(disk, {.directory = directory, .on_durable = {}}, ledger,
                               WallTime(1'000'000'000))
                     .value();
  const auto euro = ledger::parse_currency("EUR").value();
  World world;
  world.key = ledger
                  .account_for(ledger::receivable_path("acme", "web", "laptop", euro).value(),
                               ledger::AccountKind::receivable, euro, WallTime(1), *journal)
                  .value();
  world.site = ledger
                   .account_for(ledger::payable_path("elbe", "hamburg", euro).value(),
                                ledger::AccountKind::payable, euro, WallTime(1), *journal)
                   .value();
  world.prices[TokenKind::prompt] = TokenPrice(120'000);
  world.prices[TokenKind::output] = TokenPrice(360'000);
  Requests requests(ledger, *journal, world, payload_bytes);

  const std::size_t count = per_turn == 1 ? 200'000 : 600'000;
  std::vector<ledger::RequestNumber> admitted;
  std::vector<ledger::RequestNumber> streaming;
  const std::uint64_t bytes = journal->bytes_written();
  const double cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID);
  const double process = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
  const double wall = seconds_of(CLOCK_MONOTONIC);
  for (std::size_t done = 0; done < count; done += per_turn) {
    // Each turn admits some, lets some stream, and ends some.
    for (const auto number : streaming) requests.end(number);
    streaming.clear();
    if (per_turn == 1 && !journal->write()) std::abort();
    for (const auto number : admitted) {
      if (streamed) requests.stream(number);
      streaming.push_back(number);
    }
    admitted.clear();
    if (per_turn == 1 && !journal->write()) std::abort();
    for (std::size_t i = 0; i < per_turn; ++i) admitted.push_back(requests.admit());
    if (!journal->write()) std::abort();
  }
  const double loop = seconds_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
  const double all = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - process;
  const double took = seconds_of(CLOCK_MONOTONIC) - wall;
  std::printf("%9zu %9s %8zu | %8.2f %8.2f %8.1f %9.0f\n", per_turn, streamed ? "yes" : "no",
              payload_bytes, 1e6 * loop / static_cast<double>(count),
              1e6 * (all - loop) / static_cast<double>(count),
              static_cast<double>(journal->bytes_written() - bytes) / static_cast<double>(count),
              static_cast<double>(count) / took);
}

// What it costs to find how a request ended, for requests of all ages.
void look_up(Disk& disk, const std::string& directory, const ledger::JournalId& journal,
             std::int64_t requests) {
  constexpr int kLookUps = 40;
  double sum = 0;
  double most = 0;
  for (int i = 0; i < kLookUps; ++i) {
    const ledger::RequestId wanted{
        .journal = journal, .number = {ledger::Epoch(1), 1 + (requests - 1) * i / (kLookUps - 1)}};
    const double begin = seconds_of(CLOCK_MONOTONIC);
    (void)find_request_end(disk, directory, wanted);
    const double took = seconds_of(CLOCK_MONOTONIC) - begin;
    sum += took;
    most = std::max(most, took);
  }
  std::printf("one of %.1f million requests found in %.2f s, at most %.2f s\n",
              1e-6 * static_cast<double>(requests), sum / kLookUps, most);
}

// How long a start takes on a journal of about `gigabytes`.
void start(Disk& disk, const std::string& directory, double gigabytes) {
  std::filesystem::remove_all(directory);
  std::int64_t last_request = 0;
  {
    ledger::Ledger ledger;
    auto journal = Journal::open(disk, {.directory = directory, .on_durable = {}}, ledger,
                                 WallTime(1'000'000'000))
                       .value();
    const auto euro = ledger::parse_currency("EUR").value();
    World world;
    for (int i = 0; i < 1'000; ++i) {
      const auto path = ledger::receivable_path("tenant-" + std::to_string(i), "web", "key", euro);
      world.key = ledger
                      .account_for(path.value(), ledger::AccountKind::receivable, euro, WallTime(1),
                                   *journal)
                      .value();
    }
    world.site = ledger
                     .account_for(ledger::payable_path("elbe", "hamburg", euro).value(),
                                  ledger::AccountKind::payable, euro, WallTime(1), *journal)
                     .value();
    world.prices[TokenKind::output] = TokenPrice(360'000);
    Requests requests(ledger, *journal, world, 0);
    std::vector<ledger::RequestNumber> admitted;
    while (static_cast<double>(journal->bytes_written()) < gigabytes * 1e9) {
      for (const auto number : admitted) requests.stream(number);
      if (admitted.size() >= 16) {
        for (const auto number : admitted) requests.end(number);
        admitted.clear();
      }
      for (int i = 0; i < 8; ++i) admitted.push_back(requests.admit());
      if (!journal->write()) std::abort();
    }
    last_request = admitted.back().sequence;
    // Killed, with requests open.
  }
  const double wall = seconds_of(CLOCK_MONOTONIC);
  ledger::Ledger ledger;
  auto journal = Journal::open(disk, {.directory = directory, .on_durable = {}}, ledger,
                               WallTime(2'000'000'000))
                     .value();
  const double took = seconds_of(CLOCK_MONOTONIC) - wall;
  std::printf("start on %.1f GB: %.3f s, %llu entries read\n", gigabytes, took,
              static_cast<unsigned long long>(journal->recovery().entries_read));

  look_up(disk, directory, journal->id(), last_request);

  const double begin = seconds_of(CLOCK_MONOTONIC);
  JournalReader reader = JournalReader::open(disk, directory).value();
  ledger::Ledger audit;
  ledger::PlacedEntry placed;
  while (reader.next(placed).value()) {
    if (!audit.apply(placed.entry)) std::abort();
  }
  const double read = seconds_of(CLOCK_MONOTONIC) - begin;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  std::printf("whole chain and all amounts checked: %.1f s, %.1f million entries/s, peak %.0f MB\n",
              read, static_cast<double>(audit.position().count()) / read / 1e6,
              static_cast<double>(usage.ru_maxrss) / 1024);
}

// What it costs the loop to leave a segment: a seal of all accounts.
void leave(Disk& disk, const std::string& directory, std::size_t accounts) {
  std::filesystem::remove_all(directory);
  ledger::Ledger ledger;
  auto journal = Journal::open(disk, {.directory = directory, .segment_bytes = 64U << 20U}, ledger,
                               WallTime(1))
                     .value();
  const auto euro = ledger::parse_currency("EUR").value();
  for (std::size_t i = 0; i < accounts; ++i) {
    const auto path = ledger::receivable_path("tenant", "web", "key-" + std::to_string(i), euro);
    (void)ledger.account_for(path.value(), ledger::AccountKind::receivable, euro, WallTime(1),
                             *journal);
  }
  if (!journal->write()) std::abort();
  const double begin = seconds_of(CLOCK_THREAD_CPUTIME_ID);
  ledger.seal(WallTime(1), *journal);
  if (!journal->write()) std::abort();
  std::printf("a seal of %zu accounts: %.1f ms on the loop\n", accounts,
              1e3 * (seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin));
}

}  // namespace
}  // namespace hanse::journal

int main(int argc, char** argv) {
  using namespace hanse::journal;
  const std::string directory = std::string(argc > 1 ? argv[1] : ".") + "/hanse-journal-bench";
  const auto disk = posix_disk();
  std::printf("per turn, streamed, payload  | loop us  other us bytes/req  req/s\n");
  for (const std::size_t per_turn : {1U, 4U, 8U, 16U}) {
    for (const bool streamed : {false, true}) {
      for (const std::size_t payload : {std::size_t{0}, std::size_t{300}}) {
        run(*disk, directory, per_turn, streamed, payload);
      }
    }
  }
  for (const std::size_t accounts : {1'000U, 10'000U, 100'000U}) leave(*disk, directory, accounts);
  start(*disk, directory, argc > 2 ? std::stod(argv[2]) : 1.0);
  std::filesystem::remove_all(directory);
  return 0;
}
