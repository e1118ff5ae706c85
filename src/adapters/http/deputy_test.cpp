#include "adapters/http/deputy.h"

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <thread>
#include <utility>

#include "adapters/http/loop.h"

namespace hanse::http {
namespace {

// Runs `work` aside at the end of the loop's first turn.
void run_with(Loop& loop, const std::function<void()>& work) {
  bool begun = false;
  loop.set_turn_end([&] {
    if (!std::exchange(begun, true)) loop.stand_aside(work);
  });
  loop.post([] {});
  loop.run();
  loop.set_turn_end({});
}

TEST(Deputy, WorkThatIsQuickIsDoneInPlace) {
  Loop loop;
  const auto self = std::this_thread::get_id();
  std::thread::id worked;
  run_with(loop, [&] {
    worked = std::this_thread::get_id();
    loop.stop();
  });
  EXPECT_EQ(worked, self);
}

TEST(Deputy, TheLoopGoesOnWhileItsThreadStandsStill) {
  Loop loop;
  std::promise<std::thread::id> came;
  run_with(loop, [&] {
    loop.post([&] { came.set_value(std::this_thread::get_id()); });
    EXPECT_NE(came.get_future().get(), std::this_thread::get_id());
    loop.stop();
  });
  // Whoever ran that task, the loop is its own thread's again.
  const auto self = std::this_thread::get_id();
  loop.post([&] {
    EXPECT_EQ(std::this_thread::get_id(), self);
    loop.stop();
  });
  loop.run();
}

TEST(Deputy, TimersGoOnToo) {
  Loop loop;
  std::promise<void> rang;
  Timer timer(loop, [&] { rang.set_value(); });
  timer.arm_in(milliseconds(1));
  run_with(loop, [&] {
    rang.get_future().wait();
    loop.stop();
  });
  EXPECT_FALSE(timer.armed());
}

TEST(Deputy, TheTurnEndHookIsToldOfTurnsMeanwhile) {
  Loop loop;
  std::promise<void> told;
  bool begun = false;
  bool meanwhile = false;
  loop.set_turn_end([&] {
    if (begun) {
      if (!std::exchange(meanwhile, true)) told.set_value();
      return;
    }
    begun = true;
    loop.stand_aside([&] {
      told.get_future().wait();
      loop.stop();
    });
  });
  loop.post([] {});
  loop.run();
  EXPECT_TRUE(meanwhile);
}

TEST(Deputy, AStopIsHeededOnlyWhenTheWorkIsDone) {
  Loop loop;
  std::promise<void> stopped;
  bool done = false;
  run_with(loop, [&] {
    loop.post([&] {
      loop.stop();
      stopped.set_value();
    });
    stopped.get_future().wait();
    done = true;
  });
  EXPECT_TRUE(done);
}

// A thread that a sanitizer watches: the loop's things are touched by two.
TEST(Deputy, TheLoopIsHandedOverAndBackManyTimes) {
  Loop loop;
  int turns = 0;
  int works = 0;
  bool aside = false;
  loop.set_turn_end([&] {
    ++turns;
    if (aside) return;
    aside = true;
    loop.stand_aside([&] {
      if (++works >= 20) return loop.stop();
      std::promise<void> ran;
      loop.post([&] { ran.set_value(); });
      ran.get_future().wait();
    });
    aside = false;
    loop.post([] {});
  });
  loop.post([] {});
  loop.run();
  EXPECT_GE(works, 20);
  EXPECT_GT(turns, 20);
}

TEST(Deputy, BeforeTheLoopRunsWorkIsJustDone) {
  Loop loop;
  bool posted = false;
  loop.post([&] { posted = true; });
  bool done = false;
  loop.stand_aside([&] { done = true; });
  EXPECT_TRUE(done);
  EXPECT_FALSE(posted);
}

}  // namespace
}  // namespace hanse::http
