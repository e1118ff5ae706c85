// src/adapters/journal/disk.h
// The port to the disk: the few operations that a journal needs, so that a
// test can hand in a disk that is full, broken, slow or cut off at any byte.
//
// Failures carry the path and the system's words. Only `sync` may be called
// from another thread than the file's other operations.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hanse::journal {

class AppendFile {
 public:
  virtual ~AppendFile() = default;

  // Appends a first part of `bytes` and returns how much: at least one byte,
  // unless `bytes` is empty.
  virtual Result<std::size_t> append(std::span<const std::uint8_t> bytes) = 0;

  // Returns when everything appended before survives a loss of power.
  virtual Status sync() = 0;
};

class ReadFile {
 public:
  virtual ~ReadFile() = default;

  // Fills a first part of `to` from `offset`; zero at the end of the file.
  virtual Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> to) const = 0;
  [[nodiscard]] virtual Result<std::uint64_t> size() const = 0;
};

// Held as long as it lives, released with the process at the latest.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

class Disk {
 public:
  virtual ~Disk() = default;

  // With its parents; not an error when it is there.
  virtual Status create_directory(const std::string& path) = 0;
  // The names in a directory, sorted.
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  // Fails: conflict when the file exists.
  virtual Result<std::unique_ptr<AppendFile>> create(const std::string& path) = 0;
  virtual Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) = 0;
  // Fails: not_found when there is no such file.
  virtual Result<std::unique_ptr<ReadFile>> open_read(const std::string& path) = 0;
  // Cuts the file off, or lengthens it with zeros.
  virtual Status truncate(const std::string& path, std::uint64_t size) = 0;
  // Replaces bytes in the middle of a file and syncs them.
  virtual Status overwrite(const std::string& path, std::uint64_t offset,
                           std::span<const std::uint8_t> bytes) = 0;
  // Not an error when there is no such file.
  virtual Status remove(const std::string& path) = 0;
  virtual Status sync_directory(const std::string& path) = 0;
  // Fails: conflict when another process holds it.
  virtual Result<std::unique_ptr<DirectoryLock>> lock(const std::string& path) = 0;

  // Bytes that nobody can guess.
  virtual void random(std::span<std::uint8_t> to) = 0;
  // Changes whenever the machine starts; zeros when it cannot be told.
  virtual std::array<std::uint8_t, 16> machine_boot() = 0;
};

// The real one. Plain; may be shared by threads.
std::unique_ptr<Disk> posix_disk();

}  // namespace hanse::journal
