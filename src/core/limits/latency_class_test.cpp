#include "core/limits/latency_class.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace hanse::limits {
namespace {

TEST(LatencyClass, TheClientsWordGoesBeforeTheKeysBeforeTheAliass) {
  catalog::Catalog catalog;
  const ClassId interactive =
      catalog.classes.add({"interactive", milliseconds(500), milliseconds(50), seconds(60)});
  const ClassId batch = catalog.classes.add({"batch", seconds(30), seconds(1), seconds(600)});
  const AliasId alias = catalog.aliases.add({"small", ModelId(0), {}, interactive});
  Key plain;
  Key nightly;
  nightly.latency_class = batch;

  EXPECT_EQ(resolve_class(catalog, plain, alias, std::nullopt), interactive);
  EXPECT_EQ(resolve_class(catalog, nightly, alias, std::nullopt), batch);
  EXPECT_EQ(resolve_class(catalog, nightly, alias, "interactive"), interactive);

  const auto unknown = resolve_class(catalog, plain, alias, "fast\n");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error().code, ErrorCode::invalid_input);
  EXPECT_EQ(unknown.error().message,
            "there is no latency class \"fast?\"; there are interactive, batch");
}

}  // namespace
}  // namespace hanse::limits
