// Counts the allocations of the process it is preloaded into, per thread, in
// a file that bench/run.py looks at meanwhile:
//
//   HANSE_ALLOCATIONS=FILE LD_PRELOAD=count_allocations.so hanse serve ...
//
// While the file says so, the callers of the main thread's allocations are
// kept as well.
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>
#include <unwind.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

extern "C" {
extern void* __libc_malloc(std::size_t);
extern void* __libc_calloc(std::size_t, std::size_t);
extern void* __libc_realloc(void*, std::size_t);
extern void* __libc_memalign(std::size_t, std::size_t);
}

namespace {

constexpr std::size_t kThreads = 64;
constexpr std::size_t kSites = 4'096;
constexpr std::size_t kFrames = 14;

// The file. bench/run.py knows this layout.
struct Thread {
  std::atomic<std::uint64_t> id;
  std::atomic<std::uint64_t> allocations;
};
struct Site {
  std::uint64_t count;
  std::array<std::uint64_t, kFrames> callers;
};
struct Board {
  std::atomic<std::uint64_t> keeps_callers;
  std::atomic<std::uint64_t> threads_used;
  std::array<Thread, kThreads> threads;
  std::array<Site, kSites> sites;  // by a hash of the callers; of the main thread
};

Board* board = nullptr;
__attribute__((tls_model("initial-exec"))) thread_local Thread* mine = nullptr;
__attribute__((tls_model("initial-exec"))) thread_local bool walking = false;

__attribute__((constructor)) void open_board() {
  const char* file = std::getenv("HANSE_ALLOCATIONS");
  if (file == nullptr) return;
  const int descriptor = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0 || ftruncate(descriptor, sizeof(Board)) != 0) std::abort();
  void* mapped = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  close(descriptor);
  if (mapped != MAP_FAILED) board = static_cast<Board*>(mapped);
}

struct Walk {
  std::array<std::uint64_t, kFrames> callers{};
  std::size_t found = 0;
};

_Unwind_Reason_Code step(_Unwind_Context* context, void* argument) {
  // Its own two functions are not told: keep_callers() and the allocation.
  constexpr std::size_t kOwn = 2;
  Walk& walk = *static_cast<Walk*>(argument);
  if (walk.found >= kOwn) walk.callers[walk.found - kOwn] = _Unwind_GetIP(context);
  return ++walk.found < kFrames + kOwn ? _URC_NO_REASON : _URC_END_OF_STACK;
}

__attribute__((noinline)) void keep_callers() {
  Walk walk;
  walking = true;  // the unwinder may allocate
  _Unwind_Backtrace(step, &walk);
  walking = false;
  std::uint64_t hash = 0;
  for (const std::uint64_t caller : walk.callers) hash = (hash ^ caller) * 1'099'511'628'211U;
  for (std::size_t tries = 0; tries < kSites; ++tries) {
    Site& site = board->sites[((hash >> 32U) + tries) % kSites];
    if (site.count != 0 && site.callers != walk.callers) continue;
    site.callers = walk.callers;
    ++site.count;
    return;
  }
}

// Inlined, so that an allocation function calls keep_callers() itself.
__attribute__((always_inline)) inline void count() {
  if (board == nullptr || walking) return;
  if (mine == nullptr) {
    const std::uint64_t at = board->threads_used.fetch_add(1);
    if (at >= kThreads) std::abort();
    mine = &board->threads[at];
    mine->id = static_cast<std::uint64_t>(gettid());
  }
  mine->allocations.fetch_add(1, std::memory_order_relaxed);
  if (board->keeps_callers.load(std::memory_order_relaxed) == 0) return;
  if (mine->id == static_cast<std::uint64_t>(getpid())) keep_callers();
}

}  // namespace

extern "C" {

void* malloc(std::size_t size) {
  count();
  return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) {
  count();
  return __libc_calloc(number, size);
}
void* realloc(void* memory, std::size_t size) {
  count();
  return __libc_realloc(memory, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  count();
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}

}  // extern "C"

// Instead of the library's, which has no frame pointers.
void* operator new(std::size_t size) {
  count();
  if (void* memory = __libc_malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void* operator new[](std::size_t size) {
  count();
  if (void* memory = __libc_malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
