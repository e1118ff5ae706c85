// `hanse replay --recording FILE --check`: decide a recorded run again.
#include <fmt/format.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "adapters/config/load.h"
#include "adapters/config/snapshot.h"
#include "apps/hanse/commands.h"
#include "drivers/replay/recording_check.h"
#include "drivers/serve/surroundings.h"

namespace hanse::app {
namespace {

nlohmann::ordered_json json_of(const replay::RecordingReport& report) {
  nlohmann::ordered_json json = {{"same", report.same()},
                                 {"events", report.events},
                                 {"actions", report.actions},
                                 {"cut", report.cut},
                                 {"lasted_ns", report.lasted.count()}};
  if (report.difference) {
    const replay::RecordingReport::Difference& difference = *report.difference;
    // Digests are 64 bits, and JSON's readers are sure of 53.
    json["difference"] = {{"event", difference.event},
                          {"at", to_iso8601(difference.at.wall)},
                          {"kind", difference.kind},
                          {"recorded", fmt::format("{:016x}", difference.recorded)},
                          {"decided", fmt::format("{:016x}", difference.decided)},
                          {"actions", difference.actions}};
  }
  return json;
}

}  // namespace

int replay(const ReplayOptions& options) {
  std::error_code trouble;
  const bool is_file = std::filesystem::is_regular_file(options.recording, trouble);
  std::ifstream in;
  if (is_file) in.open(options.recording, std::ios::binary);
  if (!is_file || !in) {
    fmt::print(stderr, "hanse: the recording {} cannot be read, or is no file\n",
               options.recording.string());
    return kWrongInput;
  }
  const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const auto load = [](std::string_view text) -> Result<dispatch::SnapshotRef> {
    const config::Loaded loaded = config::load_text("recording", text, serve::surroundings());
    if (loaded.configuration == nullptr) {
      return invalid_input("the configuration in the recording does not load:\n" +
                           config::render(loaded.diagnostics, config::Colour::off));
    }
    return config::make_snapshot(*loaded.configuration);
  };
  const auto report = replay::check_recording(bytes, load);
  if (!report) {
    fmt::print(stderr, "hanse: {}\n", report.error().message);
    return kFailed;
  }
  if (options.json) {
    fmt::print("{}\n", json_of(*report).dump(2));
  } else {
    fmt::print("{}", replay::describe(*report));
  }
  return report->same() ? kDone : kFailed;
}

}  // namespace hanse::app
