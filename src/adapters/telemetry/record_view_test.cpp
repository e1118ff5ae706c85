#include "adapters/telemetry/record_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "adapters/telemetry/terminal.h"
#include "adapters/telemetry/testing/example_records.h"
#include "core/gate/gate.h"

namespace hanse::telemetry {
namespace {

using dispatch::Exclusion;
using dispatch::Record;
using ::testing::ElementsAre;
using testing::FourSites;
using ::testing::HasSubstr;
using ::testing::Not;

const ledger::Currency kEuro{{'E', 'U', 'R'}};

Result<RecordView> try_view(const Record& record, const FourSites& grid,
                            const dispatch::RecordExtras& extras = {}) {
  const dispatch::Snapshot& snapshot = grid.snapshot();
  const gate::Gate gate(snapshot.catalog, snapshot.fleet, snapshot.policies, snapshot.labels);
  const auto verdicts =
      gate.explain({.policy = PolicyId(0), .labels = record.labels}, record.arrived_at.wall);
  return make_view(record, extras, snapshot, verdicts, {{}, record.number}, kEuro);
}

RecordView view_of(const Record& record, const FourSites& grid,
                   const dispatch::RecordExtras& extras = {}) {
  return try_view(record, grid, extras).value();
}

std::vector<std::string> sites_with_verdicts(const RecordView& view) {
  std::vector<std::string> list;
  for (const SiteView& site : view.sites) list.push_back(site.site + " " + site.verdict);
  return list;
}

TEST(RecordView, SaysWhoAskedForWhatAndWhoMayServeIt) {
  const FourSites grid;
  dispatch::RecordExtras extras;
  extras.trace_id.fill(0x4B);
  extras.client_request_id = "job-17";
  const RecordView view = view_of(testing::answered_record(grid), grid, extras);
  EXPECT_EQ(view.tenant, "acme");
  EXPECT_EQ(view.project, "web");
  EXPECT_EQ(view.key, "laptop");
  EXPECT_EQ(view.labels, "personal; subjects=EU");
  EXPECT_EQ(view.trace_id, "4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b4b");
  EXPECT_EQ(view.client_request_id, "job-17");
  EXPECT_EQ(view.first_token, milliseconds(161) + microseconds(30));
  EXPECT_THAT(sites_with_verdicts(view), ElementsAre("hamburg answered", "lyon passed_over",
                                                     "ashburn refused", "frankfurt refused"));
  EXPECT_EQ(view.sites[0].reason, "chosen by cheapest_within_objective out of 2");
  EXPECT_EQ(view.sites[1].reason, "costs more than hamburg, which meets the objective too");
  EXPECT_EQ(view.sites[1].predicted->cost, Money(20'700));
  EXPECT_EQ(view.sites[3].reason, "eu-personal-out-of-foreign-reach");
  EXPECT_EQ(view.bill.margin, Money(12'120 - 7'070));
}

TEST(RecordView, AFailedSiteSaysHowAndWhoTookOver) {
  const FourSites grid;
  const RecordView view = view_of(testing::rescued_record(grid), grid);
  EXPECT_THAT(sites_with_verdicts(view), ElementsAre("lyon answered", "hamburg failed",
                                                     "ashburn refused", "frankfurt refused"));
  EXPECT_EQ(view.sites[0].reason,
            "chosen by cheapest_within_objective out of 1, after hamburg failed");
  EXPECT_EQ(view.sites[1].reason, "broke off before the end (reset)");
  ASSERT_EQ(view.attempts.size(), 2U);
  EXPECT_EQ(view.attempts[0].outcome, "reset");
  EXPECT_EQ(view.attempts[0].first_token, std::nullopt);
  EXPECT_EQ(view.attempts[1].outcome, "answered");
  EXPECT_EQ(view.attempts[1].per_token, milliseconds(24));
  EXPECT_EQ(view.attempts[1].excluded.at(0).why, "tried");
  // The client waited for both attempts.
  EXPECT_EQ(view.first_token, milliseconds(12 + 161) + microseconds(30));
}

TEST(RecordView, ASiteWhoseCircuitWasOpenSaysSo) {
  const FourSites grid;
  Record record = testing::answered_record(grid);
  record.attempts[0].decision.best = {};
  record.attempts[0].decision.best.push(
      testing::answered_record(grid).attempts[0].decision.best[0]);
  record.attempts[0].excluded.push(
      {.site = grid.site("lyon"), .why = Exclusion::Why::circuit_open});
  const RecordView view = view_of(record, grid);
  EXPECT_EQ(view.sites[1].site, "lyon");
  EXPECT_EQ(view.sites[1].verdict, "circuit_open");
  EXPECT_EQ(view.sites[1].reason, "its circuit was open: it had been failing");
}

TEST(RecordView, WithoutAnAttemptNoSiteWasAsked) {
  const FourSites grid;
  Record record = testing::answered_record(grid);
  record.attempts.clear();
  record.end = dispatch::End::over_budget;
  const RecordView view = view_of(record, grid);
  EXPECT_EQ(view.sites[0].verdict, "not_asked");
  EXPECT_EQ(view.sites[0].reason, "no site was asked: over_budget");
  EXPECT_EQ(view.first_token, std::nullopt);
}

TEST(RecordView, AClientThatLeftCancelsItsAttempt) {
  const FourSites grid;
  Record record = testing::answered_record(grid);
  record.end = dispatch::End::client_gone;
  const RecordView view = view_of(record, grid);
  EXPECT_EQ(view.attempts[0].outcome, "cancelled");
  EXPECT_EQ(view.sites[0].verdict, "cancelled");
}

// The first attempt answers after all; its hedge is outrun.
TEST(RecordView, AHedgeThatIsOutrunIsNotTheAnswer) {
  const FourSites grid;
  Record record = testing::answered_record(grid);
  const std::string answered_by = view_of(record, grid).attempts.back().site;
  dispatch::AttemptRecord& hedge = record.attempts.push(record.attempts.back());
  hedge.hedge = hedge.outrun = true;
  hedge.first_token.reset();
  const RecordView view = view_of(record, grid);
  EXPECT_EQ(view.attempts.back().outcome, "cancelled");
  EXPECT_TRUE(view.attempts.back().hedge);
  EXPECT_EQ(view.told_by, answered_by);
  EXPECT_EQ(view.hedging, dispatch::Hedging::lost);
  EXPECT_NE(print(view).find("cancelled (hedge)"), std::string::npos);
}

TEST(RecordView, ASiteWithoutTheModelIsNoCandidate) {
  FourSites grid;
  grid.snapshot().fleet.offers[grid.offer("ashburn")].variant =
      grid.snapshot().catalog.variants.add(
          {.name = "other/q8", .model = ModelId(0), .precision = "q8"});
  const RecordView view = view_of(testing::answered_record(grid), grid);
  EXPECT_EQ(view.sites[3].site, "ashburn");
  EXPECT_EQ(view.sites[3].verdict, "no_offer");
  EXPECT_EQ(view.sites[3].reason, "does not offer smollm2");
}

TEST(RecordView, ARecordOfAnotherSnapshotIsRefused) {
  const FourSites grid;
  Record record = testing::answered_record(grid);
  record.attempts[0].site = SiteId(77);
  const auto view = try_view(record, grid);
  ASSERT_FALSE(view.has_value());
  EXPECT_EQ(view.error().code, ErrorCode::broken);
}

TEST(RecordView, AKeyThatAClientSentAsItsRequestIdIsNotShown) {
  const FourSites grid;
  dispatch::RecordExtras extras;
  extras.client_request_id = "hk-demo-acme-000000000000";
  const RecordView view = view_of(testing::answered_record(grid), grid, extras);
  EXPECT_THAT(to_json(view), Not(HasSubstr("hk-demo")));
  EXPECT_THAT(print(view), Not(HasSubstr("hk-demo")));
}

TEST(RecordJson, NamesCarryTheirUnitsAndAmountsAreDecimals) {
  const FourSites grid;
  const auto json = nlohmann::json::parse(to_json(view_of(testing::rescued_record(grid), grid)));
  EXPECT_EQ(json["outcome"], "answered");
  EXPECT_EQ(json["currency"], "EUR");
  EXPECT_EQ(json["took_ns"], 654'000'000);
  EXPECT_EQ(json["arrived_at"], "2026-11-23T04:36:01.250Z");
  EXPECT_EQ(json["asked"]["output_tokens_limit"], 64);
  EXPECT_EQ(json["objective"]["first_token_ns"], 1'500'000'000);
  EXPECT_EQ(json["strategy"], "cheapest_within_objective");
  EXPECT_FALSE(json.contains("trace_id"));

  const auto& lyon = json["sites"][0];
  EXPECT_EQ(lyon["site"], "lyon");
  EXPECT_EQ(lyon["predicted"]["cost"], "0.0000207");
  EXPECT_EQ(lyon["within_objective"], true);
  const auto& frankfurt = json["sites"][3];
  EXPECT_EQ(frankfurt["supplier_home"], "DE");
  EXPECT_EQ(frankfurt["permitted"], false);
  EXPECT_EQ(frankfurt["refusals"][0]["rule"], "eu-personal-out-of-foreign-reach");
  EXPECT_THAT(frankfurt["refusals"][0]["facts"][0].get<std::string>(),
              HasSubstr("Atlantic Cloud, Inc."));
  EXPECT_FALSE(frankfurt.contains("predicted"));

  const auto& failed = json["attempts"][0];
  EXPECT_EQ(failed["outcome"], "reset");
  EXPECT_FALSE(failed["measured"].contains("first_token_ns"));
  EXPECT_EQ(failed["measured"]["took_ns"], 12'000'000);
  const auto& answered = json["attempts"][1];
  EXPECT_EQ(answered["measured"]["per_token_ns"], 24'000'000);
  EXPECT_EQ(answered["tokens"]["output"], 21);
  EXPECT_EQ(answered["owed"], "0.00000909");

  EXPECT_EQ(json["bill"]["charged"], "0.00001212");
  EXPECT_EQ(json["bill"]["margin"], "0.00000303");
  EXPECT_EQ(to_json(view_of(testing::rescued_record(grid), grid)).find('\n'), std::string::npos);
}

TEST(RecordText, ReadsAsAPersonWouldTellIt) {
  const FourSites grid;
  const std::string text = print(view_of(testing::rescued_record(grid), grid));
  for (const std::string_view part : {
           "answered by lyon in 654 ms",
           "acme / web / laptop (Acme Machines AG)",
           "personal; subjects=EU",
           "Sites  2 permitted and 2 refused of those that offer smollm2",
           "lyon       FR     Rhone Calcul SAS             answered       151 ms      25 ms",
           "hamburg    broke off before the end (reset)",
           "frankfurt  eu-personal-out-of-foreign-reach: the site may not be reached",
           "- US reaches it: Atlantic Cloud, Inc. (home US) controls Atlantic Cloud Germany GmbH",
           "lyon     answered  161 ms (151 ms)  24 ms (25 ms)  641 ms  38+21   0.00000909",
           "suppliers  0.00000909  owed to Rhone Calcul SAS",
           "margin     0.00000303  charged less owed",
       }) {
    EXPECT_THAT(text, HasSubstr(std::string(part)));
  }
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(RecordText, ARefusedRequestSaysThatNobodyWasContacted) {
  const FourSites grid;
  const std::string text = print(view_of(testing::refused_record(grid), grid));
  EXPECT_THAT(text, HasSubstr("refused: no site may serve it, after 21 us"));
  EXPECT_THAT(text, HasSubstr("none: no site was contacted"));
  EXPECT_THAT(text, HasSubstr("hamburg    health-needs-hds: the site must hold HDS, in force"));
  EXPECT_THAT(text, HasSubstr("nobody is owed anything"));
}

TEST(RecordText, FitsItsColumns) {
  const FourSites grid;
  for (const Record& record : {testing::answered_record(grid), testing::rescued_record(grid),
                               testing::refused_record(grid)}) {
    for (const std::size_t columns : {std::size_t{80}, std::size_t{100}, std::size_t{140}}) {
      std::istringstream text(print(view_of(record, grid), {.colour = false, .columns = columns}));
      for (std::string line; std::getline(text, line);) {
        // The first line is as long as an id and a verdict are.
        if (!line.starts_with("req_")) EXPECT_LE(columns_of(line), columns) << line;
        EXPECT_FALSE(line.ends_with(' ')) << line;
      }
    }
  }
}

TEST(RecordText, ColourChangesNothingButColours) {
  const FourSites grid;
  const RecordView view = view_of(testing::rescued_record(grid), grid);
  const std::string coloured = print(view, {.colour = true});
  std::string plain;
  for (std::size_t i = 0; i < coloured.size(); ++i) {
    if (coloured[i] == '\x1b') {
      i = coloured.find('m', i);
    } else {
      plain += coloured[i];
    }
  }
  // Blanks behind a painted cell may stay.
  std::istringstream a(plain);
  std::istringstream b(print(view));
  for (std::string line, expected; std::getline(a, line) && std::getline(b, expected);) {
    line.resize(line.find_last_not_of(' ') + 1);
    EXPECT_EQ(line, expected);
  }
}

TEST(RecordText, ALargeGridIsCutAndCounted) {
  const FourSites grid;
  const RecordView view = view_of(testing::answered_record(grid), grid);
  const std::string text = print(view, {.columns = 100, .sites_max = 2});
  EXPECT_THAT(text, HasSubstr("  and 2 more\n"));
  EXPECT_THAT(text, Not(HasSubstr("frankfurt")));
}

TEST(RecordText, ALineForLists) {
  const FourSites grid;
  const std::string line = print_line(view_of(testing::answered_record(grid), grid));
  EXPECT_THAT(line, HasSubstr("2026-11-23T04:36:01.250Z  req_"));
  EXPECT_THAT(line, HasSubstr("answered           hamburg"));
  EXPECT_EQ(line.find('\n'), std::string::npos);
}

TEST(Terminal, WrapsAtWordsBehindAHead) {
  EXPECT_EQ(wrapped("head: ", "one two three", 14), "head: one two\n      three\n");
  EXPECT_EQ(wrapped("- ", "unbreakably-long-word", 10), "- unbreakably-long-word\n");
  EXPECT_EQ(wrapped("- ", "", 10), "- \n");
}

TEST(Terminal, CountsCharactersNotBytes) {
  EXPECT_EQ(columns_of("Rh\u00f4ne"), 5U);
  EXPECT_EQ(shortened("Rh\u00f4ne", 5), "Rh\u00f4ne");
  EXPECT_EQ(shortened("Rh\u00f4ne", 4), "Rh\u00f4\u2026");
}

}  // namespace
}  // namespace hanse::telemetry
