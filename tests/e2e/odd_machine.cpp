// Preloaded into a gateway, makes its machine an odd one: a disk that syncs
// slowly, is full, stands still or fails, a clock that is wrong.
//
//   ODD_SYNC_MILLISECONDS   what each sync takes longer
//   ODD_CLOCK_SECONDS       how far the wall clock is off
//   ODD_FILE_BYTES_MAX      where every file is full
//   ODD_DISK_RULES          a file with rules that may change while it runs
//
// A rule is a line "PREFIX WHAT ERROR MILLISECONDS": what is done to files
// whose path begins with PREFIX waits so long, and then fails with that error
// number, unless it is 0. WHAT is write (truncating and removing too), sync,
// or open (for writing). The first rule that fits counts. A wait ends early
// when its rule is gone. The rule "clock is SECONDS 0" says how much further the
// wall clock is off. The file is written over in place, never replaced.
//
// It asks the kernel itself and waits for nobody: a sanitizer reads the clock
// before it can bear a lock, an allocation or a look-up of a symbol.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

namespace {

long sync_milliseconds = 0;
long clock_seconds = 0;
int rules_file = -1;

long number_from(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : std::strtol(text, nullptr, 10);
}

struct Rule {
  long error = 0;
  long milliseconds = 0;
};

bool takes_word(const char*& at, const char* word, bool prefix_of_word) {
  const std::size_t length = std::strcspn(at, " \n");
  const bool fits = prefix_of_word ? std::strncmp(at, word, length) == 0
                                   : std::strlen(word) == length && !std::strncmp(at, word, length);
  at += length;
  at += *at == ' ';
  return fits;
}

// What the rules say now of doing `what` to the file at `path`.
Rule rule_for(const char* path, const char* what) {
  char text[2048];
  const ssize_t size = syscall(SYS_pread64, rules_file, text, sizeof text - 1, 0);
  text[size > 0 ? size : 0] = 0;
  for (const char* at = text; *at != 0 && *at != '\n';) {
    const bool path_fits = takes_word(at, path, true);
    const bool what_fits = takes_word(at, what, false);
    char* end = nullptr;
    Rule rule;
    rule.error = std::strtol(at, &end, 10);
    rule.milliseconds = std::strtol(end, &end, 10);
    if (path_fits && what_fits) return rule;
    at = end + std::strcspn(end, "\n");
    at += *at == '\n';
  }
  return {};
}

// Waits as the rules say; false, with errno, when they say that it fails.
bool may(const char* what, const char* path) {
  if (rules_file < 0) return true;
  Rule rule = rule_for(path, what);
  const timespec tick{.tv_sec = 0, .tv_nsec = 1'000'000};
  for (long waited = 0; waited < rule.milliseconds; ++waited) {
    syscall(SYS_nanosleep, &tick, nullptr);
    if (waited % 10 == 9) rule = rule_for(path, what);
  }
  if (rule.error == 0) return true;
  errno = static_cast<int>(rule.error);
  return false;
}

bool may(const char* what, int descriptor) {
  if (rules_file < 0) return true;
  // "/proc/self/fd/" and the number, without what may allocate.
  char link[32] = "/proc/self/fd/";
  char digits[12];
  int count = 0;
  for (int rest = descriptor; rest > 0 || count == 0; rest /= 10) {
    digits[count++] = static_cast<char>('0' + rest % 10);
  }
  for (std::size_t at = std::strlen(link); count > 0;) link[at++] = digits[--count];
  char path[4096];
  const ssize_t size = syscall(SYS_readlink, link, path, sizeof path - 1);
  path[size > 0 ? size : 0] = 0;
  return may(what, path);
}

__attribute__((constructor)) void read_environment() {
  sync_milliseconds = number_from("ODD_SYNC_MILLISECONDS");
  clock_seconds = number_from("ODD_CLOCK_SECONDS");
  if (const char* rules = std::getenv("ODD_DISK_RULES")) {
    rules_file = static_cast<int>(syscall(SYS_openat, AT_FDCWD, rules, O_RDONLY | O_CLOEXEC, 0));
  }
}

}  // namespace

__attribute__((constructor)) static void limit_files() {
  const long most = number_from("ODD_FILE_BYTES_MAX");
  if (most == 0) return;
  signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{.rlim_cur = static_cast<rlim_t>(most), .rlim_max = static_cast<rlim_t>(most)};
  setrlimit(RLIMIT_FSIZE, &limit);
}

extern "C" {

ssize_t write(int descriptor, const void* bytes, size_t size) {
  if (!may("write", descriptor)) return -1;
  return syscall(SYS_write, descriptor, bytes, size);
}

ssize_t pwrite(int descriptor, const void* bytes, size_t size, off_t offset) {
  if (!may("write", descriptor)) return -1;
  return syscall(SYS_pwrite64, descriptor, bytes, size, offset);
}

ssize_t pwrite64(int descriptor, const void* bytes, size_t size, off64_t offset) {
  return pwrite(descriptor, bytes, size, offset);
}

int ftruncate(int descriptor, off_t size) noexcept {
  if (!may("write", descriptor)) return -1;
  return static_cast<int>(syscall(SYS_ftruncate, descriptor, size));
}

int ftruncate64(int descriptor, off64_t size) noexcept { return ftruncate(descriptor, size); }

int truncate(const char* path, off_t size) noexcept {
  if (!may("write", path)) return -1;
  return static_cast<int>(syscall(SYS_truncate, path, size));
}

int unlink(const char* path) noexcept {
  if (!may("write", path)) return -1;
  return static_cast<int>(syscall(SYS_unlink, path));
}

int fdatasync(int descriptor) {
  usleep(static_cast<useconds_t>(sync_milliseconds) * 1000);
  if (!may("sync", descriptor)) return -1;
  return static_cast<int>(syscall(SYS_fdatasync, descriptor));
}

int fsync(int descriptor) {
  if (!may("sync", descriptor)) return -1;
  return static_cast<int>(syscall(SYS_fsync, descriptor));
}

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, int) : 0;
  va_end(arguments);
  if ((flags & O_ACCMODE) != O_RDONLY && !may("open", path)) return -1;
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, int) : 0;
  va_end(arguments);
  return open(path, flags, mode);
}

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const int result = static_cast<int>(syscall(SYS_clock_gettime, clock, time));
  if (result == 0 && clock == CLOCK_REALTIME) {
    time->tv_sec += clock_seconds + (rules_file < 0 ? 0 : rule_for("clock", "is").error);
  }
  return result;
}

}  // extern "C"
