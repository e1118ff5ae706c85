#include "adapters/engines/metrics_reader.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace hanse::engines {
namespace {

const MetricNames& names_of(std::string_view kind) {
  return find_engine(kind)->capabilities().metrics;
}

std::optional<EngineLoad> read(std::string_view kind, std::string_view page,
                               std::size_t piece = std::string_view::npos) {
  MetricsReader reader(names_of(kind));
  while (!page.empty()) {
    const std::string_view part = page.substr(0, piece);
    if (!reader.push(part)) return std::nullopt;
    page.remove_prefix(part.size());
  }
  return reader.finish();
}

constexpr std::string_view kLlamaCpp =
    "# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed.\n"
    "# TYPE llamacpp:prompt_tokens_total counter\n"
    "llamacpp:prompt_tokens_total 1289\n"
    "# HELP llamacpp:requests_processing Number of requests processing.\n"
    "# TYPE llamacpp:requests_processing gauge\n"
    "llamacpp:requests_processing 4\n"
    "# HELP llamacpp:requests_deferred Number of requests deferred.\n"
    "# TYPE llamacpp:requests_deferred gauge\n"
    "llamacpp:requests_deferred 3\n";

constexpr std::string_view kVllm =
    "# HELP vllm:num_requests_running Number of requests in model execution batches.\n"
    "# TYPE vllm:num_requests_running gauge\n"
    "vllm:num_requests_running{engine=\"0\",model_name=\"meta/llama {8b}\"} 12.0\n"
    "vllm:num_requests_running{engine=\"1\",model_name=\"meta/llama \\\"8b\\\" }\"} 5.0\n"
    "vllm:num_requests_waiting{engine=\"0\",model_name=\"m\"} 2.0\n"
    "vllm:num_requests_waiting_by_reason{engine=\"0\",reason=\"capacity\"} 77.0\n"
    "vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"m\"} 0.25\n"
    "vllm:kv_cache_usage_perc{engine=\"1\",model_name=\"m\"} 0.9725 1700000000000\n";

constexpr std::string_view kSglang =
    "sglang:num_running_reqs{model_name=\"m\"} 9.0\n"
    "sglang:num_queue_reqs{model_name=\"m\"} 0.0\n"
    "sglang:token_usage{model_name=\"m\"} 0.5\n";

TEST(MetricsReader, ReadsWhatEachKindSays) {
  EXPECT_EQ(read("llama.cpp", kLlamaCpp), (EngineLoad{.running = 4, .waiting = 3}));
  EXPECT_EQ(read("sglang", kSglang), (EngineLoad{.running = 9, .kv_use_ppm = 500'000}));
  EXPECT_TRUE(names_of("openai").path.empty());
}

TEST(MetricsReader, SumsSeriesAndTakesTheLargestShare) {
  EXPECT_EQ(read("vllm", kVllm), (EngineLoad{.running = 17, .waiting = 2, .kv_use_ppm = 972'500}));
}

TEST(MetricsReader, OlderNamesCountWhereTheNewAreMissing) {
  const std::string_view old =
      "vllm:num_requests_running 1\n"
      "vllm:gpu_cache_usage_perc{model_name=\"m\"} 0.5\n";
  EXPECT_EQ(read("vllm", old), (EngineLoad{.running = 1, .kv_use_ppm = 500'000}));
  EXPECT_EQ(read("vllm", std::string(old) + "vllm:kv_cache_usage_perc 0.75"),
            (EngineLoad{.running = 1, .kv_use_ppm = 750'000}));
}

TEST(MetricsReader, ItDoesNotMatterHowThePageIsCut) {
  for (std::size_t piece = 1; piece < 40; ++piece) {
    EXPECT_EQ(read("vllm", kVllm, piece), read("vllm", kVllm)) << piece;
  }
}

TEST(MetricsReader, NumbersThatCannotBeAreNotBelieved) {
  for (const std::string_view value :
       {"NaN", "-1", "+Inf", "Inf", "1e300", "1000001", "", "12x", "0x10", "{", "\"3\""}) {
    EXPECT_EQ(read("llama.cpp", fmt::format("llamacpp:requests_processing {}\n", value)),
              std::nullopt)
        << value;
  }
  EXPECT_EQ(read("llama.cpp",
                 "llamacpp:requests_deferred 2\nllamacpp:requests_deferred NaN\n"
                 "llamacpp:kv_cache_usage_ratio 97\nllamacpp:kv_cache_usage_ratio -0.5\n"),
            (EngineLoad{.waiting = 2}));
  // Each is possible, and all of them together are not.
  std::string many;
  for (int i = 0; i < 4'000; ++i) many += "llamacpp:requests_deferred 1e6\n";
  EXPECT_EQ(read("llama.cpp", many), (EngineLoad{.waiting = MetricsReader::kSequencesMax}));
}

TEST(MetricsReader, APageThatIsNoneSaysNothing) {
  EXPECT_EQ(read("vllm", ""), std::nullopt);
  EXPECT_EQ(read("vllm", "<html>vllm:num_requests_running 3</html>"), std::nullopt);
  EXPECT_EQ(read("vllm", "vllm:num_requests_running{model=\"} 3\n"), std::nullopt);
  EXPECT_EQ(read("vllm", "# vllm:num_requests_running 3\n"), std::nullopt);
}

TEST(MetricsReader, LongLinesArePassedOverAndLongPagesGivenUp) {
  const std::string label(MetricsReader::kLineBytesMax, 'x');
  const std::string page =
      fmt::format("vllm:num_requests_running{{m=\"{}\"}} 9\nvllm:num_requests_waiting 1\n", label);
  EXPECT_EQ(read("vllm", page, 100), (EngineLoad{.waiting = 1}));

  MetricsReader reader(names_of("vllm"));
  EXPECT_TRUE(reader.push("vllm:num_requests_running 9\n"));
  const std::string filler(1 << 20U, '#');
  EXPECT_TRUE(reader.push(filler));
  while (reader.push(filler)) {
  }
  EXPECT_EQ(reader.finish(), std::nullopt);
}

}  // namespace
}  // namespace hanse::engines
