#include "drivers/serve/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "adapters/telemetry/testing/example_records.h"

namespace hanse::serve {
namespace {

using dispatch::testing::FourSites;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TraceTest : public ::testing::Test {
 protected:
  ~TraceTest() override { std::filesystem::remove(file_); }

  // What a run of a whole request writes at `level`.
  std::string lines(telemetry::LogLevel level, const dispatch::Record& record) {
    auto log =
        telemetry::Log::open({.level = level, .file = file_, .now = [] { return WallTime(1); }})
            .value();
    const Trace trace(log, {});
    const FourSites grid;
    trace.attempt_opened(record, record.attempts.size() - 1, grid.snapshot());
    trace.attempt_ended(record, record.attempts.size() - 1, grid.snapshot());
    trace.attempt_cancelled(record, 0, grid.snapshot());
    trace.request_ended(record);
    trace.site_probed("hamburg", false);
    trace.turned_away("invalid_api_key");
    log.flush();
    std::ifstream in(file_);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const std::string file_ =
      ::testing::TempDir() + "hanse_trace_test." + std::to_string(::getpid()) + ".log";
};

TEST_F(TraceTest, SaysWhatBecameOfEachAttempt) {
  const std::string text =
      lines(telemetry::LogLevel::debug, telemetry::testing::rescued_record(FourSites()));
  EXPECT_THAT(text, HasSubstr("attempt opened request=req_"));
  EXPECT_THAT(text, HasSubstr("attempt=2 site=lyon first_token_limit_ms=10000 limit_ms=60000"));
  EXPECT_THAT(text, HasSubstr("site=lyon outcome=answered first_token_ms=161 took_ms=641"));
  EXPECT_THAT(text, HasSubstr("attempt cancelled"));
  EXPECT_THAT(text, HasSubstr("outcome=answered attempts=2 took_ms=654"));
  EXPECT_THAT(text, HasSubstr("site probed site=hamburg outcome=not_well"));
  EXPECT_THAT(text, HasSubstr("request turned away outcome=invalid_api_key"));
}

TEST_F(TraceTest, SaysNothingAtTheUsualLevel) {
  EXPECT_THAT(lines(telemetry::LogLevel::info, telemetry::testing::answered_record(FourSites())),
              IsEmpty());
}

}  // namespace
}  // namespace hanse::serve
