// src/core/ledger/testing/simulated_shard.h
// A shard that lives at random: requests come, attempts fail, stream, hedge
// and end, all drawn from one seed, over a real ledger and hold book. What it
// writes goes to a sink, as in the live shard.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "core/ledger/hold_book.h"
#include "core/ledger/ledger.h"
#include "core/ledger/testing/keeping_sink.h"

namespace hanse::ledger::testing {

struct SimulatedShardOptions {
  std::size_t tenants = 3;
  std::size_t keys_per_tenant = 2;
  std::size_t sites = 4;
  std::size_t open_max = 24;
  Money tenant_limit{2'000'000'000};
};

class SimulatedShard {
 public:
  // Requires: `ledger` and `sink` outlive the shard; an epoch has started.
  SimulatedShard(Ledger& ledger, EntrySink& sink, std::uint64_t seed,
                 SimulatedShardOptions options = {})
      : ledger_(ledger),
        sink_(sink),
        random_(seed),
        options_(options),
        holds_(treasurer_),
        numbers_(ledger.epoch()),
        now_(ledger.last_at()) {
    register_accounts();
  }

  // One event: something begins, goes on or ends.
  void step() {
    now_ += WallTime(static_cast<std::int64_t>(random_.below(1'000'000)));
    if (open_.size() < options_.open_max && random_.below(3) == 0) return open_request();
    if (open_.empty()) return;
    Live& live = open_[random_.below(open_.size())];
    if (live.attempts.empty()) {
      if (live.attempts_made == 0 || (live.attempts_made < 4 && random_.below(3) == 0)) {
        return open_attempt(live);
      }
      return close_request(live);
    }
    Attempt& attempt = live.attempts[random_.below(live.attempts.size())];
    switch (random_.below(5)) {
      case 0:
      case 1: return raise_watermark(live, attempt);
      case 2:
        if (live.attempts_made < 4 && live.attempts.size() < 2) return open_attempt(live);
        [[fallthrough]];
      default: return close_attempt(live, attempt);
    }
  }

  // Ends everything that is open.
  void drain() {
    while (!open_.empty()) {
      Live& live = open_.front();
      while (!live.attempts.empty()) close_attempt(live, live.attempts.front());
      close_request(live);
    }
  }

  [[nodiscard]] const std::vector<RequestNumber>& ended() const { return ended_; }
  [[nodiscard]] std::size_t open() const { return open_.size(); }
  [[nodiscard]] std::size_t refused() const { return refused_; }
  [[nodiscard]] const HoldBook& holds() const { return holds_; }
  [[nodiscard]] WallTime now() const { return now_; }

 private:
  struct Attempt {
    AttemptNumber number{};
    TokenPrices prices;
    Progress progress;
  };
  struct Live {
    RequestNumber number;
    HoldId hold;
    TokenPrices prices;
    Progress progress;
    std::vector<Attempt> attempts;
    std::uint8_t attempts_made = 0;
  };

  void register_accounts() {
    const Currency euro = parse_currency("EUR").value();
    for (std::size_t t = 0; t < options_.tenants; ++t) {
      const std::string tenant = "tenant-" + std::to_string(t);
      const Sum owed = ledger_.balance_below("receivable/" + tenant + "/", euro);
      lines_.push_back(
          treasurer_.set(tenant, options_.tenant_limit, Money(static_cast<std::int64_t>(owed))));
      for (std::size_t k = 0; k < options_.keys_per_tenant; ++k) {
        const auto path = receivable_path(tenant, "web", "key-" + std::to_string(k), euro).value();
        keys_.push_back(
            ledger_.account_for(path, AccountKind::receivable, euro, now_, sink_).value());
      }
    }
    for (std::size_t s = 0; s < options_.sites; ++s) {
      const auto path =
          payable_path("supplier-" + std::to_string(s / 2), "site-" + std::to_string(s), euro)
              .value();
      sites_.push_back(ledger_.account_for(path, AccountKind::payable, euro, now_, sink_).value());
    }
  }

  void write(const EntryBody& body) {
    const Entry entry{.at = now_, .body = body};
    const auto applied = ledger_.apply(entry);
    ASSERT_TRUE(applied.has_value()) << kind_name(body) << ": " << applied.error().message;
    sink_.append(entry);
  }

