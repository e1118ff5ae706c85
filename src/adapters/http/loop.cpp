#include "adapters/http/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "adapters/http/deputy.h"
#include "adapters/http/head_reader.h"
#include "adapters/http/resolver.h"
#include "adapters/http/timer_wheel.h"
#include "base/check.h"

// The reactor is epoll itself, edge-triggered, one registration for a
// descriptor's whole life. Boost.Asio was the plan; its wait operations call
// epoll_ctl on every wait and keep some 400 bytes a descriptor, which costs
// a streamed event a third system call beside its read and its write.

namespace hanse::http {

namespace {

constexpr int kEventsPerWait = 64;
// No stage of a turn may starve the others.
constexpr std::size_t kStageShare = 4;

std::int64_t read_nanoseconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
}

std::int64_t process_epoch() {
  static const std::int64_t epoch = read_nanoseconds(CLOCK_MONOTONIC);
  return epoch;
}

MonotonicTime read_monotonic() {
  return MonotonicTime(read_nanoseconds(CLOCK_MONOTONIC) - process_epoch());
}

// Rounded up, so that a timer is due when the wait is over.
int wait_milliseconds(Duration wait) {
  if (wait == kForever) return -1;
  constexpr std::int64_t kMost = 1'000'000;
  return static_cast<int>(std::min((wait.count() + 999'999) / 1'000'000, kMost));
}

// Signal handlers may only touch these.
volatile std::sig_atomic_t signal_seen[NSIG] = {};
volatile std::sig_atomic_t signal_wakes[NSIG] = {};

void note_signal(int signal) {
  const int saved = errno;
  signal_seen[signal] = 1;
  const std::uint64_t one = 1;
  if (signal_wakes[signal] > 0) {
    [[maybe_unused]] const auto written = write(signal_wakes[signal], &one, sizeof one);
  }
  errno = saved;
}

}  // namespace

struct Loop::Reactor {
  int epoll = -1;
  int wake = -1;
  std::array<epoll_event, kEventsPerWait> events{};
  int event_count = 0;
  int event_next = 0;

  std::mutex mutex;
  std::vector<std::function<void()>> posted;  // guarded by mutex
  bool stopping = false;                      // guarded by mutex
  bool stopped = false;
  std::vector<std::function<void()>> taken;
  std::size_t taken_next = 0;

  Deferred* first_deferred = nullptr;
  Deferred* last_deferred = nullptr;

  std::map<int, std::function<void()>> signals;
  bool rung = false;

  void ring() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = write(wake, &one, sizeof one);
  }

  void answer_bell();
  void unlink(Deferred& deferred);
  std::size_t run_posted(std::size_t most);
  std::size_t run_deferred(std::size_t most);
  [[nodiscard]] bool has_work() const {
    return event_next < event_count || taken_next < taken.size() || rung ||
           first_deferred != nullptr;
  }
};

void Loop::Reactor::answer_bell() {
  std::uint64_t rings = 0;
  [[maybe_unused]] const auto got = read(wake, &rings, sizeof rings);
  rung = true;
  for (const auto& [signal, callback] : signals) {
    if (signal_seen[signal] == 0) continue;
    signal_seen[signal] = 0;
    callback();
  }
}

void Loop::Reactor::unlink(Deferred& deferred) {
  (deferred.previous_ != nullptr ? deferred.previous_->next_ : first_deferred) = deferred.next_;
  (deferred.next_ != nullptr ? deferred.next_->previous_ : last_deferred) = deferred.previous_;
  deferred.next_ = deferred.previous_ = nullptr;
  deferred.scheduled_ = false;
}

std::size_t Loop::Reactor::run_posted(std::size_t most) {
  if (rung && taken_next == taken.size()) {
    rung = false;
    taken.clear();
    taken_next = 0;
    const std::lock_guard lock(mutex);
    taken.swap(posted);
    stopped = stopped || stopping;
    stopping = false;
  }
  std::size_t ran = 0;
  for (; ran < most && taken_next < taken.size(); ++ran) {
    const auto task = std::move(taken[taken_next++]);
    task();
  }
  return ran;
}

std::size_t Loop::Reactor::run_deferred(std::size_t most) {
  // Only what was scheduled before: who schedules itself again must not keep
  // the turn busy.
  const Deferred* const last = last_deferred;
  std::size_t ran = 0;
  while (ran < most && first_deferred != nullptr) {
    Deferred& deferred = *first_deferred;
    const bool was_last = &deferred == last;
    unlink(deferred);
    ++ran;
    deferred.callback_();
    if (was_last) break;
  }
  return ran;
}

Loop::Loop(LoopOptions options)
    : options_(options),
      buffers_(options.buffers),
      heads_(std::make_unique<HeadPool>(buffers_)),
      scratch_bytes_(options.scratch_bytes),
      read_scratch_(new char[options.scratch_bytes]),
      write_scratch_(new char[options.scratch_bytes]),
      reactor_(std::make_unique<Reactor>()) {
  std::signal(SIGPIPE, SIG_IGN);
  process_epoch();
  now_ = read_clock();
  wheel_ = std::make_unique<TimerWheel>(now_.monotonic);
  reactor_->epoll = epoll_create1(EPOLL_CLOEXEC);
  reactor_->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  HANSE_CHECK(reactor_->epoll >= 0 && reactor_->wake >= 0);
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
  HANSE_CHECK(epoll_ctl(reactor_->epoll, EPOLL_CTL_ADD, reactor_->wake, &event) == 0);
  resolver_ = std::make_unique<Resolver>(*this, options.name_ttl, options.name_failure_ttl);
}

Loop::~Loop() {
  deputy_.reset();
  resolver_.reset();
  for (const auto& [signal, callback] : reactor_->signals) {
    std::signal(signal, SIG_DFL);
    signal_wakes[signal] = 0;
  }
  // Tasks may own what refers to the loop.
  reactor_->posted.clear();
  reactor_->taken.clear();
  close(reactor_->wake);
  close(reactor_->epoll);
}

Instant Loop::read_clock() {
  const WallTime wall(read_nanoseconds(CLOCK_REALTIME));
  return {.monotonic = read_monotonic(), .wall = wall < now_.wall ? now_.wall : wall};
}

void Loop::raise_wall(WallTime least) { now_.wall = std::max(now_.wall, least); }

void Loop::run() {
  running_ = true;
  while (!reactor_->stopped) turn();
  reactor_->stopped = false;
  running_ = false;
}

bool Loop::run_until(const std::function<bool()>& done, Duration limit) {
  bool late = false;
  Timer alarm(*this, [&late] { late = true; });
  alarm.arm(read_monotonic() + limit);
  while (!done()) {
    if (late || std::exchange(reactor_->stopped, false)) return done();
    turn();
  }
  return true;
}

void Loop::stop() {
  {
    const std::lock_guard lock(reactor_->mutex);
    reactor_->stopping = true;
  }
  reactor_->ring();
}

void Loop::post(std::function<void()> task) {
  bool first = false;
  {
    const std::lock_guard lock(reactor_->mutex);
    first = reactor_->posted.empty();
    reactor_->posted.push_back(std::move(task));
  }
  if (first) reactor_->ring();
}

void Loop::stand_aside(const std::function<void()>& work) {
  if (!running_) return work();
  if (deputy_ == nullptr) {
    const auto turn_of_deputy = [this] {
      if (!reactor_->stopped) turn();
      return !reactor_->stopped;
    };
    deputy_ = std::make_unique<Deputy>(turn_of_deputy, [this] { reactor_->ring(); });
  }
  deputy_->cover(work);
}

void Loop::set_turn_end(std::function<void()> hook) { turn_end_ = std::move(hook); }

void Loop::on_signal(int signal, std::function<void()> callback) {
  HANSE_CHECK(signal > 0 && signal < NSIG);
  reactor_->signals[signal] = std::move(callback);
  signal_wakes[signal] = reactor_->wake;
  struct sigaction action{};
  action.sa_handler = note_signal;
  action.sa_flags = SA_RESTART;
  HANSE_CHECK(sigaction(signal, &action, nullptr) == 0);
}

// How long the loop may sleep.
Duration Loop::wait_time() const {
  if (reactor_->has_work()) return Duration(0);
  const auto visit = wheel_->next_visit();
  if (!visit) return kForever;
  const auto now = read_monotonic();
  return *visit <= now ? Duration(0) : elapsed(now, *visit);
}

bool Loop::turn_is_full(std::size_t handlers) const {
  return handlers >= options_.handlers_per_turn ||
         elapsed(now_.monotonic, read_monotonic()) >= options_.turn_time;
}

void Loop::turn() {
  Reactor& reactor = *reactor_;
  if (reactor.event_next >= reactor.event_count) {
    ++counters_.waits;
    const int got = epoll_wait(reactor.epoll, reactor.events.data(), kEventsPerWait,
                               wait_milliseconds(wait_time()));
    HANSE_CHECK(got >= 0 || errno == EINTR);
    reactor.event_count = got > 0 ? got : 0;
    reactor.event_next = 0;
  }
  now_ = read_clock();
  ++counters_.turns;

  const std::size_t share = std::max<std::size_t>(options_.handlers_per_turn / kStageShare, 1);
  std::size_t handlers = wheel_->expire(now_.monotonic, share);
  handlers += run_events(handlers);
  handlers += reactor.run_posted(share);
  handlers += reactor.run_deferred(options_.handlers_per_turn);
  counters_.handlers += handlers;
  if (handlers > 0 && turn_end_) turn_end_();
}

std::size_t Loop::run_events(std::size_t handlers_before) {
  Reactor& reactor = *reactor_;
  std::size_t ran = 0;
  while (reactor.event_next < reactor.event_count) {
    if (ran > 0 && turn_is_full(handlers_before + ran)) break;
    const epoll_event event = reactor.events[static_cast<std::size_t>(reactor.event_next++)];
    if (event.data.ptr == this) continue;  // unwatched since it was fetched
    ++ran;
    if (event.data.ptr == nullptr) {
      reactor.answer_bell();
      continue;
    }
    const std::uint32_t bits = event.events;
    const bool broken = (bits & (EPOLLERR | EPOLLHUP)) != 0;
    static_cast<Watch*>(event.data.ptr)
        ->on_ready({.readable = broken || (bits & (EPOLLIN | EPOLLRDHUP)) != 0,
                    .writable = broken || (bits & EPOLLOUT) != 0,
                    .peer_closed = (bits & (EPOLLRDHUP | EPOLLHUP)) != 0,
                    .broken = broken});
  }
  return ran;
}

Timer::Timer(Loop& loop, Callback callback) : loop_(loop), callback_(std::move(callback)) {}

Timer::~Timer() { loop_.wheel_->unlink(*this); }

void Timer::arm(MonotonicTime deadline) { loop_.wheel_->arm(*this, deadline); }

void Timer::arm_in(Duration wait) {
  arm(wait >= kForever ? MonotonicTime(kForever.count()) : loop_.now().monotonic + wait);
}

void Timer::cancel() { armed_ = false; }

Deferred::Deferred(Loop& loop, std::function<void()> callback)
    : loop_(loop), callback_(std::move(callback)) {}

Deferred::~Deferred() { cancel(); }

void Deferred::schedule() {
  if (scheduled_) return;
  scheduled_ = true;
  Loop::Reactor& reactor = *loop_.reactor_;
  previous_ = reactor.last_deferred;
  (previous_ != nullptr ? previous_->next_ : reactor.first_deferred) = this;
  reactor.last_deferred = this;
}

void Deferred::cancel() {
  if (scheduled_) loop_.reactor_->unlink(*this);
}

Status Watch::watch(int descriptor) {
  HANSE_CHECK(descriptor_ < 0);
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = this}};
  if (epoll_ctl(loop_.reactor_->epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) {
    return fail({ErrorCode::at_capacity, Fault::us, Retry::later,
                 fmt::format("the kernel will not watch a descriptor: {}", std::strerror(errno))});
  }
  descriptor_ = descriptor;
  return {};
}

void Watch::unwatch() {
  if (descriptor_ < 0) return;
  epoll_ctl(loop_.reactor_->epoll, EPOLL_CTL_DEL, descriptor_, nullptr);
  descriptor_ = -1;
  Loop::Reactor& reactor = *loop_.reactor_;
  for (int i = reactor.event_next; i < reactor.event_count; ++i) {
    auto& event = reactor.events[static_cast<std::size_t>(i)];
    if (event.data.ptr == this) event.data.ptr = &loop_;  // nobody
  }
}

}  // namespace hanse::http
