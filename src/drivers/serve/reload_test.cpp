#include "drivers/serve/reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hanse::serve {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Reload, WhatIsTheSameOrMayChangeIsNotNamed) {
  config::Configuration before;
  config::Configuration now;
  now.gateway.strategy = "round_robin";
  now.gateway.drain_limit = seconds(7);
  EXPECT_THAT(keys_that_cannot_change(before, now), IsEmpty());
  EXPECT_THAT(keys_that_wait(before, now), IsEmpty());
}

TEST(Reload, TheBooksCurrencyAndFolderStay) {
  config::Configuration before;
  before.gateway.currency = "EUR";
  config::Configuration now = before;
  now.gateway.currency = "USD";
  now.gateway.data_dir = "elsewhere";
  EXPECT_THAT(keys_that_cannot_change(before, now),
              ElementsAre("gateway.currency", "gateway.data_dir"));
}

TEST(Reload, AnotherCertificateIsTakenButNotTheFirstOrNone) {
  config::Configuration plain;
  config::Configuration tls;
  tls.gateway.tls_certificate_file = "a.pem";
  config::Configuration renewed;
  renewed.gateway.tls_certificate_file = "b.pem";
  EXPECT_EQ(keys_that_cannot_change(plain, tls).size(), 1U);
  EXPECT_EQ(keys_that_cannot_change(tls, plain).size(), 1U);
  EXPECT_THAT(keys_that_cannot_change(tls, renewed), IsEmpty());
}

TEST(Reload, WhatWaitsForARestartIsNamed) {
  config::Configuration before;
  config::Configuration now;
  now.gateway.name = "north";
  now.gateway.admin.port = 1;
  now.http.connections_max = 1;
  now.limits.requests_max = 1;
  now.health.probe_interval = seconds(7);
  now.telemetry.log_file = "x";
  EXPECT_THAT(keys_that_wait(before, now), ElementsAre("gateway.name", "gateway.admin", "http",
                                                       "limits", "health", "telemetry"));
}

}  // namespace
}  // namespace hanse::serve
