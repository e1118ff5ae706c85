#include "drivers/serve/books.h"

#include <cstdint>
#include <span>
#include <utility>

namespace hanse::serve {
namespace {

// Hands what the journal takes to a second sink as well.
class Copying final : public ledger::EntrySink {
 public:
  Copying(ledger::EntrySink& first, ledger::EntrySink& second) : first_(first), second_(second) {}

  ledger::Position append(const ledger::Entry& entry) override {
    (void)second_.append(entry);
    return first_.append(entry);
  }

 private:
  ledger::EntrySink& first_;
  ledger::EntrySink& second_;
};

}  // namespace

Result<std::unique_ptr<Books>> Books::open(journal::Disk& disk,
                                           const journal::JournalOptions& options, WallTime now) {
  std::unique_ptr<Books> books(new Books());
  auto journal = journal::Journal::open(disk, options, books->ledger_, now);
  if (!journal) return std::unexpected(std::move(journal.error()));
  books->journal_ = *std::move(journal);
  return books;
}

void Books::append(const ledger::Entry& entry, std::string_view payload) {
  if (payload.empty()) {
    (void)journal_->append(entry);
    return;
  }
  (void)journal_->append(entry, {reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()});
}

void Books::seal(WallTime at, ledger::EntrySink& copy) {
  Copying both(*journal_, copy);
  ledger_.seal(at, both);
}

}  // namespace hanse::serve
