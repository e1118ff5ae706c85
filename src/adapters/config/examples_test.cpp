// The files of config/ are what a newcomer copies: each loads without an
// error or a warning and says what it shows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "adapters/config/load.h"
#include "adapters/config/testing/texts.h"

namespace hanse::config {
namespace {

using testing::ElementsAre;
using testing::IsSupersetOf;

std::vector<std::filesystem::path> examples() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(source_dir() / "config")) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

Loaded load_example(std::string_view name) {
  const std::filesystem::path file = source_dir() / "config" / name;
  return load(std::span(&file, 1), surroundings());
}

class Example : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(Example, LoadsWithoutErrorOrWarning) {
  const Loaded loaded = load(std::span(&GetParam(), 1), surroundings());
  EXPECT_EQ(render(loaded.diagnostics, Colour::off), "");
  EXPECT_NE(loaded.configuration, nullptr);
}

TEST_P(Example, CanonicalTextLoadsToTheSameDigest) {
  const Loaded loaded = load(std::span(&GetParam(), 1), surroundings());
  ASSERT_NE(loaded.configuration, nullptr);
  const Loaded again = load_text(GetParam().string(), loaded.canonical, surroundings());
  EXPECT_EQ(render(again.diagnostics, Colour::off), "");
  ASSERT_NE(again.configuration, nullptr);
  EXPECT_EQ(again.canonical, loaded.canonical);
  EXPECT_EQ(again.configuration->digest, loaded.configuration->digest);
}

INSTANTIATE_TEST_SUITE_P(Config, Example, testing::ValuesIn(examples()), [](const auto& info) {
  std::string name = info.param.stem().string();
  std::ranges::replace(name, '-', '_');
  return name;
});

TEST(Examples, TheOnesThatTheDocumentsSpeakOfExist) {
  std::vector<std::string> names;
  for (const auto& file : examples()) names.push_back(file.filename().string());
  EXPECT_THAT(names, IsSupersetOf({"four-sites.toml", "hosted-and-own.toml", "minimal.toml"}));
}

TEST(Examples, FourSitesSayWhatTheWalkNeeds) {
  const Loaded loaded = load_example("four-sites.toml");
  ASSERT_NE(loaded.configuration, nullptr);
  const Configuration& configuration = *loaded.configuration;

  std::vector<std::string> sites;
  for (const fleet::Site& site : configuration.fleet.sites) sites.push_back(site.name);
  EXPECT_THAT(sites, ElementsAre("ashburn", "frankfurt", "hamburg", "lyon"));

  const fleet::Site& frankfurt = configuration.fleet.sites[SiteId(1)];
  EXPECT_EQ(frankfurt.place, fleet::Code("DE"));
  const fleet::Supplier& operator_of = configuration.fleet.suppliers[frankfurt.supplier];
  ASSERT_EQ(operator_of.parents.size(), 1U);
  EXPECT_EQ(operator_of.parents[0].share_ppm, 1'000'000);
  EXPECT_EQ(configuration.fleet.suppliers[operator_of.parents[0].holder].home, fleet::Code("US"));

  const fleet::Offer& offer =
      configuration.fleet.offers[*configuration.fleet.offers.find("lyon/smollm2-135m-instruct/q4")];
  EXPECT_EQ(offer.upstream_model, "smollm2");
  EXPECT_EQ(offer.prices[TokenKind::prompt], TokenPrice(90'000));
  EXPECT_EQ(offer.prices[TokenKind::cached_read], TokenPrice(23'000));
  // Kinds that are not priced cost what their like costs.
  EXPECT_EQ(offer.prices[TokenKind::cache_write], TokenPrice(90'000));
  EXPECT_EQ(offer.prices[TokenKind::reasoning], TokenPrice(270'000));
  EXPECT_EQ(configuration.fleet.links[3].round_trip, milliseconds(14));
}

TEST(Examples, FourSitesHaveTenantsWithKeysAndBudgets) {
  const Loaded loaded = load_example("four-sites.toml");
  ASSERT_NE(loaded.configuration, nullptr);
  const limits::Tenants& tenants = loaded.configuration->tenants;
  const limits::Key& laptop = tenants.keys[*tenants.keys.find("acme/web/laptop")];
  EXPECT_EQ(laptop.digest, sha256("hk-demo-acme-000000000000"));
  const limits::Tenant& acme = tenants.tenants[laptop.tenant];
  EXPECT_EQ(acme.budget, Money(25 * kNanosPerUnit));
  EXPECT_EQ(acme.output_tokens_default, Tokens(256));
  EXPECT_EQ(acme.default_labels, 0U);
  EXPECT_EQ(loaded.configuration->policies[acme.policy].rules.size(), 3U);
}

TEST(Examples, PathsAreRelativeToTheirFile) {
  const Loaded loaded = load_example("four-sites.toml");
  ASSERT_NE(loaded.configuration, nullptr);
  EXPECT_EQ(loaded.configuration->gateway.data_dir, source_dir() / "build/grid/data");
  EXPECT_EQ(loaded.configuration->gateway.admin.text(), "127.0.0.1:8412");
}

TEST(Examples, TheHostedOnePaysItsSupplierInTheGatewaysCurrency) {
  const Loaded loaded = load_example("hosted-and-own.toml");
  ASSERT_NE(loaded.configuration, nullptr);
  const fleet::Fleet& fleet = loaded.configuration->fleet;
  const fleet::Offer& hosted = fleet.offers[*fleet.offers.find("far/text-large/hosted")];
  EXPECT_EQ(hosted.prices[TokenKind::prompt], TokenPrice(2'760'000));  // 3.00 USD at 0.92
  EXPECT_EQ(fleet.sites[hosted.site].engine.credential_env, "FAR_AI_API_KEY");
  EXPECT_FALSE(fleet.suppliers[fleet.sites[hosted.site].supplier].parents_known);
}

}  // namespace
}  // namespace hanse::config
