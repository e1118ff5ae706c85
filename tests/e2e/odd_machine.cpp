// Preloaded into a gateway, makes its machine an odd one: a disk that syncs
// slowly or is full, a clock that is wrong.
//
//   ODD_SYNC_MILLISECONDS   what each sync takes longer
//   ODD_CLOCK_SECONDS       how far the wall clock is off
//   ODD_FILE_BYTES_MAX      where every file is full
//
// It asks the kernel itself and waits for nobody: a sanitizer reads the clock
// before it can bear a lock, an allocation or a look-up of a symbol.
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

namespace {

long sync_milliseconds = 0;
long clock_seconds = 0;

long number_from(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : std::strtol(text, nullptr, 10);
}

__attribute__((constructor)) void read_environment() {
  sync_milliseconds = number_from("ODD_SYNC_MILLISECONDS");
  clock_seconds = number_from("ODD_CLOCK_SECONDS");
}

}  // namespace

__attribute__((constructor)) static void limit_files() {
  const long most = number_from("ODD_FILE_BYTES_MAX");
  if (most == 0) return;
  signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{.rlim_cur = static_cast<rlim_t>(most), .rlim_max = static_cast<rlim_t>(most)};
  setrlimit(RLIMIT_FSIZE, &limit);
}

extern "C" int fdatasync(int descriptor) {
  usleep(static_cast<useconds_t>(sync_milliseconds) * 1000);
  return static_cast<int>(syscall(SYS_fdatasync, descriptor));
}

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const int result = static_cast<int>(syscall(SYS_clock_gettime, clock, time));
  if (result == 0 && clock == CLOCK_REALTIME) time->tv_sec += clock_seconds;
  return result;
}
