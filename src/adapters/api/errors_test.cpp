#include "adapters/api/errors.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

namespace hanse::api {
namespace {

using answer::Failure;
using nlohmann::json;

json body_of(const Problem& problem) {
  std::string out;
  write_error_body(problem, out);
  return json::parse(out)["error"];
}

std::string header(const Problem& problem, std::string_view name) {
  for (const HttpHeader& header : headers_of(problem)) {
    if (header.name == name) return header.value;
  }
  return "";
}

TEST(Problems, TheTableIsHonestAboutFaults) {
  std::set<std::string_view> codes;
  for (const ProblemRow& row : problem_table()) {
    EXPECT_GE(row.status, 400);
    EXPECT_LE(row.status, 599);
    // What is not the client's fault never looks like it, save a full site's
    // 429, which the clients know how to wait for.
    if (row.fault != Fault::client && row.kind != ProblemKind::sites_rate_limited &&
        row.kind != ProblemKind::sites_full) {
      EXPECT_GE(row.status, 500) << row.code;
    }
    if (row.fault == Fault::client) EXPECT_LT(row.status, 500) << row.code;
    if (!row.code.empty()) EXPECT_TRUE(codes.insert(row.code).second) << row.code;
  }
}

TEST(Problems, AreDocumented) {
  std::ifstream file(HANSE_SOURCE_DIR "/docs/api.md");
  std::stringstream page;
  page << file.rdbuf();
  for (const ProblemRow& row : problem_table()) {
    const std::string code = row.code.empty() ? "" : std::string(row.code) + " ";
    const std::string line = fmt::format("| {} | {} | {}| {} | {} |", row.status, row.type, code,
                                         to_string(row.fault), row.should_retry);
    EXPECT_TRUE(page.str().contains(line)) << line;
  }
}

TEST(Problems, HaveOpenAisShape) {
  const json error = body_of(bad_request("`n` must be \"1\"", "n"));
  EXPECT_EQ(error["message"], "`n` must be \"1\"");
  EXPECT_EQ(error["type"], "invalid_request_error");
  EXPECT_EQ(error["param"], "n");
  EXPECT_TRUE(error["code"].is_null());
  EXPECT_EQ(error["hanse"]["fault"], "client");
}

TEST(Problems, MoneyIsNotToBeRetried) {
  const Problem problem = insufficient_quota("tenant smallshop");
  EXPECT_EQ(http_status(problem), 429);
  EXPECT_EQ(body_of(problem)["type"], "insufficient_quota");
  EXPECT_EQ(body_of(problem)["code"], "insufficient_quota");
  EXPECT_EQ(header(problem, "x-should-retry"), "false");
  EXPECT_EQ(header(problem, "retry-after"), "");
}

TEST(Problems, RatesSayWhenToComeBack) {
  const Problem problem =
      rate_limited("key acme/web/laptop: 60 requests a minute", milliseconds(1200));
  EXPECT_EQ(http_status(problem), 429);
  EXPECT_EQ(header(problem, "retry-after"), "2");
  EXPECT_EQ(header(problem, "x-should-retry"), "true");
  EXPECT_EQ(
      problem.message,
      "A rate limit is reached (key acme/web/laptop: 60 requests a minute). Try again in 2 s.");
}

TEST(Problems, ARateThatNeverLetsARequestInIsNotToBeRetried) {
  const Problem problem = exceeds_rate_limit("tenant acme: 100 tokens a minute");
  EXPECT_EQ(http_status(problem), 429);
  EXPECT_EQ(body_of(problem)["type"], "rate_limit_error");
  EXPECT_EQ(header(problem, "x-should-retry"), "false");
  EXPECT_EQ(header(problem, "retry-after"), "");
  EXPECT_NE(problem.message.find("tenant acme: 100 tokens a minute"), std::string::npos);
}

TEST(Problems, AnUnknownModelIsToldWithTheNearest) {
  const Problem problem = model_not_found("smolm2", "smollm2");
  EXPECT_EQ(http_status(problem), 404);
  EXPECT_EQ(body_of(problem)["code"], "model_not_found");
  EXPECT_NE(problem.message.find("Did you mean `smollm2`?"), std::string::npos);
  EXPECT_LT(model_not_found(std::string(100'000, 'x'), "").message.size(), 300U);
}

TEST(Problems, RefusalsNameRulesAndFacts) {
  const Problem problem = refused_by_gate(
      {{.site = "ashburn", .rule = "eu-stays", .requirement = "in the EU", .facts = {"in the US"}},
       {.site = "lyon", .rule = "eu-stays", .requirement = "in the EU", .facts = {}}});
  EXPECT_EQ(http_status(problem), 403);
  const json error = body_of(problem);
  EXPECT_EQ(error["hanse"]["refusals"][0]["site"], "ashburn");
  EXPECT_EQ(error["hanse"]["refusals"][0]["facts"][0], "in the US");
  EXPECT_EQ(error["hanse"]["refusals"].size(), 2U);
  EXPECT_NE(problem.message.find("eu-stays"), std::string::npos);
}

TEST(Problems, UnauthenticatedClientsAreToldHow) {
  const Problem problem{.kind = ProblemKind::unauthenticated, .message = "no key"};
  EXPECT_EQ(header(problem, "www-authenticate"), "Bearer");
}

TEST(Problems, OfFailuresSayWhoseFault) {
  struct Row {
    Failure failure;
    std::int32_t status;
  };
  for (const Row& row :
       {Row{Failure::unreachable, 503}, Row{Failure::tls, 502}, Row{Failure::silent, 504},
        Row{Failure::stalled, 504}, Row{Failure::reset, 502}, Row{Failure::bad_answer, 502},
        Row{Failure::rate_limited, 429}, Row{Failure::overloaded, 503},
        Row{Failure::server_error, 502}, Row{Failure::credentials, 502},
        Row{Failure::model_missing, 502}, Row{Failure::context_exceeded, 400},
        Row{Failure::content_filter, 400}, Row{Failure::client_request, 400},
        Row{Failure::error_event, 502}, Row{Failure::oversize, 502}}) {
    answer::FailureReport report;
    report.failure = row.failure;
    report.site_message = "10.0.0.7: secret of the site";
    const Problem problem = from_failure(report);
    EXPECT_EQ(http_status(problem), row.status) << to_string(row.failure);
    EXPECT_FALSE(problem.message.empty());
    EXPECT_EQ(problem.message.find("10.0.0.7"), std::string::npos);
  }
}

TEST(Problems, TheClientsOwnMistakesKeepTheSitesWords) {
  answer::FailureReport report;
  report.failure = Failure::context_exceeded;
  report.client_message = "request (931 tokens) exceeds the available context size (768 tokens)";
  report.client_code = "context_length_exceeded";
  const json error = body_of(from_failure(report));
  EXPECT_EQ(error["code"], "context_length_exceeded");
  EXPECT_EQ(error["message"], report.client_message);
}

// A client looks at headers, a person at the body: they say the same.
TEST(Problems, SayWhichRequestTheyAreAboutInHeadersAndBody) {
  Problem problem = bad_request("no");
  EXPECT_EQ(header(problem, "x-request-id"), "");
  EXPECT_EQ(header(problem, "hanse-attempts"), "");
  EXPECT_FALSE(body_of(problem)["hanse"].contains("attempts"));

  problem.request_id = "rej_1";
  problem.traceparent = "00-a-b-01";
  problem.site = "lyon";
  problem.attempts = 0;
  EXPECT_EQ(header(problem, "content-type"), "application/json");
  EXPECT_EQ(header(problem, "x-request-id"), "rej_1");
  EXPECT_EQ(header(problem, "traceparent"), "00-a-b-01");
  EXPECT_EQ(header(problem, "hanse-site"), "lyon");
  EXPECT_EQ(header(problem, "hanse-attempts"), "0");
  const json hanse = body_of(problem)["hanse"];
  EXPECT_EQ(hanse["request_id"], "rej_1");
  EXPECT_EQ(hanse["site"], "lyon");
  EXPECT_EQ(hanse["attempts"], 0);
}

}  // namespace
}  // namespace hanse::api
