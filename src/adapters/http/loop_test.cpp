#include "adapters/http/loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <thread>
#include <vector>

#include "adapters/http/resolver.h"

namespace hanse::http {
namespace {

using ::testing::ElementsAre;

bool never() { return false; }

TEST(Loop, TheWallClockStaysAboveWhatItWasRaisedTo) {
  Loop loop;
  const WallTime ahead = loop.now().wall + seconds(3600);
  loop.raise_wall(ahead);
  EXPECT_EQ(loop.read_clock().wall, ahead);
  loop.raise_wall(ahead + seconds(-7200));
  EXPECT_EQ(loop.read_clock().wall, ahead) << "lower is no raise";
  loop.post([&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(loop.now().wall, ahead) << "a turn reads the clock again";
}

TEST(Loop, TimersFireInTimeAndNeverEarly) {
  Loop loop;
  const auto start = loop.now().monotonic;
  std::vector<int> fired;
  std::vector<Duration> after;
  std::vector<std::unique_ptr<Timer>> timers;
  for (const int wait : {30, 0, 10, 20, 10}) {
    timers.push_back(std::make_unique<Timer>(loop, [&, wait] {
      fired.push_back(wait);
      after.push_back(elapsed(start, loop.read_clock().monotonic));
    }));
    timers.back()->arm(start + milliseconds(wait));
  }
  EXPECT_TRUE(loop.run_until([&] { return fired.size() == 5; }, seconds(10)));
  EXPECT_THAT(fired, ElementsAre(0, 10, 10, 20, 30));
  for (std::size_t i = 0; i < 5; ++i) EXPECT_GE(after[i], milliseconds(fired[i]));
}

TEST(Loop, ATimerMovedLaterFiresLaterAndOnce) {
  Loop loop;
  int fired = 0;
  Timer timer(loop, [&] { ++fired; });
  const auto start = loop.now().monotonic;
  timer.arm(start + milliseconds(5));
  timer.arm(start + milliseconds(40));
  EXPECT_FALSE(loop.run_until([&] { return fired > 0; }, milliseconds(20)));
  EXPECT_TRUE(loop.run_until([&] { return fired > 0; }, seconds(10)));
  EXPECT_GE(elapsed(start, loop.now().monotonic), milliseconds(40));
  EXPECT_FALSE(timer.armed());
  EXPECT_FALSE(loop.run_until([&] { return fired > 1; }, milliseconds(20)));
}

TEST(Loop, ATimerMovedSoonerFiresSooner) {
  Loop loop;
  bool fired = false;
  Timer timer(loop, [&] { fired = true; });
  timer.arm_in(seconds(3600));
  timer.arm_in(milliseconds(5));
  EXPECT_TRUE(loop.run_until([&] { return fired; }, seconds(10)));
}

TEST(Loop, ATimerBeyondTheWheelsRoundWaits) {
  Loop loop;
  bool fired = false;
  Timer timer(loop, [&] { fired = true; });
  timer.arm_in(kForever);
  EXPECT_FALSE(loop.run_until([&] { return fired; }, milliseconds(10)));
  EXPECT_TRUE(timer.armed());
}

TEST(Loop, ACancelledOrDestroyedTimerStaysSilent) {
  Loop loop;
  bool fired = false;
  Timer cancelled(loop, [&] { fired = true; });
  cancelled.arm_in(milliseconds(5));
  cancelled.cancel();
  {
    Timer destroyed(loop, [&] { fired = true; });
    destroyed.arm_in(milliseconds(5));
  }
  EXPECT_FALSE(loop.run_until([&] { return fired; }, milliseconds(20)));
}

TEST(Loop, ATimerMayDestroyItselfAndArmOthers) {
  Loop loop;
  bool second = false;
  Timer other(loop, [&] { second = true; });
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(loop, [&] {
    other.arm_in(milliseconds(1));
    timer.reset();
  });
  timer->arm_in(milliseconds(1));
  EXPECT_TRUE(loop.run_until([&] { return second; }, seconds(10)));
  EXPECT_EQ(timer, nullptr);
}

TEST(Loop, ATimerThatRearmsItselfDoesNotBlockTheLoop) {
  Loop loop;
  std::uint64_t fired = 0;
  std::unique_ptr<Timer> timer;
  timer = std::make_unique<Timer>(loop, [&] {
    ++fired;
    timer->arm(loop.now().monotonic);
  });
  timer->arm_in(Duration(0));
  EXPECT_TRUE(loop.run_until([&] { return fired > 20; }, seconds(30)));
  EXPECT_LE(fired, loop.counters().turns) << "at most once a turn";
}

TEST(Loop, ManyTimersAllFire) {
  Loop loop;
  int fired = 0;
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < 5000; ++i) {
    timers.push_back(std::make_unique<Timer>(loop, [&] { ++fired; }));
    timers.back()->arm_in(microseconds(i * 20));
  }
  EXPECT_TRUE(loop.run_until([&] { return fired == 5000; }, seconds(10)));
}

TEST(Loop, PostedTasksRunInOrderFromAnyThread) {
  Loop loop;
  std::vector<int> seen;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) loop.post([&seen, i] { seen.push_back(i); });
  });
  EXPECT_TRUE(loop.run_until([&] { return seen.size() == 1000; }, seconds(10)));
  other.join();
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(Loop, StopEndsRunFromAnotherThread) {
  Loop loop;
  std::thread other([&] { loop.stop(); });
  loop.run();
  other.join();
}

TEST(Loop, DeferredWorkRunsOnceAndNotInside) {
  Loop loop;
  int ran = 0;
  Deferred deferred(loop, [&] { ++ran; });
  Timer timer(loop, [&] {
    deferred.schedule();
    deferred.schedule();
    EXPECT_EQ(ran, 0);
  });
  timer.arm_in(Duration(0));
  EXPECT_TRUE(loop.run_until([&] { return ran > 0; }, seconds(10)));
  EXPECT_EQ(ran, 1);
}

TEST(Loop, DeferredWorkThatRepeatsLeavesRoomForOthers) {
  Loop loop;
  bool timed = false;
  std::unique_ptr<Deferred> deferred;
  deferred = std::make_unique<Deferred>(loop, [&] { deferred->schedule(); });
  deferred->schedule();
  Timer timer(loop, [&] { timed = true; });
  timer.arm_in(milliseconds(5));
  EXPECT_TRUE(loop.run_until([&] { return timed; }, seconds(10)));
}

TEST(Loop, ATurnEndsAfterItsHandlersAndBeforeTheLoopBlocks) {
  Loop loop({.handlers_per_turn = 8, .turn_time = seconds(1)});
  int pending = 0;
  int turns = 0;
  int most = 0;
  std::vector<std::unique_ptr<Deferred>> work;
  int ran = 0;
  for (int i = 0; i < 100; ++i) {
    work.push_back(std::make_unique<Deferred>(loop, [&] {
      ++pending;
      ++ran;
    }));
    work.back()->schedule();
  }
  loop.set_turn_end([&] {
    most = std::max(most, pending);
    if (pending > 0) ++turns;
    pending = 0;
  });
  EXPECT_TRUE(loop.run_until([&] { return ran == 100; }, seconds(10)));
  EXPECT_EQ(pending, 0) << "the hook has run after the last handler";
  EXPECT_LE(most, 8);
  EXPECT_GE(turns, 13);
}

class EventWatch final : public Watch {
 public:
  EventWatch(Loop& loop, std::function<void()> callback)
      : Watch(loop), callback_(std::move(callback)), event_(eventfd(0, EFD_NONBLOCK)) {
    EXPECT_TRUE(watch(event_).has_value());
  }
  ~EventWatch() override {
    unwatch();
    close(event_);
  }
  void ring() {
    const std::uint64_t one = 1;
    EXPECT_EQ(write(event_, &one, sizeof one), 8);
  }

