#include "adapters/api/errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/json_cursor.h"

namespace hanse::api {
namespace {

using answer::Failure;

// Types are OpenAI's where it has one. A type of 4xx blames the client, so
// only what the client can mend is one.
constexpr std::string_view kRequest = "invalid_request_error";
constexpr std::string_view kAuthentication = "authentication_error";
constexpr std::string_view kPermission = "permission_error";
constexpr std::string_view kNotFound = "not_found_error";
constexpr std::string_view kRate = "rate_limit_error";
constexpr std::string_view kServer = "server_error";
constexpr std::string_view kUpstream = "upstream_error";

using enum ProblemKind;
constexpr std::array kTable = {
    ProblemRow{bad_request, 400, kRequest, "", Fault::client, false},
    ProblemRow{malformed_http, 400, kRequest, "malformed_http", Fault::client, false},
    ProblemRow{context_exceeded, 400, kRequest, "context_length_exceeded", Fault::client, false},
    ProblemRow{content_filter, 400, kRequest, "content_filter", Fault::client, false},
    ProblemRow{unauthenticated, 401, kAuthentication, "missing_api_key", Fault::client, false},
    ProblemRow{invalid_key, 401, kAuthentication, "invalid_api_key", Fault::client, false},
    ProblemRow{refused_by_gate, 403, kPermission, "no_lawful_site", Fault::client, false},
    ProblemRow{ProblemKind::model_not_found, 404, kNotFound, "model_not_found", Fault::client,
               false},
    ProblemRow{route_not_found, 404, kNotFound, "route_not_found", Fault::client, false},
    ProblemRow{method_not_allowed, 405, kRequest, "method_not_allowed", Fault::client, false},
    ProblemRow{request_timeout, 408, kRequest, "request_timeout", Fault::client, true},
    ProblemRow{body_too_large, 413, kRequest, "body_too_large", Fault::client, false},
    ProblemRow{target_too_long, 414, kRequest, "target_too_long", Fault::client, false},
    ProblemRow{unsupported_media, 415, kRequest, "unsupported_media_type", Fault::client, false},
    ProblemRow{bad_expectation, 417, kRequest, "unsupported_expectation", Fault::client, false},
    ProblemRow{key_reused, 422, kRequest, "idempotency_key_reused", Fault::client, false},
    ProblemRow{head_too_large, 431, kRequest, "header_too_large", Fault::client, false},
    ProblemRow{ProblemKind::rate_limited, 429, kRate, "rate_limit_exceeded", Fault::client, true},
    ProblemRow{ProblemKind::exceeds_rate_limit, 429, kRate, "exceeds_rate_limit", Fault::client,
               false},
    ProblemRow{ProblemKind::insufficient_quota, 429, "insufficient_quota", "insufficient_quota",
               Fault::client, false},
    ProblemRow{sites_rate_limited, 429, kRate, "sites_rate_limited", Fault::upstream, true},
    ProblemRow{sites_full, 429, kRate, "sites_full", Fault::us, true},
    ProblemRow{overloaded, 503, kServer, "overloaded", Fault::us, true},
    ProblemRow{draining, 503, kServer, "draining", Fault::us, true},
    ProblemRow{no_site_available, 503, kUpstream, "no_site_available", Fault::upstream, true},
    ProblemRow{site_failed, 502, kUpstream, "site_failed", Fault::upstream, true},
    ProblemRow{site_timed_out, 504, kUpstream, "site_timed_out", Fault::upstream, true},
    // The limit is the class's, and the same request would most likely meet it
    // again.
    ProblemRow{out_of_time, 504, kServer, "time_limit_passed", Fault::us, false},
    ProblemRow{internal, 500, kServer, "internal_error", Fault::us, true},
    // HTTP calls what a server cannot do its own fault, whoever asks for it.
    ProblemRow{not_implemented, 501, kServer, "not_implemented", Fault::us, false},
    ProblemRow{bad_version, 505, kServer, "http_version_not_supported", Fault::us, false},
};

// The table is found by position, so its order is the enum's.
constexpr bool kInOrder = [] {
  for (std::size_t i = 0; i < kTable.size(); ++i) {
    if (static_cast<std::size_t>(kTable[i].kind) != i) return false;
  }
  return true;
}();
static_assert(kInOrder && kTable.size() == static_cast<std::size_t>(bad_version) + 1);

void append_string(std::string_view text, std::string& out) {
  out += '"';
  append_json_escaped(text, out);
  out += '"';
}

// `"name":"value",` unless the value is empty.
void append_member_unless_empty(std::string_view name, std::string_view value, std::string& out) {
  if (value.empty()) return;
  append_string(name, out);
  out += ':';
  append_string(value, out);
  out += ',';
}

void append_refusal(const SiteRefusal& refusal, std::string& out) {
  out += '{';
  append_member_unless_empty("site", refusal.site, out);
  append_member_unless_empty("rule", refusal.rule, out);
  append_member_unless_empty("requirement", refusal.requirement, out);
  out += "\"facts\":[";
  for (const std::string& fact : refusal.facts) {
    append_string(fact, out);
    out += ',';
  }
  if (!refusal.facts.empty()) out.pop_back();
  out += "]}";
}

void append_hanse_of(const Problem& problem, const ProblemRow& row, std::string& out) {
  out += '{';
  append_member_unless_empty("request_id", problem.request_id, out);
  append_member_unless_empty("fault", to_string(row.fault), out);
  append_member_unless_empty("site", problem.site, out);
  if (problem.attempts) out += fmt::format("\"attempts\":{},", *problem.attempts);
  if (!problem.refusals.empty()) {
    out += "\"refusals\":[";
    for (const SiteRefusal& refusal : problem.refusals) {
      append_refusal(refusal, out);
      out += ',';
    }
    out.back() = ']';
    out += ',';
  }
  out.back() = '}';
}

// Whole seconds, rounded up: never an invitation to come too early.
std::int64_t seconds_up(Duration wait) {
  constexpr std::int64_t kNanos = 1'000'000'000;
  return std::max<std::int64_t>(1, (wait.count() + kNanos - 1) / kNanos);
}

ProblemKind kind_of(Failure failure) {
  switch (failure) {
    case Failure::silent:
    case Failure::stalled: return site_timed_out;
    case Failure::rate_limited: return sites_rate_limited;
    case Failure::unreachable:
    case Failure::overloaded: return no_site_available;
    case Failure::context_exceeded: return context_exceeded;
    case Failure::content_filter: return content_filter;
    case Failure::client_request: return bad_request;
    default: return site_failed;
  }
}

std::string_view sentence_of(Failure failure) {
  switch (failure) {
    case Failure::none: return "No site answered.";
    case Failure::unreachable: return "The site could not be reached.";
    case Failure::tls: return "No safe connection to the site could be made.";
    case Failure::silent: return "The site accepted the request and then said nothing in time.";
    case Failure::stalled: return "The site began to answer and then became too slow.";
    case Failure::reset: return "The site's answer was cut off before its end.";
    case Failure::bad_answer: return "The site answered with something that is no answer.";
    case Failure::rate_limited: return "Every site that may serve this request is at its limit.";
    case Failure::overloaded: return "The site has no capacity at the moment.";
    case Failure::server_error: return "The site failed while answering.";
    case Failure::credentials: return "The site did not let this gateway in.";
    case Failure::model_missing: return "The site does not have the model that it should have.";
    case Failure::context_exceeded: return "The prompt is longer than the model's context.";
    case Failure::content_filter: return "The site's content policy refused the request.";
    case Failure::client_request: return "The site refused the request as invalid.";
    case Failure::error_event: return "The site reported an error in the middle of its answer.";
    case Failure::oversize: return "The site's answer is larger than this gateway carries.";
    case Failure::diverged:
      return "The answer broke off, and no other site could go on with it or say it again.";
  }
  return "The site failed.";
}

}  // namespace

const ProblemRow& row_of(ProblemKind kind) {
  const auto row = static_cast<std::size_t>(kind);
  HANSE_CHECK(row < kTable.size());
  return kTable[row];
}

std::span<const ProblemRow> problem_table() { return kTable; }

std::vector<HttpHeader> headers_of(const Problem& problem) {
  const ProblemRow& row = row_of(problem.kind);
  std::vector<HttpHeader> headers{{"content-type", "application/json"}};
  const auto add_unless_empty = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) headers.push_back({std::string(name), value});
  };
  add_unless_empty("x-request-id", problem.request_id);
  add_unless_empty("traceparent", problem.traceparent);
  add_unless_empty("hanse-site", problem.site);
  if (problem.attempts) headers.push_back({"hanse-attempts", fmt::format("{}", *problem.attempts)});
  if (problem.retry_after) {
    headers.push_back({"retry-after", fmt::format("{}", seconds_up(*problem.retry_after))});
  }
  headers.push_back({"x-should-retry", row.should_retry ? "true" : "false"});
  add_unless_empty("allow", problem.allow);
  if (row.status == 401) headers.push_back({"www-authenticate", "Bearer"});
  return headers;
}

