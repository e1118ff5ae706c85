#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "adapters/journal/disk.h"
#include "base/check.h"

namespace hanse::journal {
namespace {

ErrorCode code_of(int error) {
  switch (error) {
    case ENOENT: return ErrorCode::not_found;
    case EEXIST:
    case EWOULDBLOCK: return ErrorCode::conflict;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ErrorCode::at_capacity;
    default: return ErrorCode::unavailable;
  }
}

std::unexpected<Error> failed(std::string_view what, const std::string& path, int error = errno) {
  return fail(
      {code_of(error), Fault::us, Retry::later,
       fmt::format("cannot {} {}: {}", what, path, std::generic_category().message(error))});
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

class PosixAppendFile final : public AppendFile {
 public:
  PosixAppendFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<std::size_t> append(std::span<const std::uint8_t> bytes) override {
    if (bytes.empty()) return 0;
    for (;;) {
      const ssize_t n = ::write(fd_.get(), bytes.data(), bytes.size());
      if (n > 0) return static_cast<std::size_t>(n);
      if (n == 0) return failed("write to", path_, EIO);
      if (errno != EINTR) return failed("write to", path_);
    }
  }

  Status sync() override {
    if (::fdatasync(fd_.get()) != 0) return failed("sync", path_);
    return {};
  }

 private:
  Descriptor fd_;
  std::string path_;
};

class PosixReadFile final : public ReadFile {
 public:
  PosixReadFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Result<std::size_t> read(std::uint64_t offset, std::span<std::uint8_t> to) const override {
    for (;;) {
      const ssize_t n = ::pread(fd_.get(), to.data(), to.size(), static_cast<off_t>(offset));
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno != EINTR) return failed("read", path_);
    }
  }

  [[nodiscard]] Result<std::uint64_t> size() const override {
    struct stat status{};
    if (::fstat(fd_.get(), &status) != 0) return failed("look at", path_);
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  Descriptor fd_;
  std::string path_;
};

class PosixLock final : public DirectoryLock {
 public:
  explicit PosixLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  Descriptor fd_;
};

class PosixDisk final : public Disk {
 public:
  Status create_directory(const std::string& path) override {
    std::error_code error;
    std::filesystem::create_directories(path, error);
    if (error) return failed("create the directory", path, error.value());
    return {};
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    std::vector<std::string> names;
    std::error_code error;
    for (std::filesystem::directory_iterator it(path, error), end; !error && it != end;
         it.increment(error)) {
      names.push_back(it->path().filename().string());
    }
    if (error) return failed("list", path, error.value());
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<std::unique_ptr<AppendFile>> create(const std::string& path) override {
    return open_for_append(path, O_CREAT | O_EXCL);
  }
  Result<std::unique_ptr<AppendFile>> open_append(const std::string& path) override {
    return open_for_append(path, 0);
  }

  Result<std::unique_ptr<ReadFile>> open_read(const std::string& path) override {
    Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) return failed("open", path);
    return std::make_unique<PosixReadFile>(std::move(fd), path);
  }

  Status truncate(const std::string& path, std::uint64_t size) override {
    if (::truncate(path.c_str(), static_cast<off_t>(size)) != 0) return failed("truncate", path);
    return {};
  }

  Status overwrite(const std::string& path, std::uint64_t offset,
                   std::span<const std::uint8_t> bytes) override {
    const Descriptor fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (fd.get() < 0) return failed("open", path);
    while (!bytes.empty()) {
      const ssize_t n = ::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return failed("overwrite", path);
      bytes = bytes.subspan(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
    if (::fdatasync(fd.get()) != 0) return failed("sync", path);
    return {};
  }

  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return failed("remove", path);
    return {};
  }

  Status sync_directory(const std::string& path) override {
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() < 0) return failed("open", path);
    if (::fsync(fd.get()) != 0) return failed("sync", path);
    return {};
  }

  Result<std::unique_ptr<DirectoryLock>> lock(const std::string& path) override {
    Descriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (fd.get() < 0) return failed("open", path);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return failed("lock", path);
      return fail({ErrorCode::conflict, Fault::us, Retry::later,
                   fmt::format("{} is locked: another process has this journal open", path)});
    }
    return std::make_unique<PosixLock>(std::move(fd));
  }

  void random(std::span<std::uint8_t> to) override {
    while (!to.empty()) {
      const ssize_t n = ::getrandom(to.data(), to.size(), 0);
      if (n < 0 && errno == EINTR) continue;
      HANSE_CHECK(n > 0);
      to = to.subspan(static_cast<std::size_t>(n));
    }
  }

  std::array<std::uint8_t, 16> machine_boot() override {
    // Linux prints a UUID; any other answer is as good as none.
    std::array<std::uint8_t, 16> id{};
    const Descriptor fd(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
    if (fd.get() < 0) return id;
    std::array<char, 36> text{};
    if (::read(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return id;
    std::size_t digits = 0;
    for (const char c : text) {
      const int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
      if (value < 0 || digits == 32) continue;
      id[digits / 2] = static_cast<std::uint8_t>(id[digits / 2] * 16 + value);
      ++digits;
    }
    return id;
  }

 private:
  static Result<std::unique_ptr<AppendFile>> open_for_append(const std::string& path, int flags) {
    Descriptor fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0600));
    if (fd.get() < 0) return failed("open", path);
    return std::make_unique<PosixAppendFile>(std::move(fd), path);
  }
};

}  // namespace

std::unique_ptr<Disk> posix_disk() { return std::make_unique<PosixDisk>(); }

}  // namespace hanse::journal
