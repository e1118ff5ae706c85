// src/adapters/http/deputy.h
// Runs a loop while the loop's own thread stands still in a system call, such
// as a write to a disk that does not answer.
//
// To hand each such call to another thread would cost it two wake-ups, several
// times what the call itself costs. So it is made in place, between two stores,
// and a second thread looks now and then whether it has come back. If not, that
// thread runs the loop's turns until it has. One thread runs the loop at any
// moment, and what one has done the other sees: nothing that belongs to the
// loop needs a lock.
//
// The deputy looks while there is something to look at, and sleeps otherwise.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace hanse::http {

class Deputy {
 public:
  // `turn` runs one turn of the loop, and may wait for something to happen;
  // false when the loop is to run no more. `ring` ends such a wait, or the next
  // one; any thread calls it.
  Deputy(std::function<bool()> turn, std::function<void()> ring);
  // Requires: no work is being covered.
  ~Deputy();
  Deputy(const Deputy&) = delete;
  Deputy& operator=(const Deputy&) = delete;

  // Runs `work` on this thread, which is the loop's and is so again afterwards.
  // When work takes longer than some 20 ms, turns are run meanwhile.
  // Requires: neither `work` nor those turns call this.
  void cover(const std::function<void()>& work);

 private:
  enum class State : std::uint8_t {
    own,    // the loop's thread has the loop
    aside,  // it is in `work`; the deputy may take the loop
    taken,  // the deputy has it
  };

  void look();
  void take_over(std::unique_lock<std::mutex>& lock);

  std::function<bool()> turn_;
  std::function<void()> ring_;

  std::atomic<State> state_{State::own};
  std::atomic<std::uint64_t> works_{0};  // begun
  std::atomic<bool> asleep_{false};
  std::atomic<bool> done_{false};  // the work that it was taken for

  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable back_;
  bool stop_ = false;

  std::thread thread_;
};

}  // namespace hanse::http