void write_error_body(const Problem& problem, std::string& out) {
  const ProblemRow& row = row_of(problem.kind);
  out += R"({"error":{"message":)";
  append_string(problem.message, out);
  out += R"(,"type":)";
  append_string(row.type, out);
  out += R"(,"param":)";
  problem.param.empty() ? void(out += "null") : append_string(problem.param, out);
  out += R"(,"code":)";
  const std::string_view code = problem.code.empty() ? row.code : std::string_view(problem.code);
  code.empty() ? void(out += "null") : append_string(code, out);
  out += R"(,"hanse":)";
  append_hanse_of(problem, row, out);
  out += "}}";
}

Problem bad_request(std::string message, std::string param) {
  return {
      .kind = ProblemKind::bad_request, .message = std::move(message), .param = std::move(param)};
}

Problem model_not_found(std::string_view asked, std::string_view nearest) {
  // A name can be as long as a body; nobody reads that far.
  constexpr std::size_t kShown = 128;
  std::string message = fmt::format("The model `{}` does not exist or is not offered to this key.",
                                    asked.substr(0, kShown));
  if (!nearest.empty()) message += fmt::format(" Did you mean `{}`?", nearest);
  return {.kind = ProblemKind::model_not_found, .message = std::move(message), .param = "model"};
}