 private:
  void on_ready(Ready ready) override {
    if (ready.readable) callback_();
  }

  std::function<void()> callback_;
  int event_;
};

// Both are in the same batch of events; the first takes the second away.
TEST(Loop, AWatchDestroyedByAnotherIsNotCalled) {
  Loop loop;
  std::unique_ptr<EventWatch> watches[2];
  int called = 0;
  for (int i = 0; i < 2; ++i) {
    watches[i] = std::make_unique<EventWatch>(loop, [&, i] {
      ++called;
      watches[1 - i].reset();
    });
    watches[i]->ring();
  }
  EXPECT_FALSE(loop.run_until(never, milliseconds(10)));
  EXPECT_EQ(called, 1);
}

TEST(Loop, ASignalReachesItsCallback) {
  Loop loop;
  int hung_up = 0;
  loop.on_signal(SIGHUP, [&] { ++hung_up; });
  std::raise(SIGHUP);
  EXPECT_TRUE(loop.run_until([&] { return hung_up == 1; }, seconds(10)));
  std::raise(SIGHUP);
  EXPECT_TRUE(loop.run_until([&] { return hung_up == 2; }, seconds(10)));
}

TEST(Loop, AnIdleLoopSleeps) {
  Loop loop;
  const auto before = loop.counters().waits;
  EXPECT_FALSE(loop.run_until(never, milliseconds(100)));
  EXPECT_LE(loop.counters().waits - before, 6U);
}

TEST(Loop, ClocksDoNotGoBackwards) {
  Loop loop;
  Instant last = loop.now();
  for (int i = 0; i < 1000; ++i) {
    const Instant next = loop.read_clock();
    EXPECT_GE(next.monotonic, last.monotonic);
    EXPECT_GE(next.wall, last.wall);
    last = next;
  }
}

class Waiter final : public Lookup {
 public:
  std::vector<std::string> told;

