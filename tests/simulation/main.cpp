// Plays simulations by seed, or one from a file, and makes small what fails.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "case.h"
#include "shrink.h"
#include "soak.h"
#include "speed.h"

namespace hanse::simulation {
namespace {

constexpr std::string_view kUsage = R"(usage: hanse_simulation what [--out FOLDER]

  --seeds N [--first K] [--processes P] [--stop]   plays N seeds; --stop ends at the first that fails
  --seed K          plays one and describes it
  --shrink K        makes the case of a seed that fails small
  --case FILE...    plays cases from files and describes them
  --digests FILE    compares the digests of the first seeds with those in a file;
                    with HANSE_UPDATE_GOLDEN=1 in the environment it is written anew
  --speed           measures how fast virtual time goes, as JSON

The first seed that breaks a rule is made small and written to
FOLDER/simulation-<seed>.toml; FOLDER is the working directory if nothing else is
said. Others that break the same rule are only counted.
)";

constexpr std::uint64_t kDigests = 20;
// Each takes some seconds.
constexpr std::size_t kShrunkMax = 5;

struct Options {
  enum class What : std::uint8_t { nothing, seeds, seed, shrink, cases, digests, speed };

  What what = What::nothing;
  std::uint64_t number = 0;
  std::uint64_t first = 1;
  unsigned processes = std::max(1U, std::thread::hardware_concurrency());
  bool stops = false;
  std::vector<std::filesystem::path> files;
  std::filesystem::path out = ".";
};

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<Options> parse(const std::vector<std::string_view>& words) {
  using What = Options::What;
  Options options;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--stop") {
      options.stops = true;
      continue;
    }
    if (word == "--speed") {
      options.what = What::speed;
      continue;
    }
    if (++i == words.size()) return std::nullopt;
    const std::string_view value = words[i];
    const auto number = parse_number(value);
    if (word == "--out") {
      options.out = value;
    } else if (word == "--digests") {
      options.what = What::digests;
      options.files = {value};
    } else if (word == "--case") {
      options.what = What::cases;
      options.files.emplace_back(value);
      while (i + 1 < words.size() && !words[i + 1].starts_with("--")) {
        options.files.emplace_back(words[++i]);
      }
    } else if (number && word == "--first") {
      options.first = *number;
    } else if (number && word == "--processes") {
      options.processes = std::max(1U, static_cast<unsigned>(*number));
    } else if (number && (word == "--seeds" || word == "--seed" || word == "--shrink")) {
      options.what = word == "--seeds" ? What::seeds : word == "--seed" ? What::seed : What::shrink;
      options.number = *number;
    } else {
      return std::nullopt;
    }
  }
  return options.what == What::nothing ? std::nullopt : std::optional(options);
}

std::string program() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "hanse_simulation" : path.string();
}

void write_small(const Options& options, const Failure& failure) {
  const Shrunk shrunk = shrink(draw_case(failure.seed), failure.complaint);
  const auto file = options.out / fmt::format("simulation-{}.toml", failure.seed);
  std::error_code error;
  std::filesystem::create_directories(options.out, error);
  std::ofstream(file) << to_text(
      shrunk.smallest,
      fmt::format("Seed {}, made small. It breaks a rule:\n{}", failure.seed, shrunk.complaint));
  fmt::print("  made small in {} runs: {} requests, {} changes: {} --case {}\n", shrunk.runs,
             shrunk.smallest.plot.requests.size(), shrunk.smallest.plot.changes.size(), program(),
             file.string());
  (void)std::fflush(stdout);
}

int play_seeds(const Options& options) {
  std::set<std::string> rules;
  const SoakReport report = soak(
      {.first = options.first,
       .seeds = options.number,
       .processes = options.processes,
       .stops_at_failure = options.stops},
      [&](std::uint64_t played) {
        fmt::print("{} of {} seeds\n", played, options.number);
        (void)std::fflush(stdout);
      },
      [&](const Failure& failure) {
        if (!rules.insert(rule_of(failure.complaint)).second) return;
        fmt::print("seed {} fails: {}\n  to see it again: {} --seed {}\n", failure.seed,
                   failure.complaint, program(), failure.seed);
        (void)std::fflush(stdout);
        if (rules.size() <= kShrunkMax) write_small(options, failure);
      });
  const std::uint64_t failed = report.failures.size();
  fmt::print("{} seeds, {} passed, {} failed\n", report.passed + failed, report.passed, failed);
  return failed == 0 ? 0 : 1;
}

int play_one(const Case& played, std::string_view name) {
  fmt::print("{}, on the {} grid: ", name, to_string(played.facts.grid));
  (void)std::fflush(stdout);
  const replay::SimulationReport report = replay::play(played.plot);
  fmt::print("{}", replay::describe(report));
  return report.holds() ? 0 : 1;
}

int play_cases(const Options& options) {
  int worst = 0;
  for (const auto& file : options.files) {
    const auto read = read_case(file);
    if (!read) {
      fmt::print(stderr, "{}\n", read.error().message);
      return 2;
    }
    worst = std::max(worst, play_one(*read, file.filename().string()));
  }
  return worst;
}

int shrink_one(const Options& options) {
  const auto complaint = complaint_of(draw_case(options.number));
  if (!complaint) {
    fmt::print("seed {} keeps every rule\n", options.number);
    return 0;
  }
  fmt::print("seed {} fails: {}\n", options.number, *complaint);
  write_small(options, {.seed = options.number, .complaint = *complaint});
  return 1;
}

int compare_digests(const std::filesystem::path& file) {
  std::string digests;
  for (std::uint64_t seed = 1; seed <= kDigests; ++seed) {
    digests += fmt::format("{} {:016x}\n", seed, replay::play(draw_case(seed).plot).digest);
  }
  if (std::getenv("HANSE_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(file) << digests;
    return 0;
  }
  std::ifstream kept(file);
  if (std::string{std::istreambuf_iterator<char>(kept), {}} == digests) return 0;
  fmt::print(
      "other decisions than those of {}:\n{}Either this build decides otherwise than others do, "
      "or decisions have changed; then HANSE_UPDATE_GOLDEN=1 writes them anew.\n",
      file.string(), digests);
  return 1;
}

int run(const Options& options) {
  switch (options.what) {
    case Options::What::seeds: return play_seeds(options);
    case Options::What::seed:
      return play_one(draw_case(options.number), fmt::format("seed {}", options.number));
    case Options::What::shrink: return shrink_one(options);
    case Options::What::cases: return play_cases(options);
    case Options::What::digests: return compare_digests(options.files.front());
    case Options::What::speed: fmt::print("{}\n", measure_speed()); return 0;
    case Options::What::nothing: break;
  }
  return 2;
}

}  // namespace
}  // namespace hanse::simulation

int main(int argc, char** argv) {
  using namespace hanse::simulation;
  const auto options = parse(std::vector<std::string_view>(argv + 1, argv + argc));
  if (!options) {
    (void)std::fwrite(kUsage.data(), 1, kUsage.size(), stderr);
    return 2;
  }
  return run(*options);
}
