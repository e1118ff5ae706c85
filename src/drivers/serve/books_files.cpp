#include "drivers/serve/books_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <utility>

#include "adapters/journal/journal_reader.h"

namespace hanse::serve {

BooksFiles books_files(const std::filesystem::path& data_dir) {
  return {.journal = data_dir / "journal",
          .database = data_dir / "books.sqlite",
          .snapshots = data_dir / "snapshots"};
}

Status make_data_dir(const std::filesystem::path& data_dir) {
  const auto folder = data_dir.has_filename() ? data_dir : data_dir.parent_path();
  std::error_code trouble;
  if (std::filesystem::is_directory(folder, trouble)) return {};
  trouble.clear();
  if (folder.has_parent_path()) std::filesystem::create_directories(folder.parent_path(), trouble);
  // For its owner alone from the first moment.
  if (!trouble && ::mkdir(folder.c_str(), 0700) != 0) {
    trouble = std::error_code(errno, std::generic_category());
  }
  if (!trouble) return {};
  return fail({ErrorCode::unavailable, Fault::us, Retry::no,
               fmt::format("the data directory {} cannot be made: {}", folder.string(),
                           trouble.message())});
}

std::filesystem::path snapshot_file(const BooksFiles& files, const Sha256& digest) {
  return files.snapshots / (to_hex(digest) + ".toml");
}

namespace {

bool holds(const std::filesystem::path& file, std::string_view text) {
  std::ifstream in(file, std::ios::binary);
  return in && std::string(std::istreambuf_iterator<char>(in), {}) == text;
}

Status write_whole(journal::Disk& disk, const std::string& file, std::string_view text) {
  if (Status removed = disk.remove(file); !removed) return removed;
  auto made = disk.create(file);
  if (!made) return std::unexpected(std::move(made.error()));
  std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(text.data()),
                                      text.size());
  while (!bytes.empty()) {
    const auto taken = (*made)->append(bytes);
    if (!taken) return std::unexpected(taken.error());
    bytes = bytes.subspan(*taken);
  }
  return (*made)->sync();
}

}  // namespace

Status keep_snapshot(const BooksFiles& files, const Sha256& digest, std::string_view canonical) {
  const std::filesystem::path file = snapshot_file(files, digest);
  if (holds(file, canonical)) return {};
  const auto disk = journal::posix_disk();
  const std::string folder = files.snapshots.string();
  if (Status made = disk->create_directory(folder); !made) return made;
  // Whole or not at all, also when the power goes: a reader must never find
  // half a configuration.
  const std::string fresh = file.string() + ".new";
  if (Status written = write_whole(*disk, fresh, canonical); !written) return written;
  std::error_code trouble;
  std::filesystem::rename(fresh, file, trouble);
  if (!trouble) return disk->sync_directory(folder);
  return fail({ErrorCode::unavailable, Fault::us, Retry::no,
               "the snapshot " + file.string() + " cannot be written: " + trouble.message()});
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
