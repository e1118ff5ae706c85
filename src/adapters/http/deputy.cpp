#include "adapters/http/deputy.h"

#include <pthread.h>

#include <chrono>
#include <utility>

namespace hanse::http {
namespace {

// Work that is seen at two looks stands still.
constexpr std::chrono::milliseconds kBetweenLooks(10);

// Looks without any work until it goes to sleep.
constexpr int kIdleLooksMax = 10;

}  // namespace

Deputy::Deputy(std::function<bool()> turn, std::function<void()> ring)
    : turn_(std::move(turn)), ring_(std::move(ring)), thread_([this] { look(); }) {}

Deputy::~Deputy() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Deputy::cover(const std::function<void()>& work) {
  // Sequentially consistent with the deputy, which says that it sleeps before
  // it looks at works_ a last time.
  works_.fetch_add(1);
  state_.store(State::aside);
  if (asleep_.load()) {
    {
      const std::lock_guard lock(mutex_);
    }
    wake_.notify_one();
  }
  work();
  State expected = State::aside;
  if (state_.compare_exchange_strong(expected, State::own)) return;
  {
    const std::lock_guard lock(mutex_);
    done_.store(true);
  }
  ring_();
  back_.notify_all();
  std::unique_lock lock(mutex_);
  back_.wait(lock, [this] { return state_.load() == State::own; });
}

void Deputy::look() {
  pthread_setname_np(pthread_self(), "loop-deputy");
  std::unique_lock lock(mutex_);
  std::uint64_t seen = 0;
  while (!stop_) {
    asleep_.store(true);
    wake_.wait(lock, [&] { return stop_ || works_.load() != seen; });
    asleep_.store(false);
    for (int idle = 0; !stop_ && idle < kIdleLooksMax; ++idle) {
      seen = works_.load();
      wake_.wait_for(lock, kBetweenLooks, [this] { return stop_; });
      const bool same = works_.load() == seen;
      const bool stands = same && state_.load() == State::aside;
      if (stands) take_over(lock);
      if (stands || !same) idle = -1;
    }
  }
}

void Deputy::take_over(std::unique_lock<std::mutex>& lock) {
  State expected = State::aside;
  if (!state_.compare_exchange_strong(expected, State::taken)) return;
  lock.unlock();
  ring_();  // so that the first turn does not wait
  while (!done_.load() && turn_()) {
  }
  lock.lock();
  back_.wait(lock, [this] { return done_.load(); });
  done_.store(false);
  state_.store(State::own);
  back_.notify_all();
}

}  // namespace hanse::http
