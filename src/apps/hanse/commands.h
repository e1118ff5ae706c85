// src/apps/hanse/commands.h
// The verbs of the command line, one file each. Each returns the process's
// exit status, as `hanse --help` says it: 0 done; 1 it could not be done, or
// what was checked does not hold; 2 the command line or a file on it is wrong.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace hanse::app {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kWrongInput = 2;

using Files = std::vector<std::filesystem::path>;

struct CheckOptions {
  Files files;
  bool json = false;
};
int check(const CheckOptions& options);

struct ExplainOptions {
  Files files;  // whose gateway is asked, or whose journal is read when none runs
  std::string id;
  bool json = false;
};
int explain(const ExplainOptions& options);

struct DrillOptions {
  Files files;  // whose fleet, rules and tenants are looked at
  std::vector<std::string> sites;
  std::vector<std::string> suppliers;
  std::vector<std::string> countries;
  std::vector<std::string> laws;
  bool live = false;          // the gateway that runs with these files does it
  bool end = false;           // ends what `live` has begun; of all sites if none is named
  std::string lasts = "10m";  // a drill that is forgotten ends then
  bool json = false;
};
int drill(const DrillOptions& options);

struct KeysNewOptions {
  std::string prefix = "hk";
  bool json = false;
};
int keys_new(const KeysNewOptions& options);

struct BooksOptions {
  Files files;  // whose `data_dir` is read
  bool json = false;
  std::int64_t after = 0;            // books_journal: entries after this one
  std::optional<std::size_t> limit;  // books_journal: so many postings, or all
};
int books_balance(const BooksOptions& options);
int books_journal(const BooksOptions& options);
int books_verify(const BooksOptions& options);
int books_rebuild(const BooksOptions& options);

struct ReplayOptions {
  std::filesystem::path recording;
  bool json = false;
};
int replay(const ReplayOptions& options);

}  // namespace hanse::app