Problem refused_by_gate(std::vector<SiteRefusal> refusals) {
  std::vector<std::string_view> rules;
  for (const SiteRefusal& refusal : refusals) {
    if (std::ranges::find(rules, refusal.rule) == rules.end()) rules.push_back(refusal.rule);
  }
  return {
      .kind = ProblemKind::refused_by_gate,
      .message = fmt::format(
          "No site may serve this request. What stands in the way: {}. No site was contacted.",
          rules.empty() ? "no site offers the model" : fmt::format("{}", fmt::join(rules, ", "))),
      .refusals = std::move(refusals)};
}

Problem insufficient_quota(std::string_view whose) {
  return {.kind = ProblemKind::insufficient_quota,
          .message = fmt::format("The budget of {} does not cover this request. Lower its output "
                                 "limit or raise the budget. No site was contacted.",
                                 whose)};
}

Problem rate_limited(std::string_view limit, Duration retry_after) {
  return {.kind = ProblemKind::rate_limited,
          .message = fmt::format("A rate limit is reached ({}). Try again in {} s.", limit,
                                 seconds_up(retry_after)),
          .retry_after = retry_after};
}

Problem exceeds_rate_limit(std::string_view limit) {
  return {
      .kind = ProblemKind::exceeds_rate_limit,
      .message = fmt::format("This request alone is more than a rate limit allows ({}). Waiting "
                             "does not help; a shorter prompt or a lower output limit may.",
                             limit)};
}

Problem from_failure(const answer::FailureReport& report) {
  Problem problem{.kind = kind_of(report.failure)};
  problem.message = report.client_message.empty() ? std::string(sentence_of(report.failure))
                                                  : report.client_message;
  problem.code = report.client_code;
  problem.param = report.client_param;
  problem.retry_after = report.retry_after;
  return problem;
}

}  // namespace hanse::api
