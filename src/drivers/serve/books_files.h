// src/drivers/serve/books_files.h
// Where a gateway keeps its journal and its books below `data_dir`, for the
// process that writes them and for those that only read.
#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "adapters/journal/disk.h"
#include "adapters/storage/book_keeper.h"
#include "base/digest.h"
#include "base/result.h"
#include "core/ledger/entry_stream.h"

namespace hanse::serve {

struct BooksFiles {
  std::filesystem::path journal;    // a directory of segments
  std::filesystem::path database;   // SQLite
  std::filesystem::path snapshots;  // a directory of configurations, by digest
};

BooksFiles books_files(const std::filesystem::path& data_dir);

// Makes the folder where there is none, for its owner alone.
Status make_data_dir(const std::filesystem::path& data_dir);

// Where the configuration of that digest is kept.
std::filesystem::path snapshot_file(const BooksFiles& files, const Sha256& digest);

// Keeps a configuration's canonical text under its digest, for the records that
// cite it. Keeping it again changes nothing.
// Fails: unavailable when it cannot be written.
Status keep_snapshot(const BooksFiles& files, const Sha256& digest, std::string_view canonical);

// Opens the journal in `directory` for reading. Requires: `disk` outlives what
// is opened.
storage::OpenSource journal_source(journal::Disk& disk, const std::filesystem::path& directory);

}  // namespace hanse::serve
