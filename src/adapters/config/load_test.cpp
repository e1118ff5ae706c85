#include "adapters/config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "adapters/config/testing/texts.h"

namespace hanse::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// The least that is right, in the three parts that the golden files use.
std::string part(std::string_view name) {
  return read_text(source_dir() / "tests" / "config" / "with" / (std::string(name) + ".toml"));
}
std::string least() { return part("gateway") + part("grid") + part("tenant"); }

Loaded load_least_and(std::string_view more) {
  return load_text("test.toml", least() + std::string(more), surroundings());
}

Sha256 digest_of(std::string_view text) {
  const Loaded loaded = load_text("test.toml", text, surroundings());
  EXPECT_EQ(render(loaded.diagnostics, Colour::off), "");
  return loaded.configuration == nullptr ? Sha256() : loaded.configuration->digest;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

TEST(Load, DefaultsHoldForWhatIsLeftOut) {
  const Loaded loaded = load_least_and("");
  ASSERT_NE(loaded.configuration, nullptr);
  const Configuration& configuration = *loaded.configuration;
  EXPECT_EQ(configuration.gateway.name, "hanse");
  ASSERT_EQ(configuration.gateway.listen.size(), 1U);
  EXPECT_EQ(configuration.gateway.listen[0].text(), "127.0.0.1:8411");
  EXPECT_EQ(configuration.gateway.admin.text(), "unix:data/admin.sock");
  EXPECT_EQ(configuration.gateway.strategy, "cheapest_within_objective");
  EXPECT_EQ(configuration.gateway.drain_limit, seconds(30));
  EXPECT_EQ(configuration.http.head_bytes_max, Bytes(32 * 1024));
  EXPECT_EQ(configuration.http.headers_max, 100);
  EXPECT_EQ(configuration.http.body_bytes_max, Bytes(16 * 1024 * 1024));
  EXPECT_EQ(configuration.limits, GatewayLimits());
  EXPECT_EQ(configuration.health, HealthOptions());
  EXPECT_EQ(configuration.ledger.durability, LedgerOptions::Durability::process);
  EXPECT_EQ(configuration.ledger.fsync_interval, milliseconds(10));
  EXPECT_TRUE(configuration.labels.find(gate::Dimension::data, "personal").has_value());
  EXPECT_EQ(configuration.policies.size(), 1U);
  const fleet::Offer& offer = configuration.fleet.offers[OfferId(0)];
  EXPECT_EQ(offer.upstream_model, "small");
  EXPECT_EQ(offer.profile.first_token, milliseconds(200));
  EXPECT_EQ(configuration.fleet.links[0].round_trip, Duration());
}

TEST(Load, BytesThatAreNotUtf8AreToldWhereTheyStand) {
  struct Row {
    std::string_view text;
    int line;
    int column;
  };
  for (const Row& row :
       {Row{"schema = 1\nx = \"a\xFF\"\n", 2, 7}, Row{"schema = 1\n\xFF = 1\n", 2, 1},
        Row{"schema = 1\r\n\xFF = 1\r\n", 2, 1}, Row{"# \xC3\xBC\xC3(\n", 1, 4}, Row{"\xFF", 1, 1},
        Row{"#\xFF", 1, 2}}) {
    const Loaded loaded = load_text("test.toml", row.text, surroundings());
    ASSERT_FALSE(loaded.diagnostics.empty());
    EXPECT_THAT(loaded.diagnostics[0].message, HasSubstr("utf-8"));
    EXPECT_EQ(loaded.diagnostics[0].line, row.line) << row.text;
    EXPECT_EQ(loaded.diagnostics[0].column, row.column) << row.text;
  }
}

TEST(Load, SeveralFilesAreOneConfiguration) {
  const std::vector<SourceText> texts = {
      {"a.toml", part("tenant")}, {"b.toml", part("grid")}, {"c.toml", part("gateway")}};
  const Loaded loaded = load_texts(texts, surroundings());
  EXPECT_EQ(render(loaded.diagnostics, Colour::off), "");
  ASSERT_NE(loaded.configuration, nullptr);
  EXPECT_EQ(loaded.configuration->digest, digest_of(least()));
}

TEST(Load, PathsOfSeveralFoldersAreEachRelativeToTheirOwn) {
  const std::string gateway = replaced(part("gateway"), "\"data\"", "\"../data\"");
  const std::string grid = replaced(part("grid"), "http://127.0.0.1:8423\"",
                                    "https://127.0.0.1:8423\", credential_file = \"keys/hamburg\"");
  const std::vector<SourceText> texts = {
      {"etc/main.toml", gateway}, {"etc/sites/hamburg.toml", grid}, {"etc/t.toml", part("tenant")}};
  const Loaded loaded = load_texts(texts, surroundings());
  EXPECT_EQ(render(loaded.diagnostics, Colour::off), "");
  ASSERT_NE(loaded.configuration, nullptr);
  EXPECT_EQ(loaded.configuration->gateway.data_dir, "data");
  EXPECT_EQ(loaded.configuration->fleet.sites[SiteId(0)].engine.credential_file,
            "etc/sites/keys/hamburg");
  EXPECT_THAT(loaded.canonical, HasSubstr("credential_file = \"sites/keys/hamburg\""));
}

TEST(Load, AFileThatCannotBeReadIsNamed) {
  const std::vector<std::filesystem::path> files = {"no-such-file.toml"};
  const Loaded loaded = load(files, surroundings());
  EXPECT_EQ(loaded.configuration, nullptr);
  ASSERT_EQ(loaded.diagnostics.size(), 1U);
  EXPECT_EQ(loaded.diagnostics[0].file, "no-such-file.toml");
  EXPECT_THAT(loaded.diagnostics[0].message, HasSubstr("No such file"));
}

TEST(Load, AFolderAndNoFileAtAllAreErrors) {
  const std::vector<std::filesystem::path> folder = {source_dir()};
  EXPECT_THAT(render(load(folder, surroundings()).diagnostics, Colour::off),
              HasSubstr("it is a folder"));
  EXPECT_THAT(render(load({}, surroundings()).diagnostics, Colour::off),
              HasSubstr("no configuration file is given"));
}

TEST(Load, WhatOtherModulesDefineIsAnArgument) {
  Surroundings given = surroundings();
  given.strategies = {"by_moonlight"};
  given.engine_kinds = {"llama.cpp"};
  const Loaded refused = load_text("test.toml", least(), given);
  EXPECT_THAT(render(refused.diagnostics, Colour::off),
              HasSubstr("there is no strategy 'cheapest_within_objective'"));
}

TEST(Load, ACertificateIsInForceOnItsLastDay) {
  const std::string text = replaced(
      least(), "slots = 4", "slots = 4\ncertificates = [{ name = \"C5\", valid_to = 2026-12-01 }]");
  Surroundings given = surroundings();
  EXPECT_TRUE(load_text("test.toml", text, given).diagnostics.empty());
  given.now = given.now + seconds(86'400);
  EXPECT_THAT(render(load_text("test.toml", text, given).diagnostics, Colour::off),
              HasSubstr("has expired"));
}

TEST(Load, RulesAllowTheUnionsLawWhereTheyAllowAMembers) {
  const Loaded loaded = load_least_and(R"(
[policy.p]
rules = [{ name = "r", require = { reach = "DE" }, deny = { place = "EU" } }]
)");
  ASSERT_NE(loaded.configuration, nullptr);
  const auto& policies = loaded.configuration->policies;
  const gate::Policy& policy = policies[*policies.find("p")];
  ASSERT_EQ(policy.rules[0].clauses.size(), 2U);
  EXPECT_THAT(policy.rules[0].clauses[0].codes, ElementsAre(fleet::Code("DE"), fleet::Code("EU")));
  EXPECT_EQ(policy.rules[0].clauses[1].codes.size(), 27U);
  EXPECT_EQ(policy.rules[0].clauses[1].area, "EU");
}

TEST(Load, AnErrorOfOneKindHidesNoneOfAnother) {
  const Loaded loaded = load_least_and(R"(
[chip.gpu]
nmae = "L4"
[class.c]
first_token = "2s"
per_token = "fast"
time_limit = "1s"
[alias.a]
model = "smal"
class = "c"
)");
  std::vector<std::string> paths;
  for (const Diagnostic& diagnostic : loaded.diagnostics) paths.push_back(diagnostic.path);
  EXPECT_THAT(paths, testing::UnorderedElementsAre("chip.gpu.nmae", "class.c.per_token",
                                                   "class.c.time_limit", "alias.a.model",
                                                   "price.standard.a"));
}

TEST(Load, MistakesBeyondCountingAreCounted) {
  std::string more;
  for (int i = 0; i < 2000; ++i) more += "[chip.c" + std::to_string(i) + "]\nx = 1\n";
  const Loaded loaded = load_least_and(more);
  EXPECT_EQ(loaded.configuration, nullptr);
  ASSERT_EQ(loaded.diagnostics.size(), 1001U);
  EXPECT_THAT(loaded.diagnostics.back().message, HasSubstr("1000 more are not shown"));
}

TEST(Digest, DoesNotDependOnLayoutOrderOrComments) {
  const Sha256 digest = digest_of(least());
  EXPECT_EQ(digest_of("# a comment\n" + least()), digest);
  EXPECT_EQ(digest_of(part("gateway") + part("tenant") + part("grid")), digest);
  EXPECT_EQ(digest_of(replaced(least(), "first_token = \"2s\"", "first_token = \"2000ms\"")),
            digest);
  EXPECT_EQ(digest_of(replaced(least(), "\"0.07\"", "\"0.070000\"")), digest);
  EXPECT_EQ(digest_of(replaced(least(), "parents = \"none\"", "parents = []")), digest);
  EXPECT_EQ(digest_of(replaced(least(), "slots = 4", "slots = 4\nretired = false")), digest);
  EXPECT_EQ(digest_of(replaced(least(), "slots = 4", "slots = 4\ncertificates = []")), digest);
  EXPECT_EQ(digest_of(replaced(least(), "data = \"none\"", "data = \"None\"")), digest);
  EXPECT_EQ(digest_of(least() + "[http]\n[ledger]\nfsync_interval = '10000us'\n"), digest);
  EXPECT_EQ(digest_of(replaced(least(), "price = { prompt = \"0.07\", output = \"0.21\" }",
                               "price.output = '0.21'\nprice.prompt = '0.07'\n"
                               "price.reasoning = '0.21'\nprofile = {}")),
            digest);
}

TEST(Digest, DependsOnWhatIsMeant) {
  const Sha256 digest = digest_of(least());
  EXPECT_NE(digest_of(replaced(least(), "\"0.07\"", "\"0.070001\"")), digest);
  EXPECT_NE(digest_of(replaced(least(), "slots = 4", "slots = 5")), digest);
  EXPECT_NE(digest_of(replaced(least(), "parents = \"none\"", "parents = \"unknown\"")), digest);
  EXPECT_NE(digest_of(replaced(least(), "127.0.0.1:8423", "127.0.0.1:8424")), digest);
  EXPECT_NE(digest_of(replaced(least(), "key.laptop", "key.desk")), digest);
}

TEST(Digest, OfListsDependsOnOrderOnlyWhereOrderMeansSomething) {
  const auto with = [](std::string_view certificates, std::string_view variants) {
    std::string text = replaced(least(), "slots = 4",
                                "slots = 4\ncertificates = [" + std::string(certificates) + "]");
    text = replaced(text, "[model.small.variant.q4]",
                    "[model.small.variant.q4]\n[model.small.variant.q8]");
    return digest_of(replaced(text, "model = \"small\"",
                              "model = \"small\"\nvariants = [" + std::string(variants) + "]"));
  };
  const std::string c5 = "{ name = \"C5\", valid_to = 2027-01-01 }";
  const std::string hds = "{ valid_to = 2028-01-01, name = \"HDS\" }";
  const Sha256 digest = with(c5 + ", " + hds, "'q4', 'q8'");
  EXPECT_EQ(with(hds + ", " + c5, "'q4', 'q8'"), digest);
  EXPECT_NE(with(c5 + ", " + hds, "'q8', 'q4'"), digest);
}

TEST(Canonical, TextLoadsToTheSameConfiguration) {
  const Loaded loaded = load_least_and(
      "[alias.\"open/ai:1\"]\nmodel='small'\nclass='chat'\n"
      "[price.standard.\"open/ai:1\"]\nsold=false\n"
      "[labels]\ncategories=[]\n"
      "[supplier.po]\nname='Po \"S.p.A.\" \\ \u00e8'\nhome='IT'\n"
      "parents=[{holder='elbe',share_percent=33.3}]\n");
  EXPECT_EQ(render(loaded.diagnostics, Colour::off), "");
  ASSERT_NE(loaded.configuration, nullptr);
  const Loaded again = load_text("test.toml", loaded.canonical, surroundings());
  EXPECT_EQ(render(again.diagnostics, Colour::off), "");
  EXPECT_EQ(again.canonical, loaded.canonical);
  EXPECT_EQ(sha256(loaded.canonical), loaded.configuration->digest);
}

TEST(LatencyClasses, AskForHedgesInPercent) {
  const auto class_with = [](std::string_view more) {
    return load_least_and("[class.brisk]\nfirst_token='1s'\nper_token='1s'\ntime_limit='9s'\n" +
                          std::string(more));
  };
  const auto budget_of = [](const Loaded& loaded) {
    const auto& classes = loaded.configuration->catalog.classes;
    return classes[*classes.find("brisk")].hedge_budget_ppm;
  };
  ASSERT_NE(class_with("").configuration, nullptr);
  EXPECT_EQ(budget_of(class_with("")), 0);
  EXPECT_EQ(budget_of(class_with("hedge_percent=2.5\n")), 25'000);
  for (const std::string_view wrong : {"0", "101", "'many'"}) {
    const Loaded loaded = class_with("hedge_percent=" + std::string(wrong) + "\n");
    EXPECT_EQ(loaded.configuration, nullptr) << wrong;
    EXPECT_NE(render(loaded.diagnostics, Colour::off).find("hedge_percent"), std::string::npos);
  }
}

TEST(Indices, FollowTheIdsAndNotTheFile) {
  const Loaded loaded = load_least_and(R"(
[supplier.alster]
home = "DE"
parents = "none"
[owner.bille]
home = "DE"
parents = "none"
)");
  ASSERT_NE(loaded.configuration, nullptr);
  std::vector<std::string> names;
  for (const auto& supplier : loaded.configuration->fleet.suppliers) names.push_back(supplier.name);
  EXPECT_THAT(names, ElementsAre("alster", "bille", "elbe"));
}

TEST(Render, IsSafeForATerminal) {
  const Diagnostic diagnostic{.severity = Diagnostic::Severity::error,
                              .file = "a\x1b[2J.toml",
                              .line = 1,
                              .column = 1,
                              .length = 1,
                              .path = "",
                              .message = "bad \x07 \xff",
                              .hint = "\xc2\x9b",
                              .source = "\ta\x1b[31m",
                              .related = {}};
  EXPECT_EQ(render(std::span(&diagnostic, 1), Colour::off),
            "a?[2J.toml:1:1: error: bad ? ?\n"
            "    1 |  a?[31m\n"
            "      | ^\n"
            "      = hint: ?\n"
            "1 error\n");
}

TEST(Render, ShowsAWindowOfALongLine) {
  Diagnostic diagnostic;
  diagnostic.file = "f";
  diagnostic.line = 1;
  diagnostic.column = 500;
  diagnostic.length = 3;
  diagnostic.source = std::string(499, '.') + "abc" + std::string(500, '-');
  const std::string text = render(std::span(&diagnostic, 1), Colour::off);
  EXPECT_THAT(text, HasSubstr("..abc--"));
  EXPECT_LT(text.size(), 400U);
  const std::size_t source_line = text.find("    1 | ");
  const std::size_t caret_line = text.find("      | ", source_line + 1);
  EXPECT_EQ(text.find("abc") - source_line, text.find('^') - caret_line);
  EXPECT_THAT(text, HasSubstr("^~~\n"));
}

TEST(Render, ColoursOnlyWhenAsked) {
  Diagnostic diagnostic;
  diagnostic.message = "m";
  EXPECT_EQ(render(std::span(&diagnostic, 1), Colour::off).find('\x1b'), std::string::npos);
  EXPECT_NE(render(std::span(&diagnostic, 1), Colour::on).find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace hanse::config
