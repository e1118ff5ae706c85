// src/adapters/journal/testing/faulty_disk.h
// A disk in memory that fails on demand: full or broken after so many bytes,
// writing less than it was given, dying in the middle of a write, losing power.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "adapters/journal/disk.h"
#include "base/random.h"

namespace hanse::journal::testing {

class FaultyDisk final : public Disk {
 public:
  using Bytes = std::vector<std::uint8_t>;

  // --- What goes wrong. ---

  // After this many more bytes, appending fails.
  void fail_appends_after(std::uint64_t bytes, ErrorCode code) {
    const std::lock_guard lock(state_->mutex);
    state_->append_budget = bytes;
    state_->append_error = code;
  }
  void fail_syncs() {
    const std::lock_guard lock(state_->mutex);
    state_->syncs_fail = true;
  }
  // No file can be made, as when no descriptor is left.
  void fail_creates(bool fail) {
    const std::lock_guard lock(state_->mutex);
    state_->creates_fail = fail;
  }
  void fail_removes() {
    const std::lock_guard lock(state_->mutex);
    state_->removes_fail = true;
  }
  // Appends take at most this many bytes at a time.
  void write_short(std::size_t bytes_max) {
    const std::lock_guard lock(state_->mutex);
    state_->append_bytes_max = bytes_max;
  }
  // The process dies after this many more bytes: whatever it does from then on
  // leaves no trace, though it is told that all is well.
  void die_after(std::uint64_t bytes) {
    const std::lock_guard lock(state_->mutex);
    state_->life = bytes;
  }

  // --- What is left. ---

  // The files as a new process finds them after the old one was killed.
  [[nodiscard]] FaultyDisk after_kill() const {
    const std::lock_guard lock(state_->mutex);
    FaultyDisk next;
    next.state_->files = state_->files;
    next.state_->boot = state_->boot;
    return next;
  }
  // The files after the power went: what was synced, and of the rest whatever
  // chance kept, page by page, in any order.
  [[nodiscard]] FaultyDisk after_power_loss(Random& random) const {
    constexpr std::size_t kPage = 64;  // small, so that it matters
    FaultyDisk next = after_kill();
    next.state_->boot[0] = static_cast<std::uint8_t>(next.state_->boot[0] + 1);
    for (auto& [name, file] : next.state_->files) {
      const std::size_t end = file.synced + random.below(file.bytes.size() - file.synced + 1);
      file.bytes.resize(end);
      for (std::size_t at = file.synced; at < end; at += kPage) {
        if (random.below(4) != 0) continue;
        std::fill(file.bytes.begin() + static_cast<std::ptrdiff_t>(at),
                  file.bytes.begin() + static_cast<std::ptrdiff_t>(std::min(at + kPage, end)),
                  std::uint8_t{0});
      }
      file.synced = file.bytes.size();
    }
    return next;
  }

  [[nodiscard]] std::uint64_t bytes_appended() const {
    const std::lock_guard lock(state_->mutex);
    return state_->appended;
  }
  [[nodiscard]] std::uint64_t bytes_read() const {
    const std::lock_guard lock(state_->mutex);
    return state_->read;
  }
  [[nodiscard]] Bytes file(const std::string& path) const {
    const std::lock_guard lock(state_->mutex);
    return state_->files.at(path).bytes;
  }
  [[nodiscard]] std::vector<std::string> names() const {
    const std::lock_guard lock(state_->mutex);
    std::vector<std::string> names;
    for (const auto& [name, file] : state_->files) names.push_back(name);
    return names;
  }
  void set_file(const std::string& path, Bytes bytes) {
    const std::lock_guard lock(state_->mutex);
    state_->files[path] = {.bytes = std::move(bytes), .synced = 0};
    state_->files[path].synced = state_->files[path].bytes.size();
  }
  void flip_bit(const std::string& path, std::size_t byte, unsigned bit = 0) {
    const std::lock_guard lock(state_->mutex);
    auto& target = state_->files.at(path).bytes.at(byte);
    target = static_cast<std::uint8_t>(target ^ (1U << bit));
  }
  void restart_machine() { ++state_->boot[1]; }

  // --- The port. ---

  Status create_directory(const std::string&) override { return {}; }

  Result<std::vector<std::string>> list(const std::string& path) override {
    const std::lock_guard lock(state_->mutex);
    std::vector<std::string> found;
    for (const auto& [name, file] : state_->files) {
      if (name.starts_with(path + "/")) found.push_back(name.substr(path.size() + 1));
    }
    return found;
  }

