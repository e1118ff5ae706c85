#include "drivers/serve/books_files.h"

#include <utility>

#include "adapters/journal/journal_reader.h"

namespace hanse::serve {

BooksFiles books_files(const std::filesystem::path& data_dir) {
  return {.journal = data_dir / "journal",
          .database = data_dir / "books.sqlite",
          .snapshots = data_dir / "snapshots"};
}

storage::OpenSource journal_source(journal::Disk& disk, const std::filesystem::path& directory) {
  return [&disk, directory = directory.string()](
             ledger::Position after) -> Result<std::unique_ptr<ledger::EntrySource>> {
    auto reader = journal::JournalReader::open(disk, directory, after);
    if (!reader) return std::unexpected(std::move(reader.error()));
    return std::make_unique<journal::JournalReader>(*std::move(reader));
  };
}

}  // namespace hanse::serve
