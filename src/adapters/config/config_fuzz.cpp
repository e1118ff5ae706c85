// Any bytes are a configuration or are refused with a reason; whatever loads
// has a canonical text that loads to the same. Seeds: tests/config, config.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "adapters/config/load.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hanse;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  config::Surroundings surroundings;
  surroundings.now = WallTime(1'796'083'200'000'000'000);
  const config::Loaded loaded = config::load_text("etc/fuzz.toml", text, surroundings);

  HANSE_CHECK(loaded.configuration != nullptr || !loaded.diagnostics.empty());
  const std::string report = config::render(loaded.diagnostics, config::Colour::on);
  HANSE_CHECK(report.empty() == loaded.diagnostics.empty());
  HANSE_CHECK(nlohmann::json::accept(config::to_json(loaded.diagnostics)));
  if (loaded.configuration == nullptr) return 0;

  const config::Loaded again = config::load_text("etc/fuzz.toml", loaded.canonical, surroundings);
  HANSE_CHECK(again.configuration != nullptr);
  HANSE_CHECK(again.configuration->digest == loaded.configuration->digest);
  return 0;
}
