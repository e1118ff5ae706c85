#include "soak.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>
#include <utility>

#include "base/check.h"
#include "case.h"
#include "child.h"

namespace hanse::simulation {
namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kHangsAfterSeconds = 60;
constexpr auto kProgressEvery = std::chrono::seconds(5);

// Where a worker is, told to its parent through shared memory.
struct Place {
  std::atomic<std::uint64_t> seed;    // under way
  std::atomic<std::uint64_t> passed;  // by this process and those it stands in for
};

class Workers {
 public:
  explicit Workers(const SoakOptions& options) : options_(options) {
    void* const memory = mmap(nullptr, sizeof(Place) * options.processes, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    HANSE_CHECK(memory != MAP_FAILED);
    places_ = static_cast<Place*>(memory);
    for (unsigned i = 0; i < options.processes; ++i) start(i, options.first + i);
  }
  ~Workers() {
    children_.clear();
    munmap(places_, sizeof(Place) * options_.processes);
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  [[nodiscard]] bool are_at_work() const {
    return std::ranges::any_of(children_, [](const auto& child) { return child.has_value(); });
  }
  [[nodiscard]] std::uint64_t passed() const {
    std::uint64_t sum = 0;
    for (unsigned i = 0; i < options_.processes; ++i) sum += places_[i].passed;
    return sum;
  }

  // A seed that has failed since the last call. Another process goes on
  // behind it.
  std::optional<Failure> look() {
    for (unsigned i = 0; i < options_.processes; ++i) {
      if (!children_[i]) continue;
      int status = 0;
      if (waitpid(children_[i]->process(), &status, WNOHANG) == 0) continue;
      auto complaint = children_[i]->ended(status);
      children_[i].reset();
      if (!complaint) continue;
      const std::uint64_t seed = places_[i].seed;
      if (!options_.stops_at_failure) start(i, seed + options_.processes);
      return Failure{.seed = seed, .complaint = *std::move(complaint)};
    }
    return std::nullopt;
  }

 private:
  void start(unsigned place, std::uint64_t first) {
    if (children_.size() <= place) children_.resize(place + 1);
    children_[place].emplace(Child([&] {
      for (std::uint64_t seed = first; seed < options_.first + options_.seeds;
           seed += options_.processes) {
        places_[place].seed = seed;
        must_go_on_within(kHangsAfterSeconds);
        const replay::SimulationReport report = replay::play(draw_case(seed).plot);
        if (!report.holds()) {
          (void)std::fputs(report.complaints.front().c_str(), stderr);
          std::exit(1);
        }
        ++places_[place].passed;
      }
    }));
  }

  SoakOptions options_;
  Place* places_ = nullptr;
  std::vector<std::optional<Child>> children_;
};

}  // namespace

SoakReport soak(const SoakOptions& options, const std::function<void(std::uint64_t)>& progress,
                const std::function<void(const Failure&)>& failed) {
  SoakReport report;
  Workers workers(options);
  Clock::time_point next_progress = Clock::now() + kProgressEvery;
  while (workers.are_at_work()) {
    if (auto failure = workers.look()) {
      failed(*failure);
      report.failures.push_back(*std::move(failure));
      if (options.stops_at_failure) break;
      continue;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    if (Clock::now() < next_progress) continue;
    next_progress += kProgressEvery;
    progress(workers.passed() + report.failures.size());
  }
  report.passed = workers.passed();
  std::ranges::sort(report.failures, {}, &Failure::seed);
  return report;
}

}  // namespace hanse::simulation
