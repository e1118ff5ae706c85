#include "adapters/engines/usage_reader.h"

#include <algorithm>

namespace hanse::engines {
namespace {

// No answer has as many; keeps every sum below within 64 bits.
constexpr std::int64_t kTokensMax = std::int64_t{1} << 40U;

struct Report {
  std::optional<std::int64_t> prompt;
  std::optional<std::int64_t> completion;
  std::optional<std::int64_t> total;
  std::int64_t cached = 0;
  std::int64_t cache_write = 0;
  std::int64_t reasoning = 0;
  bool nonsense = false;
};

// A count of tokens; nothing for null and for what is no count.
std::optional<std::int64_t> read_count(JsonCursor& json, Report& report) {
  if (json.peek() != JsonType::number) {
    json.skip();
    return std::nullopt;
  }
  std::string_view number;
  json.read_number(number);
  const auto count = json_integer(number);
  if (!count || *count < 0 || *count > kTokensMax) {
    report.nonsense = true;
    return std::nullopt;
  }
  return count;
}

void read_details(JsonCursor& json, Report& report) {
  if (json.peek() != JsonType::object) {
    json.skip();
    return;
  }
  JsonObject object(json);
  for (JsonString name; object.next(name);) {
    if (name.says("cached_tokens")) {
      report.cached = read_count(json, report).value_or(0);
    } else if (name.says("cache_creation_tokens") || name.says("cache_write_tokens")) {
      report.cache_write = read_count(json, report).value_or(0);
    } else if (name.says("reasoning_tokens")) {
      report.reasoning = read_count(json, report).value_or(0);
    } else {
      json.skip();
    }
  }
}

Report read_report(JsonCursor& json) {
  Report report;
  JsonObject object(json);
  for (JsonString name; object.next(name);) {
    if (name.says("prompt_tokens")) {
      report.prompt = read_count(json, report);
    } else if (name.says("completion_tokens")) {
      report.completion = read_count(json, report);
    } else if (name.says("total_tokens")) {
      report.total = read_count(json, report);
    } else if (name.says("prompt_tokens_details") || name.says("completion_tokens_details")) {
      read_details(json, report);
    } else if (name.says("prompt_cache_hit_tokens")) {  // DeepSeek
      report.cached = read_count(json, report).value_or(0);
    } else if (name.says("reasoning_tokens")) {  // SGLang
      report.reasoning = read_count(json, report).value_or(0);
    } else {
      json.skip();
    }
  }
  return report;
}

void split_prompt(const Report& report, UsageReport& out) {
  if (!report.prompt) return;
  const std::int64_t cached = std::min(report.cached, *report.prompt);
  const std::int64_t cache_write = std::min(report.cache_write, *report.prompt - cached);
  out.usage.contradicted =
      out.usage.contradicted || report.cached + report.cache_write > *report.prompt;
  out.usage.tokens[TokenKind::cached_read] = Tokens(cached);
  out.usage.tokens[TokenKind::cache_write] = Tokens(cache_write);
  out.usage.tokens[TokenKind::prompt] = Tokens(*report.prompt - cached - cache_write);
}

void split_output(const Report& report, UsageReport& out) {
  if (!report.completion) return;
  // xAI counts reasoning beside the completion; its total tells.
  const std::int64_t both = report.prompt.value_or(0) + *report.completion;
  const bool beside = report.reasoning > *report.completion ||
                      (report.reasoning > 0 && report.total == both + report.reasoning);
  const std::int64_t generated = *report.completion + (beside ? report.reasoning : 0);
  out.usage.tokens[TokenKind::reasoning] = Tokens(report.reasoning);
  out.usage.tokens[TokenKind::output] = Tokens(generated - report.reasoning);
  if (!report.prompt || !report.total) return;
  out.usage.contradicted = out.usage.contradicted || *report.total != *report.prompt + generated;
}

}  // namespace

std::optional<UsageReport> read_usage(JsonCursor& json) {
  if (json.peek() != JsonType::object) {
    json.skip();
    return std::nullopt;
  }
  const Report report = read_report(json);
  if (!report.prompt && !report.completion) return std::nullopt;
  UsageReport out{.usage = {},
                  .lacks_prompt = !report.prompt.has_value(),
                  .lacks_output = !report.completion.has_value()};
  out.usage.contradicted = report.nonsense;
  split_prompt(report, out);
  split_output(report, out);
  return out;
}

}  // namespace hanse::engines
