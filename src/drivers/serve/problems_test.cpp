#include "drivers/serve/problems.h"

#include <gtest/gtest.h>

#include <set>

#include "adapters/http/framing_rules.h"
#include "core/dispatch/testing/small_grid.h"

namespace hanse::serve {
namespace {

namespace refusals = http::refusals;
using dispatch::End;
using dispatch::Snapshot;
using dispatch::testing::small_grid;

KeyId key_of(const Snapshot& snapshot, std::string_view tenant) {
  return *snapshot.tenants.keys.find(std::string(tenant) + "/web/laptop");
}

api::Problem told(const Snapshot& snapshot, End end, const dispatch::Refuse& action) {
  dispatch::Record record;
  record.key = key_of(snapshot, "acme");
  record.tenant = snapshot.tenants.keys[record.key].tenant;
  record.end = end;
  return problem_of(record, action, nullptr, snapshot);
}

std::string should_retry(const api::Problem& problem) {
  for (const api::HttpHeader& header : api::headers_of(problem)) {
    if (header.name == "x-should-retry") return header.value;
  }
  return "";
}

TEST(Problems, ARateIsToldWithItsOwnerAndItsNumber) {
  const limits::RateRefusal refusal{limits::Level::key, limits::Limit::tokens_per_minute, 1'000,
                                    seconds(6)};
  const api::Problem problem =
      told(small_grid(), End::over_rate,
           {.request = {}, .retry_after = refusal.retry_after, .rate = refusal});
  EXPECT_NE(problem.message.find("key acme/web/laptop: 1000 tokens a minute"), std::string::npos);
  EXPECT_EQ(problem.retry_after, seconds(6));
  EXPECT_EQ(should_retry(problem), "true");
}

// It was told to try again in a second, for ever.
TEST(Problems, ARequestLargerThanARateAllowsIsNotToldToComeAgain) {
  const limits::RateRefusal refusal{limits::Level::project, limits::Limit::tokens_per_minute, 100,
                                    std::nullopt};
  const api::Problem problem =
      told(small_grid(), End::over_rate, {.request = {}, .retry_after = {}, .rate = refusal});
  EXPECT_EQ(api::http_status(problem), 429);
  EXPECT_NE(problem.message.find("project acme/web: 100 tokens a minute"), std::string::npos);
  EXPECT_EQ(problem.retry_after, std::nullopt);
  EXPECT_EQ(should_retry(problem), "false");
}

TEST(Problems, TheBudgetAtItsEndIsNamed) {
  for (const auto& [level, name] : {std::pair{limits::Level::tenant, "tenant acme"},
                                    std::pair{limits::Level::project, "project acme/web"},
                                    std::pair{limits::Level::key, "key acme/web/laptop"}}) {
    const api::Problem problem =
        told(small_grid(), End::over_budget, {.request = {}, .retry_after = {}, .budget = level});
    EXPECT_NE(problem.message.find(std::string("budget of ") + name + " "), std::string::npos)
        << problem.message;
  }
}

// The site that still answered when the time was over was told of as too slow.
TEST(Problems, ATimeLimitInMidAnswerIsNoSitesFault) {
  const Snapshot snapshot = small_grid();
  dispatch::Record record;
  record.key = key_of(snapshot, "acme");
  record.latency_class = ClassId(0);
  record.end = End::out_of_time;
  answer::FailureReport report;
  report.failure = answer::Failure::stalled;
  dispatch::Refuse action{.request = {}, .retry_after = {}, .last_failure = report.failure};
  const api::Problem late = problem_of(record, action, &report, snapshot);
  EXPECT_EQ(api::http_status(late), 504);
  EXPECT_EQ(api::row_of(late.kind).code, "time_limit_passed");
  EXPECT_EQ(api::row_of(late.kind).fault, Fault::us);
  EXPECT_NE(late.message.find(snapshot.catalog.classes[record.latency_class].name),
            std::string::npos);
  EXPECT_EQ(should_retry(late), "false");

  // A site that said nothing at all is to blame.
  action.last_failure = answer::Failure::silent;
  EXPECT_EQ(api::row_of(problem_of(record, action, nullptr, snapshot).kind).code, "site_timed_out");
  // So is one that stalls while there is time.
  record.end = End::cut;
  EXPECT_EQ(api::row_of(problem_of(record, action, &report, snapshot).kind).code, "site_timed_out");
}

// A tenant of another price book must not learn what the others are sold.
TEST(Problems, OnlyModelsThatTheTenantMayBuyAreSuggested) {
  Snapshot snapshot = small_grid();
  const AliasId exact = *snapshot.catalog.aliases.find("exact");
  catalog::PriceBook all = *snapshot.catalog.price_books.begin();
  all.name = "without exact";
  all.prices[exact.value()].reset();
  const PriceBookId book = snapshot.catalog.price_books.add(std::move(all));
  snapshot.tenants.tenants[*snapshot.tenants.tenants.find("poor")].price_book = book;
  answer::Question question;

  const auto message = [&](std::string_view asked, std::string_view tenant) {
    question.model = asked;
    const auto described = describe(question, snapshot, key_of(snapshot, tenant), std::nullopt);
    return described ? "" : described.error().message;
  };
  EXPECT_NE(message("exct", "acme").find("Did you mean `exact`?"), std::string::npos);
  EXPECT_EQ(message("exact", "acme"), "");
  EXPECT_EQ(message("exct", "poor").find("Did you mean"), std::string::npos);
  EXPECT_NE(message("exact", "poor"), "");
  EXPECT_EQ(message("exact", "poor").find("Did you mean"), std::string::npos);
}

TEST(Problems, AnUnknownLatencyClassIsToldWithThoseThatThereAre) {
  const Snapshot snapshot = small_grid();
  answer::Question question;
  question.model = "any";
  const KeyId key = key_of(snapshot, "acme");
  EXPECT_EQ(describe(question, snapshot, key, "batch")->latency_class,
            *snapshot.catalog.classes.find("batch"));
  const auto unknown = describe(question, snapshot, key, "fast");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().param, "hanse-class");
  EXPECT_NE(unknown.error().message.find("interactive, batch"), std::string::npos);
}

TEST(Problems, RefusalsOfTheHttpServerAreInTheTableToo) {
  for (const http::Refusal& refusal :
       {refusals::kBadRequestLine, refusals::kBadMethod,          refusals::kMethodNotImplemented,
        refusals::kBadTarget,      refusals::kTargetTooLong,      refusals::kBadVersion,
        refusals::kBadField,       refusals::kHeadTooLarge,       refusals::kTooManyFields,
        refusals::kNoHost,         refusals::kBadCoding,          refusals::kBadChunk,
        refusals::kBodyTooLarge,   refusals::kTrailersTooLarge,   refusals::kCutShort,
        refusals::kBadExpectation, refusals::kNoMemory,           refusals::kHeadTimedOut,
        refusals::kBodyTimedOut,   refusals::kTooManyConnections, refusals::kDraining}) {
    const api::Problem problem = problem_of(refusal);
    EXPECT_EQ(api::http_status(problem), refusal.status) << refusal.code;
    EXPECT_EQ(problem.message, refusal.message);
  }
  EXPECT_EQ(api::row_of(problem_of(refusals::kHeadTimedOut).kind).code, "request_timeout");
  EXPECT_EQ(api::row_of(problem_of(refusals::kTooManyConnections).kind).code, "overloaded");
  EXPECT_EQ(api::row_of(problem_of(refusals::kDraining).kind).code, "draining");
  const api::Problem full = problem_of(refusals::kNoMemory);
  EXPECT_EQ(api::row_of(full.kind).type, "server_error");
  EXPECT_TRUE(full.retry_after.has_value());
}

}  // namespace
}  // namespace hanse::serve
