// src/adapters/http/loop.h
// The event loop of a shard: descriptors, timers, other threads' messages,
// signals and names, on one thread.
//
// What the loop runs comes in *turns*: at most `handlers_per_turn` handlers or
// `turn_time`, then what these deferred, then the turn-end hook. A shard writes its journal in that
// hook and only then releases what waited for it, so that many decisions share one write and none
// waits long. The loop never blocks before the hook has run.
//
// Everything but post() and stop() belongs to the thread that calls run(), or,
// while that one stands aside, to the one that runs turns in its place.
// Objects made for a loop (timers, watches, servers, pools) go before it does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "adapters/http/buffer.h"
#include "base/result.h"
#include "base/time.h"

namespace hanse::http {

class Deputy;
class HeadPool;
class Loop;
class Resolver;
class TimerWheel;

struct LoopOptions {
  std::size_t handlers_per_turn = 64;
  Duration turn_time = microseconds(200);
  // One read takes at most this much; the buffer is shared by all descriptors.
  std::size_t scratch_bytes = std::size_t{64} << 10U;
  // The budget for everything kept on behalf of peers.
  BufferPoolOptions buffers{};
  // How long a looked-up name is believed; the resolver says no time to live.
  Duration name_ttl = seconds(30);
  Duration name_failure_ttl = seconds(1);
};

// A deadline. The callback runs once, at or up to about 3 ms after the
// deadline, never before. Re-arming to a later time costs a store: the wheel
// finds out when the old time comes. Safe to re-arm, cancel or destroy in the
// callback.
class Timer {
 public:
  using Callback = std::function<void()>;

  Timer(Loop& loop, Callback callback);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void arm(MonotonicTime deadline);
  void arm_in(Duration wait);
  void cancel();
  [[nodiscard]] bool armed() const { return armed_; }
  // Requires: armed.
  [[nodiscard]] MonotonicTime deadline() const { return deadline_; }

 private:
  friend class TimerWheel;

  Loop& loop_;
  Callback callback_;
  MonotonicTime deadline_;
  std::uint64_t tick_ = 0;  // the wheel's slot this hangs in
  Timer* next_ = nullptr;
  Timer** previous_next_ = nullptr;  // null when in no slot
  bool armed_ = false;
};

// Work to do soon on the same thread, outside the present call: in this turn
// if it still has room, else in the next. Scheduling allocates nothing and
// twice is once. Safe to destroy in the callback.
class Deferred {
 public:
  Deferred(Loop& loop, std::function<void()> callback);
  ~Deferred();
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;

  void schedule();
  void cancel();
  [[nodiscard]] bool scheduled() const { return scheduled_; }

 private:
  friend class Loop;

  Loop& loop_;
  std::function<void()> callback_;
  Deferred* next_ = nullptr;
  Deferred* previous_ = nullptr;
  bool scheduled_ = false;
};

// One descriptor under the loop's eye, edge-triggered: on_ready() is called
// when it *becomes* ready, so whoever is told must read or write until the
// socket refuses, or remember that it has not. Does not own the descriptor.
class Watch {
 public:
  struct Ready {
    bool readable = false;
    bool writable = false;
    bool peer_closed = false;  // the peer will send no more (FIN)
    bool broken = false;       // reset, or an error is pending
  };

  explicit Watch(Loop& loop) : loop_(loop) {}
  virtual ~Watch() { unwatch(); }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 protected:
  virtual void on_ready(Ready ready) = 0;

  // Requires: `descriptor` is non-blocking and this watches nothing yet.
  Status watch(int descriptor);
  // No on_ready() after this, also not for events already fetched. Call it
  // before the descriptor is closed.
  void unwatch();
  [[nodiscard]] Loop& loop() const { return loop_; }

 private:
  friend class Loop;

  Loop& loop_;
  int descriptor_ = -1;
};

class Loop {
 public:
  explicit Loop(LoopOptions options = {});
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until stop(). May be called again afterwards.
  void run();
  // Runs until `done` holds (asked after each turn) or `limit` has passed;
  // says whether it holds. For tests and for start-up.
  bool run_until(const std::function<bool()>& done, Duration limit);
  // From any thread: run() returns after the present turn.
  void stop();
  // From any thread: runs `task` on the loop's thread. Tasks of one thread
  // keep their order.
  void post(std::function<void()> task);

  // Called after each turn that ran anything, before the loop may block.
  void set_turn_end(std::function<void()> hook);

  // Runs `work`, which may stand still in a system call. When it does, another
  // thread runs turns, hook and all, until it comes back (deputy.h).
  // Requires: called by the turn-end hook, but not in one of those turns.
  void stand_aside(const std::function<void()>& work);

  // Both clocks, read once per turn; the wall clock never goes backwards.
  // The monotonic clock counts from the first loop of this process.
  [[nodiscard]] Instant now() const { return now_; }
  // From here on the wall clock says at least this: whoever wrote times down
  // before must not write earlier ones after them.
  void raise_wall(WallTime least);
  // The clocks now, for measuring inside a turn.
  Instant read_clock();

  // Calls `callback` on the loop's thread when the process gets `signal`.
  // One loop of a process owns a signal; SIGPIPE is always ignored.
  void on_signal(int signal, std::function<void()> callback);

  [[nodiscard]] Resolver& resolver() { return *resolver_; }
  [[nodiscard]] BufferPool& buffers() { return buffers_; }
  [[nodiscard]] HeadPool& heads() { return *heads_; }
  // For one read, or for gathering one write; nothing in them survives the
  // handler that filled them.
  [[nodiscard]] std::span<char> read_scratch() { return {read_scratch_.get(), scratch_bytes_}; }
  [[nodiscard]] std::span<char> write_scratch() { return {write_scratch_.get(), scratch_bytes_}; }

  struct Counters {
    std::uint64_t turns = 0;
    std::uint64_t handlers = 0;
    std::uint64_t waits = 0;  // times the loop asked the kernel
  };
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  friend class Timer;
  friend class Deferred;
  friend class Watch;
  struct Reactor;

  void turn();
  std::size_t run_events(std::size_t handlers_before);
  [[nodiscard]] bool turn_is_full(std::size_t handlers) const;
  Duration wait_time() const;

  LoopOptions options_;
  BufferPool buffers_;
  std::unique_ptr<HeadPool> heads_;
  std::size_t scratch_bytes_;
  std::unique_ptr<char[]> read_scratch_;
  std::unique_ptr<char[]> write_scratch_;
  std::unique_ptr<TimerWheel> wheel_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<Resolver> resolver_;
  std::function<void()> turn_end_;
  Instant now_;
  Counters counters_;
  bool running_ = false;
  std::unique_ptr<Deputy> deputy_;  // once somebody has stood aside
};

}  // namespace hanse::http
