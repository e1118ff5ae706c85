#include "core/placement/load_book.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>
#include <utility>
#include <vector>

#include "core/placement/placement.h"
#include "core/placement/testing/small_grid.h"

namespace hanse::placement {
namespace {

using testing::demand;
using testing::empty_grid;
using testing::Grid;

constexpr OfferId kOffer{0};
constexpr MonotonicTime kStart{0};

// 100 tokens of prompt at 1,000 a second, 100 of output at 50 a second alone.
Grid one_offer(std::int32_t slots) {
  Grid grid = empty_grid();
  grid.add({.first_token = milliseconds(0), .round_trip = milliseconds(0), .slots = slots});
  return grid;
}

Prediction foretell(const Placement& placement) { return placement.predict(demand(), kOffer); }

// Sends one request and lets its first token come as promised.
Prediction send(Placement& placement) {
  const Prediction prediction = foretell(placement);
  placement.loads().started(kOffer, prediction);
  placement.loads().first_token(kOffer, prediction, prediction.promised_first_token, kStart);
  return prediction;
}

std::int64_t rounded_ms(Duration duration) { return (duration.count() + 500'000) / 1'000'000; }

TEST(LoadBook, APromptWaitsForThoseBeforeIt) {
  const Grid grid = one_offer(8);
  Placement placement = grid.placement();
  EXPECT_EQ(rounded_ms(foretell(placement).first_token), 100);
  const Prediction first = foretell(placement);
  placement.loads().started(kOffer, first);
  EXPECT_EQ(rounded_ms(foretell(placement).first_token), 200);
  placement.loads().first_token(kOffer, first, first.promised_first_token, kStart);
  EXPECT_EQ(rounded_ms(foretell(placement).first_token), 100);
}

TEST(LoadBook, TokensSlowDownEvenlyUntilTheSlotsAreFull) {
  const Grid grid = one_offer(4);
  Placement placement = grid.placement();
  std::vector<std::int64_t> pauses;
  for (int i = 0; i < 6; ++i) {
    pauses.push_back(rounded_ms(foretell(placement).per_token));
    send(placement);
  }
  EXPECT_EQ(pauses, (std::vector<std::int64_t>{20, 27, 33, 40, 40, 40}));
}

TEST(LoadBook, AFullSiteDecodesAsItsProfileSays) {
  Grid grid = empty_grid();
  grid.add({.decode_per_second = 50, .decode_per_second_full = 40, .slots = 2});
  Placement placement = grid.placement();
  EXPECT_EQ(rounded_ms(foretell(placement).per_token), 20);
  send(placement);
  EXPECT_EQ(rounded_ms(foretell(placement).per_token), 25);
}

TEST(LoadBook, PastTheSlotsARequestWaitsUntilOneIsFree) {
  const Grid grid = one_offer(2);
  Placement placement = grid.placement();
  send(placement);
  send(placement);
  // Two sequences of 100 tokens at 40 ms: one of them ends every two seconds.
  EXPECT_EQ(rounded_ms(foretell(placement).first_token), 100 + 2'000);
  send(placement);
  EXPECT_EQ(rounded_ms(foretell(placement).first_token), 100 + 4'000);
}

constexpr SiteId kSite{0};
constexpr std::int32_t kWhole = 1'000'000;

// Two slots. Nobody knows how long others' answers are: 256 tokens at 40 ms.
TEST(LoadBook, OthersInTheSlotsAreWaitedFor) {
  const Grid grid = one_offer(2);
  Placement placement = grid.placement();
  LoadBook& loads = placement.loads();
  loads.heed(kSite, {.sequences = 1, .weight_ppm = kWhole});
  EXPECT_EQ(rounded_ms(foretell(placement).first_token), 100) << "a slot is free";
  loads.heed(kSite, {.sequences = 2, .weight_ppm = kWhole});
  EXPECT_EQ(rounded_ms(foretell(placement).first_token), 100 + 5'120);
  EXPECT_EQ(rounded_ms(foretell(placement).others_wait), 5'120);
  EXPECT_EQ(rounded_ms(foretell(placement).promised_first_token), 100);
  loads.heed(kSite, {.sequences = 2, .weight_ppm = kWhole / 4});
  EXPECT_EQ(rounded_ms(foretell(placement).first_token), 100 + 1'280) << "as it grows old";
  loads.heed(kSite, {});
  EXPECT_EQ(rounded_ms(foretell(placement).first_token), 100);
  // With one of ours there, theirs are taken to be as long: 100 tokens.
  send(placement);
  loads.heed(kSite, {.sequences = 2, .weight_ppm = kWhole});
  EXPECT_EQ(rounded_ms(foretell(placement).first_token), 100 + 4'000);
}

TEST(LoadBook, AnEngineWithAQueueOrAFullCacheHasNoFreeSlot) {
  const Grid grid = one_offer(8);
  Placement placement = grid.placement();
  LoadBook& loads = placement.loads();
  loads.heed(kSite, {.sequences = 3, .waiting = 1, .weight_ppm = kWhole});
  // It works on two, and we come behind one.
  EXPECT_EQ(rounded_ms(foretell(placement).others_wait), 10'240);
  loads.heed(kSite, {.sequences = 2, .has_room = false, .weight_ppm = kWhole});
  EXPECT_EQ(rounded_ms(foretell(placement).others_wait), 5'120);
}

TEST(LoadBook, NoNumberBarsASite) {
  const Grid grid = one_offer(2);
  Placement placement = grid.placement();
  constexpr std::int32_t kMost = std::numeric_limits<std::int32_t>::max();
  placement.loads().heed(
      kSite, {.sequences = kMost, .waiting = kMost, .has_room = false, .weight_ppm = kWhole});
  EXPECT_EQ(foretell(placement).others_wait, kOthersWaitMost);
}

// A page that lies makes its site look busy while it lies; what comes of its
// requests must not make it look fast afterwards.
TEST(LoadBook, WhatWaitedForOthersTeachesNothing) {
  const Grid grid = one_offer(2);
  Placement placement = grid.placement();
  LoadBook& loads = placement.loads();
  loads.heed(kSite, {.sequences = 20, .weight_ppm = kWhole});
  for (int i = 0; i < 30; ++i) {
    const Prediction prediction = foretell(placement);
    loads.started(kOffer, prediction);
    loads.first_token(kOffer, prediction, milliseconds(100), kStart);
    loads.ended(kOffer, prediction, {.had_first_token = true}, kStart);
  }
  loads.heed(kSite, {});
  EXPECT_EQ(rounded_ms(foretell(placement).first_token), 100);
  EXPECT_EQ(loads.of(kOffer).first_token_spread, kSpreadUnknown);
}

RC_GTEST_PROP(LoadBook, OthersOnlyEverAdd, (std::uint8_t slots, std::uint8_t ours)) {
  const Grid grid = one_offer(1 + slots % 16);
  Placement placement = grid.placement();
  for (int i = 0; i < ours % 40; ++i) send(placement);
  const Prediction alone = foretell(placement);
  placement.loads().heed(kSite, {.sequences = *rc::gen::inRange(0, 100),
                                 .waiting = *rc::gen::inRange(0, 100),
                                 .has_room = *rc::gen::arbitrary<bool>(),
                                 .weight_ppm = *rc::gen::inRange(0, kWhole + 1)});
  const Prediction beside = foretell(placement);
  RC_ASSERT(beside.first_token - alone.first_token == beside.others_wait);
  RC_ASSERT(beside.others_wait >= Duration());
  RC_ASSERT(beside.others_wait <= kOthersWaitMost);
}

TEST(LoadBook, OffersOfOneSiteShareItsSlots) {
  Grid grid = one_offer(1);
  grid.add_offer(SiteId(0), {});
  Placement placement = grid.placement();
  const Prediction alone = placement.predict(demand(), OfferId(1));
  send(placement);
  EXPECT_GT(placement.predict(demand(), OfferId(1)).first_token, alone.first_token);
  EXPECT_EQ(placement.loads().of(OfferId(1)).sequences, 0);
}

TEST(LoadBook, WhatIsMeasuredCorrectsWhatIsForetold) {
  const Grid grid = one_offer(8);
  Placement placement = grid.placement();
  for (int i = 0; i < 60; ++i) {
    const Prediction prediction = foretell(placement);
    placement.loads().started(kOffer, prediction);
    placement.loads().first_token(kOffer, prediction, milliseconds(250), kStart);
    placement.loads().ended(
        kOffer, prediction,
        {.had_first_token = true, .output = Tokens(101), .decoding = seconds(3)}, kStart);
  }
  EXPECT_NEAR(static_cast<double>(rounded_ms(foretell(placement).first_token)), 250, 3);
  EXPECT_NEAR(static_cast<double>(rounded_ms(foretell(placement).per_token)), 30, 1);
  EXPECT_EQ(rounded_ms(foretell(placement).promised_first_token), 100);
}

// 100 tokens in 4 s, as promised twice over; for a while nobody took them. The
// site may have gone on meanwhile, or not.
TEST(LoadBook, TimeThatTheClientCostIsNotTheSites) {
  const auto correction_after = [](Duration decoding, Duration paused) {
    const Grid grid = one_offer(8);
    Placement placement = grid.placement();
    const Prediction prediction = foretell(placement);
    placement.loads().started(kOffer, prediction);
    placement.loads().first_token(kOffer, prediction, prediction.promised_first_token, kStart);
    placement.loads().ended(
        kOffer, prediction,
        {.had_first_token = true, .output = Tokens(101), .decoding = decoding, .paused = paused},
        kStart);
    return placement.loads().of(kOffer).per_token_correction;
  };
  EXPECT_EQ(correction_after(seconds(7), seconds(3)), correction_after(seconds(4), Duration(0)));
  EXPECT_NE(correction_after(seconds(8), seconds(4)), kOne);
  EXPECT_EQ(correction_after(seconds(8), milliseconds(4'001)), kOne) << "too little was measured";
  EXPECT_EQ(correction_after(seconds(8), seconds(8)), kOne);
}

// All were foretold with the same correction; each may move it an eighth of the
// way to the truth and none beyond.
TEST(LoadBook, ManyAttemptsUnderWayDoNotCorrectOneErrorManyTimes) {
  const Grid grid = one_offer(1'000);
  Placement placement = grid.placement();
  const Prediction prediction = foretell(placement);
  for (int i = 0; i < 100; ++i) placement.loads().started(kOffer, prediction);
  for (int i = 0; i < 100; ++i) {
    placement.loads().first_token(kOffer, prediction, milliseconds(200), kStart);
  }
  EXPECT_LE(placement.loads().of(kOffer).first_token_correction, 2 * kOne);
  EXPECT_GT(placement.loads().of(kOffer).first_token_correction, 2 * kOne - 16);
}

TEST(LoadBook, ACorrectionStaysWithinBoundsAndRelaxesWhenNothingIsMeasured) {
  const Grid grid = one_offer(8);
  Placement placement = grid.placement();
  for (int i = 0; i < 200; ++i) {
    const Prediction prediction = foretell(placement);
    placement.loads().started(kOffer, prediction);
    placement.loads().first_token(kOffer, prediction, seconds(3'600), kStart);
    placement.loads().ended(kOffer, prediction, {.had_first_token = true}, kStart);
  }
  const auto correction = [&] { return placement.loads().of(kOffer).first_token_correction; };
  EXPECT_LE(correction(), 16 * kOne);
  EXPECT_GT(correction(), 15 * kOne);

  placement.loads().relax(kStart + milliseconds(29'999));
  EXPECT_GT(correction(), 15 * kOne);
  placement.loads().relax(kStart + seconds(30));
  EXPECT_LT(correction(), 9 * kOne);
  for (int i = 1; i < 30; ++i) placement.loads().relax(kStart + seconds(30 + 30 * i));
  EXPECT_EQ(correction(), kOne);
  EXPECT_EQ(rounded_ms(foretell(placement).first_token), 100);
}

TEST(LoadBook, AnAttemptWithoutAFirstTokenTeachesNothing) {
  const Grid grid = one_offer(2);
  Placement placement = grid.placement();
  const Prediction prediction = foretell(placement);
  placement.loads().started(kOffer, prediction);
  placement.loads().ended(kOffer, prediction, {}, kStart);
  EXPECT_EQ(foretell(placement), prediction);
  EXPECT_EQ(placement.loads().of(kOffer).sequences, 0);
  EXPECT_EQ(placement.loads().of(kOffer).prefilling, 0);
}

// The limit on the first token follows from it: patient with a site that nobody
// knows, tight with one that keeps its time.
TEST(LoadBook, HowFarOffTheFirstTokenWasIsLearnedLikeARetransmissionTimer) {
  const Grid grid = one_offer(64);
  Placement placement = grid.placement();
  const auto spread = [&] { return placement.loads().of(kOffer).first_token_spread; };
  EXPECT_EQ(spread(), kSpreadUnknown);
  send(placement);
  EXPECT_EQ(rounded_ms(spread()), 50);  // half of the 100 ms that it took
  for (int i = 0; i < 8; ++i) send(placement);
  EXPECT_LT(rounded_ms(spread()), 10);
}

// Given up in silence: the next one is given longer, should it only have been late.
TEST(LoadBook, ALimitThatWasTooShortGrows) {
  const Grid grid = one_offer(64);
  Placement placement = grid.placement();
  for (int i = 0; i < 8; ++i) send(placement);
  const Duration before = placement.loads().of(kOffer).first_token_spread;
  const Prediction prediction = foretell(placement);
  placement.loads().started(kOffer, prediction);
  placement.loads().ended(kOffer, prediction, {.silent_for = milliseconds(450)}, kStart);
  EXPECT_GT(placement.loads().of(kOffer).first_token_spread, before + milliseconds(50));
}

TEST(LoadBook, ANewSnapshotTakesOverWhatWasMeasured) {
  const Grid grid = one_offer(2);
  LoadBook book(grid.fleet);
  LoadBook::Load known;
  known.sequences = 5;
  known.per_token_correction = 3 * kOne;
  book.adopt(kOffer, known);
  EXPECT_EQ(book.of(kOffer).per_token_correction, 3 * kOne);
  EXPECT_EQ(book.of(kOffer).sequences, 0);
  EXPECT_EQ(book.paces()[0].decode, 60'000'000U);
}

TEST(LoadBook, AbsurdProfilesAndLinksDoNotOverflow) {
  Grid grid = empty_grid();
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  grid.add({.first_token = kForever,
            .prefill_per_second = 1,
            .decode_per_second = 1,
            .round_trip = kForever,
            .bits_per_second = 1,
            .slots = std::numeric_limits<std::int32_t>::max()});
  grid.add({.first_token = milliseconds(0),
            .prefill_per_second = kMost,
            .decode_per_second = kMost,
            .round_trip = milliseconds(0),
            .bits_per_second = kMost,
            .slots = 0});
  Placement placement = grid.placement();
  Demand huge = demand();
  huge.prompt_bytes = kMost;
  huge.output_limit = Tokens(kMost);
  huge.choices = std::numeric_limits<std::int32_t>::max();
  for (std::size_t i = 0; i < 2; ++i) {
    for (int attempts = 0; attempts < 100; ++attempts) {
      const Prediction prediction = placement.predict(huge, OfferId(i));
      EXPECT_GE(prediction.first_token, Duration(0));
      EXPECT_GE(prediction.per_token, Duration(0));
      EXPECT_GE(prediction.cost, Money(0));
      placement.loads().started(OfferId(i), prediction);
      placement.decide(huge, grid.all(), testing::at(seconds(0)));
    }
  }
}

// Whatever starts and ends in whatever order: when all has ended the book is as
// empty as it began.
RC_GTEST_PROP(LoadBookProperty, WhatStartsAndEndsLeavesNothing, ()) {
  Grid grid = one_offer(3);
  grid.add_offer(SiteId(0), {.prefill_per_second = 77, .decode_per_second = 13});
  grid.add({});
  Placement placement = grid.placement();
  struct Open {
    OfferId offer;
    Prediction prediction;
    bool had_first_token = false;
  };
  std::vector<Open> open;
  const auto any_open = [&] { return *rc::gen::inRange<std::size_t>(0, open.size()); };
  for (int i = 0; i < 60; ++i) {
    if (open.empty() || *rc::gen::inRange(0, 3) == 0) {
      Demand asked = demand();
      asked.prompt_bytes = *rc::gen::inRange<std::int64_t>(0, 100'000);
      asked.choices = *rc::gen::inRange(1, 4);
      const OfferId offer(*rc::gen::inRange<std::size_t>(0, 3));
      open.push_back({offer, placement.predict(asked, offer)});
      placement.loads().started(offer, open.back().prediction);
      continue;
    }
    Open& attempt = open[any_open()];
    if (!attempt.had_first_token) {
      attempt.had_first_token = true;
      placement.loads().first_token(attempt.offer, attempt.prediction,
                                    attempt.prediction.promised_first_token, kStart);
      continue;
    }
    placement.loads().ended(attempt.offer, attempt.prediction, {.had_first_token = true}, kStart);
    std::swap(attempt, open.back());
    open.pop_back();
  }
  for (const Open& attempt : open) {
    placement.loads().ended(attempt.offer, attempt.prediction,
                            {.had_first_token = attempt.had_first_token}, kStart);
  }
  const Placement fresh = grid.placement();
  for (std::size_t i = 0; i < 3; ++i) {
    RC_ASSERT(placement.predict(demand(), OfferId(i)) == fresh.predict(demand(), OfferId(i)));
    RC_ASSERT(placement.loads().of(OfferId(i)).outstanding_tokens == Tokens(0));
    RC_ASSERT(placement.loads().of(OfferId(i)).prefilling == 0);
  }
}

}  // namespace
}  // namespace hanse::placement
