// src/adapters/api/errors.h
// What goes wrong, as clients are told: an HTTP status and a JSON `error`
// object in OpenAI's shape with an honest type and code, and a `hanse` object
// with what OpenAI's shape has no word for.
//
// One table (errors.cpp) holds status, type and code of every kind, of the
// refusals of the HTTP server too. The official clients retry 408, 409, 429 and
// 5xx unless `x-should-retry: false` says otherwise.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"  // Fault
#include "base/time.h"
#include "core/answer/failure.h"

namespace hanse::api {

// Each kind is one row of the table.
enum class ProblemKind : std::uint8_t {
  bad_request,         // 400 bad JSON, a field of the wrong type, a bad header
  malformed_http,      // 400 framing that is odd or could be read in two ways
  context_exceeded,    // 400 context_length_exceeded
  content_filter,      // 400 content_filter
  unauthenticated,     // 401 no key, or another scheme
  invalid_key,         // 401 a key nobody knows, has ended or is disabled
  refused_by_gate,     // 403 no site may serve it; `refusals` say why
  model_not_found,     // 404
  route_not_found,     // 404
  method_not_allowed,  // 405, with Allow
  request_timeout,     // 408 the client's own bytes came too slowly
  body_too_large,      // 413
  target_too_long,     // 414
  unsupported_media,   // 415
  bad_expectation,     // 417 another than 100-continue
  key_reused,          // 422 an Idempotency-Key that stands for another request
  head_too_large,      // 431
  rate_limited,        // 429 a rate of the tenant's, with Retry-After
  exceeds_rate_limit,  // 429 a rate that would refuse it at any time
  insufficient_quota,  // 429 money; clients must not retry it
  sites_rate_limited,  // 429 every lawful site said 429
  sites_full,          // 429 every lawful site is full, and waiting longer would be too long
  overloaded,          // 503 our own bounds; with Retry-After
  draining,            // 503 this gateway is going down
  no_site_available,   // 503 lawful sites exist, none is up
  site_failed,         // 502 a site answered nonsense or died
  site_timed_out,      // 504 a site was silent or too slow
  out_of_time,         // 504 a site still answered when the request's time was over
  internal,            // 500 ours
  not_implemented,     // 501 a method or transfer coding that nobody here knows
  bad_version,         // 505 neither HTTP/1.1 nor HTTP/1.0
};

// Why one site may not serve a request.
struct SiteRefusal {
  std::string site = {};
  std::string rule = {};
  std::string requirement = {};
  std::vector<std::string> facts = {};
};

struct Problem {
  ProblemKind kind = ProblemKind::internal;
  std::string message = {};  // a sentence for people; never holds a key or a prompt
  std::string param = {};    // the field or header that is wrong; empty: null
  std::string code = {};     // empty: the table's
  std::optional<Duration> retry_after = {};
  std::string allow = {};  // of a 405
  // Said in headers and, save the trace, in the `hanse` object; what is empty
  // is left out.
  std::string request_id = {};
  std::string traceparent = {};
  std::string site = {};                      // the one asked last
  std::optional<std::int32_t> attempts = {};  // nothing: dispatch never saw it
  std::vector<SiteRefusal> refusals = {};     // not in headers
};

struct HttpHeader {
  std::string name = {};
  std::string value = {};
};

// One row of the table.
struct ProblemRow {
  ProblemKind kind;
  std::int32_t status;
  std::string_view type;
  std::string_view code;
  Fault fault;
  bool should_retry;  // said in x-should-retry, for clients that listen
};
const ProblemRow& row_of(ProblemKind kind);
std::span<const ProblemRow> problem_table();  // for tests and documents

inline std::int32_t http_status(const Problem& problem) { return row_of(problem.kind).status; }

// All headers of the reply, framing aside.
std::vector<HttpHeader> headers_of(const Problem& problem);

// Appends `{"error":{...}}`.
void write_error_body(const Problem& problem, std::string& out);

// Makers of problems, so that the same trouble is told in the same words.
Problem bad_request(std::string message, std::string param = {});
// `nearest` may be empty: nothing is near.
Problem model_not_found(std::string_view asked, std::string_view nearest);
Problem refused_by_gate(std::vector<SiteRefusal> refusals);
// `whose` budget: "project acme/web".
Problem insufficient_quota(std::string_view whose);
// `limit`: "key acme/web/laptop: 1000 tokens a minute".
Problem rate_limited(std::string_view limit, Duration retry_after);
Problem exceeds_rate_limit(std::string_view limit);
// What the client is told when an attempt failed and nothing else is left.
Problem from_failure(const answer::FailureReport& report);

}  // namespace hanse::api
