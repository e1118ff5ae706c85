// How many settlements a second the books take: all rows of a request (the
// request, its attempt, two postings, the balances), from decoded entries to
// committed SQLite transactions, on one thread. Prints one JSON object with a
// figure per round.
//
//   books_bench DIRECTORY REQUESTS ROUNDS
//
// DIRECTORY/hanse-books-bench is made, and removed at the end.
#include <time.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "adapters/storage/book_keeper.h"
#include "adapters/storage/sqlite_books.h"
#include "base/check.h"
#include "core/ledger/testing/keeping_sink.h"

namespace hanse::storage {
namespace {

using ledger::Position;

double seconds_of(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The entries of so many requests, made up as they are read: 100 keys, 4
// sites, 32 requests under way at a time.
class MadeUp final : public ledger::EntrySource {
 public:
  explicit MadeUp(std::int64_t requests) : requests_(requests) {
    ledger::Ledger ledger;
    ledger::testing::KeepingSink sink;
    const ledger::Entry epoch{.at = WallTime(1),
                              .body = ledger::EpochStarted{.epoch = ledger::Epoch(1)}};
    if (!ledger.apply(epoch)) std::abort();
    sink.append(epoch);
    const auto euro = ledger::parse_currency("EUR").value();
    for (int i = 0; i < 100; ++i) {
      const auto path = ledger::receivable_path("tenant-" + std::to_string(i / 10), "web",
                                                "key-" + std::to_string(i), euro);
      keys_.push_back(
          ledger.account_for(path.value(), ledger::AccountKind::receivable, euro, WallTime(1), sink)
              .value());
    }
    for (int i = 0; i < 4; ++i) {
      const auto path = ledger::payable_path("supplier", "site-" + std::to_string(i), euro);
      sites_.push_back(
          ledger.account_for(path.value(), ledger::AccountKind::payable, euro, WallTime(1), sink)
              .value());
    }
    ready_ = std::move(sink.entries);
    prices_[TokenKind::prompt] = TokenPrice(120'000);
    prices_[TokenKind::output] = TokenPrice(360'000);
    id_.bytes[0] = 1;
  }

  [[nodiscard]] const ledger::JournalId& journal() const override { return id_; }
  [[nodiscard]] Position begins_at() const override { return {}; }

  Result<bool> next(ledger::PlacedEntry& entry) override {
    if (read_ == ready_.size()) {
      ready_.clear();
      read_ = 0;
      make();
      if (ready_.empty()) return false;
    }
    position_ += Position(1);
    entry = {.position = position_, .entry = ready_[read_++]};
    return true;
  }

 private:
  void make() {
    constexpr std::int64_t kTogether = 32;
    if (made_ >= requests_) return;
    for (std::int64_t i = 1; i <= kTogether; ++i) {
      const ledger::RequestNumber number{ledger::Epoch(1), made_ + i};
      add(ledger::HoldOpened{.request = number,
                             .receivable = keys_[static_cast<std::size_t>(made_ + i) % 100],
                             .amount = Money(1'000'000),
                             .prices = prices_});
      add(ledger::AttemptOpened{.request = number,
                                .attempt = ledger::AttemptNumber{1},
                                .payable = sites_[static_cast<std::size_t>(i) % 4],
                                .prices = prices_,
                                .tokens_max = {}});
    }
    for (std::int64_t i = 1; i <= kTogether; ++i) {
      const ledger::RequestNumber number{ledger::Epoch(1), made_ + i};
      Usage usage;
      usage.tokens[TokenKind::prompt] = Tokens(700 + i);
      usage.tokens[TokenKind::output] = Tokens(120);
      const Money due = cost(usage.tokens, prices_);
      add(ledger::AttemptClosed{.request = number,
                                .attempt = ledger::AttemptNumber{1},
                                .outcome = ledger::Outcome::completed,
                                .usage = usage,
                                .owed = due});
      add(ledger::RequestClosed{.request = number,
                                .outcome = ledger::Outcome::completed,
                                .usage = usage,
                                .charged = due,
                                .written_off = Money(0)});
    }
    made_ += kTogether;
  }
  void add(const ledger::EntryBody& body) {
    ready_.push_back({.at = WallTime(made_ + 1'000), .body = body});
  }

  std::int64_t requests_;
  std::int64_t made_ = 0;
  ledger::JournalId id_;
  Position position_;
  std::vector<ledger::AccountNumber> keys_;
  std::vector<ledger::AccountNumber> sites_;
  TokenPrices prices_;
  std::vector<ledger::Entry> ready_;
  std::size_t read_ = 0;
};

// Settlements a second.
double settle(Books& books, std::int64_t requests) {
  MadeUp source(requests);
  const double begin = seconds_of(CLOCK_MONOTONIC);
  HANSE_CHECK(book_all(source, books));
  return static_cast<double>(requests) / (seconds_of(CLOCK_MONOTONIC) - begin);
}

}  // namespace
}  // namespace hanse::storage

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: books_bench DIRECTORY REQUESTS ROUNDS\n");
    return 2;
  }
  using namespace hanse::storage;
  const std::filesystem::path directory = std::filesystem::path(argv[1]) / "hanse-books-bench";
  std::printf("{\"per_second\":[");
  for (int round = 0; round < std::atoi(argv[3]); ++round) {
    std::filesystem::remove_all(directory);
    std::filesystem::create_directory(directory);
    const auto books =
        SqliteBooks::open((directory / "books.sqlite").string(), Database::Mode::read_write);
    HANSE_CHECK(books);
    std::printf("%s%.1f", round == 0 ? "" : ",", settle(**books, std::atoll(argv[2])));
  }
  std::printf("]}\n");
  std::filesystem::remove_all(directory);
  return 0;
}