  Result<std::unique_ptr<AppendFile>> create(const std::string& path) override {
    const std::lock_guard lock(state_->mutex);
    if (state_->creates_fail) return error(ErrorCode::unavailable, "create", path);
    if (state_->files.contains(path)) return error(ErrorCode::conflict, "create", path);
    if (state_->life != 0) state_->files[path] = {};
    return std::make_unique<File>(state_, path);
  }
  Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) override {
    const std::lock_guard lock(state_->mutex);
    if (!state_->files.contains(path)) return error(ErrorCode::not_found, "open", path);
    return std::make_unique<File>(state_, path);
  }
  Result<std::unique_ptr<ReadFile>> open_read(const std::string& path) override {
    const std::lock_guard lock(state_->mutex);
    if (!state_->files.contains(path)) return error(ErrorCode::not_found, "open", path);
    return std::make_unique<Reading>(state_, path);
  }
  Status truncate(const std::string& path, std::uint64_t size) override {
    const std::lock_guard lock(state_->mutex);
    auto& file = state_->files.at(path);
    file.bytes.resize(size);
    file.synced = std::min<std::size_t>(file.synced, size);
    return {};
  }
  Status overwrite(const std::string& path, std::uint64_t offset,
                   std::span<const std::uint8_t> bytes) override {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->files.find(path);
    if (found == state_->files.end()) return error(ErrorCode::not_found, "open", path);
    auto& file = found->second.bytes;
    file.resize(std::max(file.size(), static_cast<std::size_t>(offset) + bytes.size()));
    std::ranges::copy(bytes, file.begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  Status remove(const std::string& path) override {
    const std::lock_guard lock(state_->mutex);
    if (state_->removes_fail) return error(ErrorCode::unavailable, "remove", path);
    state_->files.erase(path);
    return {};
  }
  Status sync_directory(const std::string&) override { return {}; }

  Result<std::unique_ptr<DirectoryLock>> lock(const std::string& path) override {
    const std::lock_guard guard(state_->mutex);
    if (!state_->locks.insert(path).second) return error(ErrorCode::conflict, "lock", path);
    return std::make_unique<Lock>(state_, path);
  }
  void random(std::span<std::uint8_t> to) override {
    const std::lock_guard lock(state_->mutex);
    for (auto& byte : to) byte = static_cast<std::uint8_t>(state_->chance.next());
  }
  std::array<std::uint8_t, 16> machine_boot() override { return state_->boot; }

 private:
  struct FileState {
    Bytes bytes;
    std::size_t synced = 0;
  };
  struct State {
    std::mutex mutex;
    std::map<std::string, FileState> files;
    std::set<std::string> locks;
    Random chance{42};
    std::array<std::uint8_t, 16> boot{1};
    std::uint64_t appended = 0;
    std::uint64_t read = 0;
    bool creates_fail = false;
    bool removes_fail = false;
    std::optional<std::uint64_t> append_budget;
    ErrorCode append_error = ErrorCode::unavailable;
    std::optional<std::uint64_t> life;
    std::size_t append_bytes_max = SIZE_MAX;
    bool syncs_fail = false;
  };

  static std::unexpected<Error> error(ErrorCode code, std::string_view what,
                                      const std::string& path) {
    return fail({code, Fault::us, Retry::later, "cannot " + std::string(what) + " " + path});
  }

  class File final : public AppendFile {
   public:
    File(std::shared_ptr<State> state, std::string path)
        : state_(std::move(state)), path_(std::move(path)) {}

    Result<std::size_t> append(std::span<const std::uint8_t> bytes) override {
      const std::lock_guard lock(state_->mutex);
      std::size_t n = std::min(bytes.size(), state_->append_bytes_max);
      if (state_->append_budget) {
        if (*state_->append_budget == 0) return error(state_->append_error, "write to", path_);
        n = std::min<std::uint64_t>(n, *state_->append_budget);
        *state_->append_budget -= n;
      }
      std::size_t kept = n;
      if (state_->life) {
        kept = std::min<std::uint64_t>(n, *state_->life);
        *state_->life -= kept;
      }
      state_->appended += n;
      if (const auto found = state_->files.find(path_); found != state_->files.end()) {
        auto& file = found->second.bytes;
        file.insert(file.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(kept));
      }
      return n;
    }

    Status sync() override {
      const std::lock_guard lock(state_->mutex);
      if (state_->syncs_fail) return error(ErrorCode::unavailable, "sync", path_);
      if (state_->life && *state_->life == 0) return {};
      if (const auto found = state_->files.find(path_); found != state_->files.end()) {
        found->second.synced = found->second.bytes.size();
      }
      return {};
    }

   private:
    std::shared_ptr<State> state_;
    std::string path_;
  };

  class Reading final : public ReadFile {
   public:
    Reading(std::shared_ptr<State> state, std::string path)
        : state_(std::move(state)), path_(std::move(path)) {}

    Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> to) const override {
      const std::lock_guard lock(state_->mutex);
      const auto found = state_->files.find(path_);
      if (found == state_->files.end() || offset >= found->second.bytes.size()) return 0;
      const auto& file = found->second.bytes;
      const std::size_t n = std::min<std::size_t>(to.size(), file.size() - offset);
      std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(offset), n, to.begin());
      state_->read += n;
      return n;
    }
    [[nodiscard]] Result<std::uint64_t> size() const override {
      const std::lock_guard lock(state_->mutex);
      const auto found = state_->files.find(path_);
      return found == state_->files.end() ? 0 : found->second.bytes.size();
    }

   private:
    std::shared_ptr<State> state_;
    std::string path_;
  };

  class Lock final : public DirectoryLock {
   public:
    Lock(std::shared_ptr<State> state, std::string path)
        : state_(std::move(state)), path_(std::move(path)) {}
    ~Lock() override {
      const std::lock_guard lock(state_->mutex);
      state_->locks.erase(path_);
    }

   private:
    std::shared_ptr<State> state_;
    std::string path_;
  };

  std::shared_ptr<State> state_ = std::make_shared<State>();
};

}  // namespace hanse::journal::testing
