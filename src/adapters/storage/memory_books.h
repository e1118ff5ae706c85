// src/adapters/storage/memory_books.h
// The books in memory: for tests, for replay, and for checking what another
// store says.
#pragma once

#include <map>
#include <utility>

#include "adapters/storage/books.h"

namespace hanse::storage {

class MemoryBooks final : public Books {
 public:
  Result<ledger::Position> position(const ledger::JournalId& journal) override;
  Status write(const BookBatch& batch) override;
  Result<std::vector<BookedBalance>> balances() override;
  Result<std::vector<BookedCost>> costs() override;
  Result<std::vector<BookedPosting>> postings(const ledger::JournalId& journal,
                                              ledger::Position after, std::size_t limit) override;
  Result<std::optional<BookedRequest>> request(const ledger::RequestId& id) override;
  Status dump(const std::function<void(std::string_view line)>& to) override;

 private:
  struct Shard {
    ledger::Position position;
    WallTime at;
    std::vector<AccountRow> accounts;  // by number
    std::vector<BalanceRow> balances;
    std::map<std::pair<ledger::Position, std::int64_t>, PostingRow> postings;
    std::map<std::pair<ledger::RequestNumber, ledger::AttemptNumber>, AttemptRow> attempts;
    std::map<ledger::RequestNumber, RequestRow> requests;

    [[nodiscard]] const std::string& path(ledger::AccountNumber number) const;
    [[nodiscard]] BookedPosting booked(const PostingRow& row) const;
  };

  std::map<ledger::JournalId, Shard> shards_;
};

}  // namespace hanse::storage
