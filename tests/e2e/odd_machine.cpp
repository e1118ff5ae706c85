// Preloaded into a gateway, makes its machine an odd one: a disk that syncs
// slowly or is full, a clock that is wrong.
//
//   ODD_SYNC_MILLISECONDS   what each sync takes longer
//   ODD_CLOCK_SECONDS       how far the wall clock is off
//   ODD_FILE_BYTES_MAX      where every file is full
#include <dlfcn.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>

namespace {

long number_from(const char* name) {
  const char* text = std::getenv(name);
  return text == nullptr ? 0 : std::strtol(text, nullptr, 10);
}

template <typename Function>
Function next_one(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
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
  static const auto real = next_one<int (*)(int)>("fdatasync");
  static const long wait = number_from("ODD_SYNC_MILLISECONDS");
  usleep(static_cast<useconds_t>(wait) * 1000);
  return real(descriptor);
}

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  static const auto real = next_one<int (*)(clockid_t, timespec*)>("clock_gettime");
  static const long offset = number_from("ODD_CLOCK_SECONDS");
  const int result = real(clock, time);
  if (result == 0 && clock == CLOCK_REALTIME) time->tv_sec += offset;
  return result;
}
