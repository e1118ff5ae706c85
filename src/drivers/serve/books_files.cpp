#include "drivers/serve/books_files.h"

#include <fstream>
#include <utility>

#include "adapters/journal/journal_reader.h"

namespace hanse::serve {

BooksFiles books_files(const std::filesystem::path& data_dir) {
  return {.journal = data_dir / "journal",
          .database = data_dir / "books.sqlite",
          .snapshots = data_dir / "snapshots"};
}

std::filesystem::path snapshot_file(const BooksFiles& files, const Sha256& digest) {
  return files.snapshots / (to_hex(digest) + ".toml");
}

Status keep_snapshot(const BooksFiles& files, const Sha256& digest, std::string_view canonical) {
  const std::filesystem::path file = snapshot_file(files, digest);
  std::error_code trouble;
  std::filesystem::create_directories(files.snapshots, trouble);
  if (std::filesystem::exists(file, trouble)) return {};
  // Whole or not at all: a reader must never find half a configuration.
  std::filesystem::path fresh = file;
  fresh += ".new";
  std::ofstream out(fresh, std::ios::binary | std::ios::trunc);
  out.write(canonical.data(), static_cast<std::streamsize>(canonical.size()));
  out.close();
  if (out) std::filesystem::rename(fresh, file, trouble);
  if (out && !trouble) return {};
  return fail({ErrorCode::unavailable, Fault::us, Retry::no,
               "the snapshot " + file.string() + " cannot be written"});
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
