#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>

#include "adapters/engines/openai_dialect.h"
#include "base/ascii.h"
#include "base/json_cursor.h"

namespace hanse::engines {
namespace {

using answer::Failure;
using answer::FailureReport;

using Words = std::span<const std::string_view>;

// What engines say of a prompt that does not fit, in lower case.
constexpr std::array<std::string_view, 9> kContextWords = {
    "context_length_exceeded", "exceed_context_size", "context length", "context size",
    "context window",          "maximum context",     "max_model_len",  "prompt is too long",
    "input is too long"};
constexpr std::array<std::string_view, 5> kFilterWords = {
    "content_filter", "content_policy", "content management policy", "moderation", "safety system"};
// Only as a type or a code, like those about money below: a message may quote
// the client, and these two are held against the site.
constexpr std::array<std::string_view, 2> kModelWords = {"model_not_found", "invalid_model"};
// Our account there is empty: no client's fault, and no rate that will pass.
constexpr std::array<std::string_view, 3> kMoneyWords = {"insufficient_quota",
                                                         "insufficient_balance", "billing"};

struct Said {
  explicit Said(const EngineError& error)
      : type(in_lower_case(error.type)),
        code(in_lower_case(error.code)),
        message(in_lower_case(error.message)) {}

  [[nodiscard]] bool any(Words words) const {
    return std::ranges::any_of(words, [&](std::string_view word) {
      return type.find(word) != std::string::npos || code.find(word) != std::string::npos ||
             message.find(word) != std::string::npos;
    });
  }
  [[nodiscard]] bool names_any(Words words) const {
    return std::ranges::any_of(words, [&](std::string_view word) { return names(word); });
  }
  [[nodiscard]] bool names(std::string_view word) const {
    return type.find(word) != std::string::npos || code.find(word) != std::string::npos;
  }

  std::string type;
  std::string code;
  std::string message;
};

// A status in words, for errors that come with a 200.
struct TypeStatus {
  std::string_view word;
  std::int32_t status;
};
constexpr std::array<TypeStatus, 13> kTypeStatuses = {{
    {"rate_limit", 429},
    {"insufficient_quota", 429},
    {"overloaded", 529},
    {"unavailable", 503},
    {"authentication", 401},
    {"invalid_api_key", 401},
    {"permission", 403},
    {"not_found", 404},
    {"context_length", 400},
    {"exceed_context_size", 400},
    {"content_filter", 400},
    {"invalid_request", 400},
    {"badrequest", 400},
}};

// The status that an error speaks of: its own, else its code when that is one,
// else by its type.
std::int32_t status_of(const EngineError& error, const Said& said) {
  if (error.http_status >= 400) return error.http_status;
  const auto number = json_integer(error.code);
  if (number && *number >= 400 && *number <= 599) return static_cast<std::int32_t>(*number);
  for (const auto& [word, status] : kTypeStatuses) {
    if (said.names(word)) return status;
  }
  return 500;
}

Failure failure_of(std::int32_t status, const Said& said) {
  switch (status) {
    case 401:
    case 402: return Failure::credentials;
    case 403: return said.any(kFilterWords) ? Failure::content_filter : Failure::credentials;
    case 404: return Failure::model_missing;
    case 413: return Failure::context_exceeded;
    case 429: return said.names_any(kMoneyWords) ? Failure::credentials : Failure::rate_limited;
    case 408:
    case 503:
    case 529: return Failure::overloaded;
    default: break;
  }
  if (status >= 500) return Failure::server_error;
  if (said.any(kContextWords)) return Failure::context_exceeded;
  if (said.any(kFilterWords)) return Failure::content_filter;
  if (said.names_any(kModelWords)) return Failure::model_missing;
  return Failure::client_request;
}

std::string client_code(Failure failure, std::string_view code) {
  if (failure == Failure::context_exceeded) return "context_length_exceeded";
  if (failure == Failure::content_filter) return "content_filter";
  // Numbers are a status, not a word.
  return json_integer(code) ? std::string() : std::string(code);
}

}  // namespace

FailureReport classify_openai(const EngineError& error) {
  const Said said(error);
  FailureReport report;
  report.failure = failure_of(status_of(error, said), said);
  report.site_message = error.message;
  if (answer::fault_of(report.failure) == Fault::client) {
    report.client_message = error.message;
    report.client_code = client_code(report.failure, error.code);
    report.client_param = error.param;
  }
  return report;
}

}  // namespace hanse::engines
