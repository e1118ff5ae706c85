#include "drivers/serve/books.h"

#include <fmt/format.h>

#include <cstdint>
#include <span>
#include <utility>

#include "adapters/storage/sqlite_books.h"
#include "drivers/serve/books_files.h"

namespace hanse::serve {
namespace {

constexpr Duration kMarkEvery = milliseconds(100);
constexpr std::size_t kMarksMax = 65'536;

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

Result<std::unique_ptr<Books>> Books::open(journal::Disk& disk, const BooksOptions& options,
                                           Instant now) {
  std::unique_ptr<Books> books(new Books(options.lag_max));
  journal::JournalOptions journal_options = options.journal;
  journal_options.directory = options.files.journal.string();
  journal_options.on_durable = [also = options.journal.on_durable, to = books.get()] {
    to->tell_keeper();
    if (also) also();
  };
  auto database = storage::SqliteBooks::open(options.files.database.string(),
                                             storage::Database::Mode::read_write);
  if (!database) return std::unexpected(std::move(database.error()));
  books->database_ = *std::move(database);
  // Nobody may spend by a journal that has lost its end.
  journal_options.known_end = [&known = *books->database_](const ledger::JournalId& id) {
    return known.position(id);
  };
  auto journal = journal::Journal::open(disk, std::move(journal_options), books->ledger_, now.wall);
  if (!journal) return std::unexpected(std::move(journal.error()));
  books->journal_ = *std::move(journal);
  books->newest_ = {.written = books->journal_->written(), .at = now.monotonic};
  books->keeper_ = std::make_unique<storage::BookKeeper>(
      *books->database_, journal_source(disk, options.files.journal));
  books->may_tell_ = true;
  books->tell_keeper();
  books->segment_ = books->journal_->segment();
  books->archive_ = std::make_unique<RecordArchive>(
      disk,
      RecordArchiveOptions{.files = options.files,
                           .rule = options.records,
                           .now = options.now,
                           .on_erased = options.on_erased,
                           .on_snapshots_erased = options.on_snapshots_erased},
      options.running);
  return books;
}

void Books::tell_keeper() {
  // What is not durable may still be lost with the power, and books that knew
  // it would then be ahead of their journal.
  if (may_tell_) keeper_->written(journal_->durable());
}

Status Books::write(Instant now) {
  writing_since_ = now.monotonic;
  Status written = journal_->write();
  writing_since_.reset();
  if (!written) return written;
  if (segment_ != journal_->segment()) {
    segment_ = journal_->segment();
    archive_->segment_begun();
  }
  newest_ = {.written = journal_->written(), .at = now.monotonic};
  if (marks_.empty() || elapsed(marks_.back().at, now.monotonic) >= kMarkEvery) {
    const ledger::Position booked = keeper_->booked();
    while (!marks_.empty() && marks_.front().written <= booked) marks_.pop_front();
    // Past the bound the marks grow coarser instead of more.
    if (marks_.size() == kMarksMax) marks_.pop_back();
    marks_.push_back(newest_);
  }
  return {};
}

Duration Books::stands(Instant now) const {
  return writing_since_ ? elapsed(*writing_since_, now.monotonic) : Duration();
}

Duration Books::lag(Instant now) const {
  const ledger::Position booked = keeper_->booked();
  for (const Mark& mark : marks_) {
    if (mark.written > booked) return elapsed(mark.at, now.monotonic);
  }
  return newest_.written > booked ? elapsed(newest_.at, now.monotonic) : Duration();
}

std::int64_t Books::lag_entries() const {
  // The journal's position, not what the keeper was told: a disk that does not
  // get on with its syncs holds up the books, too.
  return (journal_->written() - keeper_->booked()).count();
}

Status Books::may_admit(Instant now) const {
  if (journal_->failed()) {
    return fail({ErrorCode::unavailable, Fault::us, Retry::later,
                 "the journal cannot be written: " + journal_->status().error().message});
  }
  if (const Duration standing = stands(now); standing > kStandsMax) {
    return fail({ErrorCode::unavailable, Fault::us, Retry::later,
                 fmt::format("the journal's disk stands still: it has not taken a write for {}",
                             to_string(standing))});
  }
  if (const Duration behind = lag(now); behind > lag_max_) {
    const auto trouble = keeper_->trouble();
    return fail({ErrorCode::unavailable, Fault::us, Retry::later,
                 fmt::format("the books are {} behind the journal{}{}", to_string(behind),
                             trouble ? ": " : "", trouble ? trouble->message : "")});
  }
  return {};
}

Status Books::close() {
  if (Status closed = journal_->close(); !closed) return closed;
  tell_keeper();
  return keeper_->catch_up();
}

void Books::append(const ledger::Entry& entry, std::string_view payload) {
  if (payload.empty()) {
    (void)journal_->append(entry);
    return;
  }
  (void)journal_->append(entry,
                         {reinterpret_cast<const std::uint8_t*>(payload.data()), payload.size()});
}

void Books::seal(WallTime at, ledger::EntrySink& copy) {
  Copying both(*journal_, copy);
  ledger_.seal(at, both);
}

}  // namespace hanse::serve