 protected:
  void on_resolved(const Result<Addresses>& addresses) override {
    told.push_back(addresses ? addresses->front().host() : "failed");
  }
};

TEST(Resolver, AnAnswerIsSharedKeptAndAskedForAgain) {
  Loop loop({.name_ttl = milliseconds(20)});
  std::atomic<int> asked = 0;
  loop.resolver().set_ask([&](const std::string&) -> Result<Addresses> {
    ++asked;
    return Addresses{Endpoint::loopback(0)};
  });
  Waiter first;
  Waiter second;
  loop.resolver().resolve("a.example", first);
  loop.resolver().resolve("a.example", second);
  EXPECT_TRUE(
      loop.run_until([&] { return second.told.size() + first.told.size() == 2; }, seconds(10)));
  EXPECT_EQ(asked, 1);
  EXPECT_NE(loop.resolver().known("a.example"), nullptr);
  EXPECT_FALSE(loop.run_until(never, milliseconds(30)));
  EXPECT_EQ(loop.resolver().known("a.example"), nullptr);
  loop.resolver().resolve("a.example", first);
  EXPECT_TRUE(loop.run_until([&] { return first.told.size() == 2; }, seconds(10)));
  EXPECT_EQ(asked, 2);
}

TEST(Resolver, AFailureIsToldAndOldAddressesOutliveIt) {
  Loop loop({.name_ttl = milliseconds(5), .name_failure_ttl = milliseconds(5)});
  std::atomic<bool> up = false;
  loop.resolver().set_ask([&](const std::string&) -> Result<Addresses> {
    if (up) return Addresses{Endpoint::loopback(0)};
    return fail({ErrorCode::unavailable, Fault::upstream, Retry::elsewhere, "down"});
  });
  Waiter waiter;
  const auto ask = [&] {
    const auto before = waiter.told.size();
    loop.resolver().resolve("a.example", waiter);
    EXPECT_TRUE(loop.run_until([&] { return waiter.told.size() > before; }, seconds(10)));
    EXPECT_FALSE(loop.run_until(never, milliseconds(10)));
  };
  ask();
  up = true;
  ask();
  up = false;
  ask();
  EXPECT_THAT(waiter.told, ElementsAre("failed", "127.0.0.1", "127.0.0.1"));
}

TEST(Resolver, LiteralAddressesAreKnownAtOnce) {
  Loop loop;
  EXPECT_EQ(loop.resolver().known("127.0.0.1")->front().host(), "127.0.0.1");
  EXPECT_EQ(loop.resolver().known("::1")->front().host(), "::1");
  EXPECT_EQ(loop.resolver().known("localhost.example"), nullptr);
}

TEST(Resolver, AWaiterMayGoBeforeTheAnswer) {
  Loop loop;
  std::atomic<bool> asked = false;
  loop.resolver().set_ask([&](const std::string&) -> Result<Addresses> {
    asked = true;
    return Addresses{Endpoint::loopback(0)};
  });
  {
    Waiter waiter;
    loop.resolver().resolve("a.example", waiter);
  }
  EXPECT_TRUE(
      loop.run_until([&] { return loop.resolver().known("a.example") != nullptr; }, seconds(10)));
}

TEST(Resolver, TheSystemKnowsLocalhost) {
  const auto addresses = ask_system_resolver("localhost");
  ASSERT_TRUE(addresses.has_value());
  EXPECT_TRUE(addresses->front().is_loopback());
  EXPECT_FALSE(ask_system_resolver("no such name").has_value());
}

}  // namespace
}  // namespace hanse::http
