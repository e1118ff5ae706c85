// Reads any bytes as an engine's metrics page, whole and in pieces, and stops
// when the two disagree or the numbers are out of bounds.
//
// The first byte chooses the engine, the second the size of the pieces.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "adapters/engines/metrics_reader.h"
#include "base/check.h"

namespace hanse::engines {
namespace {

std::optional<EngineLoad> read(const MetricNames& names, std::string_view page, std::size_t piece) {
  MetricsReader reader(names);
  while (!page.empty()) {
    const std::string_view part = page.substr(0, piece);
    if (!reader.push(part)) return std::nullopt;
    page.remove_prefix(part.size());
  }
  return reader.finish();
}

void run(std::string_view input) {
  if (input.size() < 2) return;
  constexpr std::array<std::string_view, 3> kKinds = {"llama.cpp", "sglang", "vllm"};
  const Engine* engine = find_engine(kKinds[static_cast<unsigned char>(input[0]) % kKinds.size()]);
  const MetricNames& names = engine->capabilities().metrics;
  const std::size_t piece = static_cast<unsigned char>(input[1]) + std::size_t{1};
  const std::string_view page = input.substr(2);
  const auto load = read(names, page, page.size());
  HANSE_CHECK(load == read(names, page, piece));
  if (!load) return;
  for (const std::int32_t count : {load->running, load->waiting}) {
    HANSE_CHECK(count >= 0 && count <= MetricsReader::kSequencesMax);
  }
  const std::int32_t use = load->kv_use_ppm.value_or(0);
  HANSE_CHECK(use >= 0 && use <= 1'000'000);
}

}  // namespace
}  // namespace hanse::engines

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  hanse::engines::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
