// The request path asks for no memory once its tables have grown.
#include <gtest/gtest.h>

#include <vector>

#include "adapters/journal/journal.h"
#include "adapters/journal/testing/faulty_disk.h"
#include "base/testing/allocations.h"
#include "core/ledger/hold_book.h"
#include "core/ledger/ledger.h"

namespace hanse {
namespace {

using namespace ledger;

// A disk that takes everything and keeps nothing, so that only the journal's
// own memory is counted.
class Nowhere final : public journal::AppendFile {
 public:
  Result<std::size_t> append(std::span<const std::uint8_t> bytes) override { return bytes.size(); }
  Status sync() override { return {}; }
};

class NoDisk final : public journal::Disk {
 public:
  Status create_directory(const std::string&) override { return {}; }
  Result<std::vector<std::string>> list(const std::string&) override {
    return std::vector<std::string>{};
  }
  Result<std::unique_ptr<journal::AppendFile>> create(const std::string&) override {
    return std::make_unique<Nowhere>();
  }
  Result<std::unique_ptr<journal::AppendFile>> open_append(const std::string&) override {
    return std::make_unique<Nowhere>();
  }
  Result<std::unique_ptr<journal::ReadFile>> open_read(const std::string& path) override {
    return fail({ErrorCode::not_found, Fault::us, Retry::no, path});
  }
  Status truncate(const std::string&, std::uint64_t) override { return {}; }
  Status overwrite(const std::string&, std::uint64_t, std::span<const std::uint8_t>) override {
    return {};
  }
  Status remove(const std::string&) override { return {}; }
  Status sync_directory(const std::string&) override { return {}; }
  Result<std::unique_ptr<journal::DirectoryLock>> lock(const std::string&) override {
    return std::make_unique<journal::DirectoryLock>();
  }
  void random(std::span<std::uint8_t> to) override {
    for (auto& byte : to) byte = 4;
  }
  std::array<std::uint8_t, 16> machine_boot() override { return {}; }
};

TEST(RequestPath, AsksForNoMemory) {
  NoDisk disk;
  Ledger ledger;
  auto journal =
      journal::Journal::open(disk, {.directory = "j", .on_durable = {}}, ledger, WallTime(1))
          .value();
  const Currency euro = parse_currency("EUR").value();
  const AccountNumber key = ledger
                                .account_for(receivable_path("acme", "web", "laptop", euro).value(),
                                             AccountKind::receivable, euro, WallTime(1), *journal)
                                .value();
  const AccountNumber site = ledger
                                 .account_for(payable_path("elbe", "hamburg", euro).value(),
                                              AccountKind::payable, euro, WallTime(1), *journal)
                                 .value();
  Treasurer treasurer;
  HoldBook holds(treasurer);
  const BudgetScope scope{.tenant = treasurer.set("acme", Money(1'000'000'000'000), Money(0)),
                          .project = {},
                          .key = treasurer.set("laptop", Money(1'000'000'000'000), Money(0))};
  RequestNumbers numbers(ledger.epoch());
  TokenPrices prices;
  prices[TokenKind::output] = TokenPrice(360'000);
  const std::vector<std::uint8_t> payload(300, 7);

  const auto write = [&](const EntryBody& body, std::span<const std::uint8_t> with) {
    const Entry entry{.at = WallTime(2), .body = body};
    ASSERT_TRUE(ledger.apply(entry));
    journal->append(entry, with);
  };
  const auto requests = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const RequestNumber number = numbers.next();
      constexpr AttemptNumber kFirst{1};
      const HoldId hold = holds.open(scope, Money(100'000)).value();
      write(
          HoldOpened{
              .request = number, .receivable = key, .amount = Money(100'000), .prices = prices},
          {});
      Usage usage;
      usage.tokens[TokenKind::output] = Tokens(100);
      write(AttemptOpened{.request = number,
                          .attempt = kFirst,
                          .payable = site,
                          .prices = prices,
                          .tokens_max = usage.tokens},
            {});
      const Progress progress{.confirmed = {}, .may_leave = usage.tokens};
      write(
          Watermark{.request = number, .attempt = kFirst, .tenant = progress, .supplier = progress},
          {});
      const Money due = cost(usage.tokens, prices);
      const Settlement settled = holds.settle(hold, due).value();
      write(AttemptClosed{.request = number,
                          .attempt = kFirst,
                          .outcome = Outcome::completed,
                          .usage = usage,
                          .owed = due},
            {});
      write(RequestClosed{.request = number,
                          .outcome = Outcome::completed,
                          .usage = usage,
                          .charged = settled.charged,
                          .written_off = settled.written_off},
            payload);
      write(RequestRefused{.request = numbers.next(), .why = Refusal::by_law}, payload);
      if (i % 4 == 0) {
        ASSERT_TRUE(journal->write());
      }
    }
    ASSERT_TRUE(journal->write());
  };
  requests(100);
  const std::size_t before = allocations_so_far();
  requests(10'000);
  EXPECT_EQ(allocations_so_far(), before);
}

}  // namespace
}  // namespace hanse