  TokenPrices draw_prices() {
    TokenPrices prices;
    for (auto& price : prices.values) {
      price = TokenPrice(static_cast<std::int64_t>(random_.below(400'000)));
    }
    return prices;
  }

  TokenCounts draw_tokens(std::uint64_t bound) {
    TokenCounts tokens;
    for (auto& count : tokens.values) {
      if (random_.below(2) == 0) count = Tokens(static_cast<std::int64_t>(random_.below(bound)));
    }
    return tokens;
  }

  void open_request() {
    const std::size_t key = random_.below(keys_.size());
    const RequestNumber number = numbers_.next();
    if (random_.below(16) == 0) {
      return refuse(number, static_cast<Refusal>(1 + random_.below(5)));
    }
    const Money amount(static_cast<std::int64_t>(random_.below(400'000'000)));
    const auto hold = holds_.open(
        {.tenant = lines_[key / options_.keys_per_tenant], .project = {}, .key = {}}, amount);
    if (!hold) {
      ++refused_;
      return refuse(number, Refusal::over_budget);
    }
    Live live{.number = number,
              .hold = *hold,
              .prices = draw_prices(),
              .progress = {},
              .attempts = {},
              .attempts_made = 0};
    write(HoldOpened{
        .request = number, .receivable = keys_[key], .amount = amount, .prices = live.prices});
    open_.push_back(std::move(live));
  }

  void refuse(RequestNumber number, Refusal why) {
    write(RequestRefused{.request = number, .why = why});
    ended_.push_back(number);
  }

  void open_attempt(Live& live) {
    const Attempt attempt{
        .number = AttemptNumber{++live.attempts_made}, .prices = draw_prices(), .progress = {}};
    write(AttemptOpened{.request = live.number,
                        .attempt = attempt.number,
                        .payable = sites_[random_.below(sites_.size())],
                        .prices = attempt.prices,
                        .tokens_max = draw_tokens(2'000)});
    live.attempts.push_back(attempt);
  }

  // Confirms up to what may leave, then lets more go.
  void advance(Progress& progress) {
    for (const TokenKind kind : kAllTokenKinds) {
      const auto gap = progress.may_leave[kind] - progress.confirmed[kind];
      progress.confirmed[kind] += Tokens(
          static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(gap.count()) + 1)));
      progress.may_leave[kind] += Tokens(static_cast<std::int64_t>(random_.below(64)));
    }
  }

  void raise_watermark(Live& live, Attempt& attempt) {
    advance(live.progress);
    advance(attempt.progress);
    write(Watermark{.request = live.number,
                    .attempt = attempt.number,
                    .tenant = live.progress,
                    .supplier = attempt.progress});
  }

  Outcome draw_outcome() { return static_cast<Outcome>(1 + random_.below(5)); }

  void close_attempt(Live& live, Attempt& attempt) {
    Usage usage{.tokens = attempt.progress.confirmed, .estimated = random_.below(2) == 0};
    for (const TokenKind kind : kAllTokenKinds) {
      usage.tokens[kind] += Tokens(static_cast<std::int64_t>(random_.below(100)));
    }
    write(AttemptClosed{.request = live.number,
                        .attempt = attempt.number,
                        .outcome = draw_outcome(),
                        .usage = usage,
                        .owed = cost(usage.tokens, attempt.prices)});
    std::erase_if(live.attempts, [n = attempt.number](const Attempt& a) { return a.number == n; });
  }

  void close_request(Live& live) {
    if (random_.below(4) == 0) {
      ASSERT_TRUE(holds_.release(live.hold).has_value());
      write(HoldReleased{.request = live.number, .outcome = Outcome::failed});
    } else {
      const Usage usage{.tokens = draw_tokens(3'000)};
      const Settlement settled = holds_.settle(live.hold, cost(usage.tokens, live.prices)).value();
      write(RequestClosed{.request = live.number,
                          .outcome = draw_outcome(),
                          .usage = usage,
                          .charged = settled.charged,
                          .written_off = settled.written_off});
    }
    ended_.push_back(live.number);
    std::erase_if(open_, [n = live.number](const Live& l) { return l.number == n; });
  }

  Ledger& ledger_;
  EntrySink& sink_;
  Random random_;
  SimulatedShardOptions options_;
  Treasurer treasurer_;
  HoldBook holds_;
  RequestNumbers numbers_;
  WallTime now_;
  std::vector<BudgetLine> lines_;
  std::vector<AccountNumber> keys_;
  std::vector<AccountNumber> sites_;
  std::vector<Live> open_;
  std::vector<RequestNumber> ended_;
  std::size_t refused_ = 0;
};

}  // namespace hanse::ledger::testing
