#include "adapters/storage/memory_books.h"

#include <fmt/format.h>

#include "adapters/storage/follows.h"
#include "base/check.h"

namespace hanse::storage {

using ledger::Position;

const std::string& MemoryBooks::Shard::path(ledger::AccountNumber number) const {
  HANSE_CHECK(number.value() < accounts.size());
  return accounts[number.value()].path;
}

BookedPosting MemoryBooks::Shard::booked(const PostingRow& row) const {
  return {.row = row, .debit = path(row.debit), .credit = path(row.credit)};
}

Result<Position> MemoryBooks::position(const ledger::JournalId& journal) {
  const auto found = shards_.find(journal);
  return found == shards_.end() ? Position(0) : found->second.position;
}

Status MemoryBooks::write(const BookBatch& batch) {
  const auto wanted = follows(batch, position(batch.journal).value());
  if (!wanted) return std::unexpected(wanted.error());
  if (*wanted == Wanted::nothing) return {};
  Shard& shard = shards_[batch.journal];
  shard.position = batch.last;
  shard.at = batch.at;
  for (const AccountRow& row : batch.accounts) {
    shard.accounts.push_back(row);
    shard.balances.push_back({.account = row.number, .debits = 0, .credits = 0});
  }
  for (const BalanceRow& row : batch.balances) shard.balances.at(row.account.value()) = row;
  for (const PostingRow& row : batch.postings) shard.postings[{row.position, row.line}] = row;
  for (const AttemptRow& row : batch.attempts) shard.attempts[{row.request, row.attempt}] = row;
  for (const RequestRow& row : batch.requests) shard.requests[row.request] = row;
  return {};
}

Result<std::vector<BookedBalance>> MemoryBooks::balances() {
  std::map<std::string, BookedBalance> by_path;
  for (const auto& [journal, shard] : shards_) {
    for (std::size_t i = 0; i < shard.accounts.size(); ++i) {
      const AccountRow& account = shard.accounts[i];
      BookedBalance& sum = by_path[account.path];
      sum.path = account.path;
      sum.kind = account.kind;
      sum.currency = account.currency;
      sum.debits += shard.balances[i].debits;
      sum.credits += shard.balances[i].credits;
    }
  }
  std::vector<BookedBalance> all;
  for (auto& [path, balance] : by_path) all.push_back(std::move(balance));
  return all;
}

Result<std::vector<BookedCost>> MemoryBooks::costs() {
  std::map<std::pair<std::string, std::string>, BookedCost> by_paths;
  for (const auto& [journal, shard] : shards_) {
    for (const auto& [key, attempt] : shard.attempts) {
      // An attempt may end before its request does.
      const auto request = shard.requests.find(attempt.request);
      if (request == shard.requests.end()) continue;
      const std::string& receivable = shard.path(request->second.receivable);
      const std::string& payable = shard.path(attempt.payable);
      BookedCost& sum = by_paths[{receivable, payable}];
      sum.receivable = receivable;
      sum.payable = payable;
      ++sum.attempts;
      sum.owed += attempt.owed.count();
      sum.in_doubt += attempt.in_doubt.count();
    }
  }
  std::vector<BookedCost> all;
  for (auto& [paths, cost] : by_paths) all.push_back(std::move(cost));
  return all;
}

Result<std::vector<BookedPosting>> MemoryBooks::postings(const ledger::JournalId& journal,
                                                         Position after, std::size_t limit) {
  std::vector<BookedPosting> all;
  const auto found = shards_.find(journal);
  if (found == shards_.end()) return all;
  const Shard& shard = found->second;
  for (auto it = shard.postings.lower_bound({after + Position(1), 0});
       it != shard.postings.end() && all.size() < limit; ++it) {
    all.push_back(shard.booked(it->second));
  }
  return all;
}

Result<std::optional<BookedRequest>> MemoryBooks::request(const ledger::RequestId& id) {
  const auto found = shards_.find(id.journal);
  if (found == shards_.end()) return std::nullopt;
  const Shard& shard = found->second;
  const auto row = shard.requests.find(id.number);
  if (row == shard.requests.end()) return std::nullopt;
  BookedRequest request{.row = row->second,
                        .receivable = shard.path(row->second.receivable),
                        .attempts = {},
                        .postings = {}};
  for (auto it = shard.attempts.lower_bound({id.number, ledger::AttemptNumber{0}});
       it != shard.attempts.end() && it->second.request == id.number; ++it) {
    request.attempts.push_back({.row = it->second, .payable = shard.path(it->second.payable)});
  }
  for (auto it = shard.postings.lower_bound({row->second.opened, 0});
       it != shard.postings.end() && it->second.position <= row->second.closed; ++it) {
    if (it->second.request == id.number) request.postings.push_back(shard.booked(it->second));
  }
  return request;
}

Status MemoryBooks::dump(const std::function<void(std::string_view)>& to) {
  for (const auto& [journal, shard] : shards_) {
    to(to_line(journal, shard.position, shard.at));
    for (std::size_t i = 0; i < shard.accounts.size(); ++i) {
      to(to_line(shard.accounts[i], shard.balances[i]));
    }
    for (const auto& [key, row] : shard.postings) to(to_line(row));
    for (const auto& [key, row] : shard.attempts) to(to_line(row));
    for (const auto& [key, row] : shard.requests) to(to_line(row));
  }
  return {};
}

}  // namespace hanse::storage
