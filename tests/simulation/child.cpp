#include "child.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"

namespace hanse::simulation {

Child::Child(const std::function<void()>& body) : words_(memfd_create("words", MFD_CLOEXEC)) {
  HANSE_CHECK(words_ >= 0);
  // What waits in buffers must not be written twice.
  (void)std::fflush(nullptr);
  process_ = fork();
  HANSE_CHECK(process_ >= 0);
  if (process_ > 0) return;
  HANSE_CHECK(dup2(words_, STDERR_FILENO) >= 0);
  body();
  (void)std::fflush(nullptr);
  _exit(0);
}

Child::~Child() {
  if (process_ > 0) {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  if (words_ >= 0) close(words_);
}

Child::Child(Child&& other) noexcept
    : process_(std::exchange(other.process_, 0)), words_(std::exchange(other.words_, -1)) {}

std::optional<std::string> Child::wait() {
  int status = 0;
  HANSE_CHECK(waitpid(process_, &status, 0) == process_);
  return ended(status);
}

std::optional<std::string> Child::ended(int status) {
  process_ = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return std::nullopt;
  std::string said = words();
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) return "the run does not end";
  if (!said.empty()) return said;
  return WIFSIGNALED(status) ? fmt::format("the program ends by signal {}", WTERMSIG(status))
                             : fmt::format("the program ends with {}", WEXITSTATUS(status));
}

std::string Child::words() const {
  std::array<char, 4'096> bytes{};
  const ssize_t read = pread(words_, bytes.data(), bytes.size(), 0);
  std::string words(bytes.data(), read > 0 ? static_cast<std::size_t>(read) : 0);
  // A sanitizer says a lot; one line of it is what matters.
  for (const std::string_view sign : {"broken invariant", "Sanitizer: ", "runtime error"}) {
    const std::size_t at = words.find(sign);
    if (at == std::string::npos) continue;
    words.erase(0, at);
    break;
  }
  words.erase(std::min(words.find('\n'), words.size()));
  return words;
}

void must_go_on_within(unsigned seconds) { alarm(seconds); }

}  // namespace hanse::simulation
