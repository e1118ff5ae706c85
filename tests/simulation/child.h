// tests/simulation/child.h
// Runs in processes of their own: a broken invariant ends the program that it
// is in, and that is a finding like any other.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace hanse::simulation {

// What a child process leaves to its parent, and nothing else.
class Child {
 public:
  // Runs `body` in a new process, which ends with it. What it writes to the
  // standard error output is kept.
  // Requires: no threads.
  explicit Child(const std::function<void()>& body);
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] pid_t process() const { return process_; }
  // Waits for its end. Returns nothing when the body returned, else how the
  // process ended: what it said, or by which signal.
  std::optional<std::string> wait();
  // The same when `status` is what waitpid() said of it.
  std::optional<std::string> ended(int status);

 private:
  [[nodiscard]] std::string words() const;

  pid_t process_ = 0;
  int words_ = -1;  // a file in memory
};

// Within a child: it is taken to hang when it lives so much longer without
// another call.
void must_go_on_within(unsigned seconds);

}  // namespace hanse::simulation
