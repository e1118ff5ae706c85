#include "adapters/telemetry/process_metrics.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <string_view>

namespace hanse::telemetry {
namespace {

// Of the C locale's sysconf: never zero on Linux.
std::uint64_t ticks_per_second() { return static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK)); }

using Content = std::array<char, 4'096>;

// The beginning of a file of /proc; empty when it cannot be read.
std::string_view read(const char* path, Content& content) {
  const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {};
  const ssize_t size = ::read(descriptor, content.data(), content.size());
  ::close(descriptor);
  return {content.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

// The `n`th word, counted from zero, as a number; zero when it is none.
std::uint64_t number_at(std::string_view text, std::size_t n) {
  for (; n > 0; --n) {
    const std::size_t blank = text.find(' ');
    if (blank == std::string_view::npos) return 0;
    text.remove_prefix(blank + 1);
  }
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// What follows "btime " in /proc/stat: when the machine started, in seconds
// since 1970.
std::uint64_t boot_time_seconds() {
  // The line stands behind one per processor, so more than a page is read.
  std::array<char, 65'536> content{};
  const int descriptor = ::open("/proc/stat", O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return 0;
  const ssize_t size = ::read(descriptor, content.data(), content.size());
  ::close(descriptor);
  const std::string_view text(content.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  const std::size_t at = text.find("\nbtime ");
  return at == std::string_view::npos ? 0 : number_at(text.substr(at + 1), 1);
}

}  // namespace

ProcessMetrics::ProcessMetrics(MetricRegistry& registry) {
  const auto gauge = [&](const char* name, const char* help, unsigned decimals = 0) {
    return registry.gauge(
        registry.add_gauges(
            {.name = name, .help = help, .labels = {}, .decimals = decimals, .bounds = {}}),
        {});
  };
  resident_ = gauge("process_resident_memory_bytes", "Memory that is in use, in bytes.");
  virtual_ = gauge("process_virtual_memory_bytes", "Memory that is reserved, in bytes.");
  start_ =
      gauge("process_start_time_seconds", "When the process started, in seconds since 1970.", 3);
  threads_ = gauge("process_threads", "Threads.");
  cpu_ = registry.counter(registry.add_counters({.name = "process_cpu_seconds_total",
                                                 .help = "Processor time spent, in seconds.",
                                                 .labels = {},
                                                 .decimals = 3,
                                                 .bounds = {}}),
                          {});
}

void ProcessMetrics::sample() {
  Content content;
  std::string_view stat = read("/proc/self/stat", content);
  // The second field is the program's name in brackets, and may hold blanks.
  const std::size_t name_end = stat.rfind(") ");
  if (name_end == std::string_view::npos) return;
  stat.remove_prefix(name_end + 2);
  // Source: proc(5); here the state, field 3, has the number 0.
  constexpr std::size_t kState = 3;
  const std::uint64_t ticks = number_at(stat, 14 - kState) + number_at(stat, 15 - kState);
  cpu_.set_total(ticks * 1'000 / ticks_per_second());
  threads_.set(static_cast<std::int64_t>(number_at(stat, 20 - kState)));
  virtual_.set(static_cast<std::int64_t>(number_at(stat, 23 - kState)));
  resident_.set(static_cast<std::int64_t>(number_at(stat, 24 - kState)) * ::sysconf(_SC_PAGESIZE));
  if (start_.value() == 0) {
    const std::uint64_t after_boot = number_at(stat, 22 - kState) * 1'000 / ticks_per_second();
    start_.set(static_cast<std::int64_t>(boot_time_seconds() * 1'000 + after_boot));
  }
}

}  // namespace hanse::telemetry
