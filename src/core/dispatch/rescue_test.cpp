// Answers that break in mid-stream, and requests that wait for a site.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/dispatch/testing/desk.h"

namespace hanse::dispatch {
namespace {

using answer::Failure;
using answer::Resumable;
using testing::Desk;
using ::testing::ElementsAre;
using testing::small_grid;
using ::testing::StartsWith;

// A grid whose engines go on with an answer, all but `not_at`.
Snapshot continuing_grid(std::string_view not_at = {}) {
  Snapshot snapshot = small_grid();
  for (std::size_t i = 0; i < snapshot.fleet.sites.size(); ++i) {
    fleet::Site& site = snapshot.fleet.sites[SiteId(i)];
    site.engine.continues_chat = site.name != not_at;
  }
  return snapshot;
}

Snapshot with_rescue(limits::Rescue rescue) {
  Snapshot snapshot = continuing_grid();
  snapshot.tenants.tenants[TenantId(0)].rescue = rescue;
  return snapshot;
}

// A stream at ashburn of which seven tokens have gone out.
Arrived streaming(Desk& desk, std::string_view alias = "any") {
  Arrived request = desk.request();
  request.alias = *desk.dispatch().snapshot().catalog.aliases.find(alias);
  request.streamed = true;
  desk.tell(request);
  desk.first_token(request.request);
  desk.progressed(request.request, 7);
  return request;
}

// Seven tokens are out, of fifty: the next engine may make 43 more.
TEST(Rescue, GoesOnElsewhereFromWhatTheClientHas) {
  Desk desk(continuing_grid());
  const Arrived request = streaming(desk);
  EXPECT_THAT(desk.breaks(request.request, 0, Resumable::by_continuing, Desk::used(30, 7),
                          Desk::used(30, 7), 7),
              ElementsAre("attempt_closed cut 37", "attempt_opened",
                          "open_attempt frankfurt/small/q4 continued, at most 43"));
  // Of what may leave, the second site has made what comes behind the seven.
  EXPECT_THAT(desk.first_token(request.request, 1),
              ElementsAre("watermark 0 of 43", "release all"));
  EXPECT_THAT(
      desk.breaks(request.request, 1, Resumable::no, Desk::used(37, 13), Desk::used(30, 20), 20,
                  Failure::none),
      ElementsAre("attempt_closed completed 100", "request_closed completed 500", "finish"));
  EXPECT_EQ(desk.owes("acme"), 500);
  EXPECT_EQ(desk.owed_at("ashburn"), 37);
  EXPECT_EQ(desk.owed_at("frankfurt"), 100);
  EXPECT_EQ(rescue_of(desk.record(request)), answer::TakeUp::continued);
}

TEST(Rescue, PassesOverEnginesThatMightAnswerANewTurn) {
  Desk desk(continuing_grid("frankfurt"));
  const Arrived request = streaming(desk);
  EXPECT_EQ(desk.breaks(request.request, 0, Resumable::by_continuing, Desk::used(30, 7),
                        Desk::used(30, 7), 7)
                .back(),
            "open_attempt hamburg/small/q4 continued, at most 43");
}

TEST(Rescue, RepeatsWhereNoEngineGoesOn) {
  Desk desk;  // no engine of which it is known
  const Arrived request = streaming(desk);
  EXPECT_EQ(desk.breaks(request.request, 0, Resumable::by_continuing, Desk::used(30, 7),
                        Desk::used(30, 7), 7)
                .back(),
            "open_attempt frankfurt/small/q4 repeated, at most 50");
  // It makes the whole answer again; until it says something new, nobody knows
  // how far it is, and nothing is owed for sure. A gateway that was killed then
  // owed it for all that the client had.
  EXPECT_THAT(desk.first_token(request.request, 1),
              ElementsAre("watermark 0 of 50", "release all"));
}

TEST(Rescue, ACompletionGoesOnAtAnyEngine) {
  Desk desk;
  const Arrived request = streaming(desk);
  EXPECT_EQ(desk.breaks(request.request, 0, Resumable::by_appending, Desk::used(30, 7),
                        Desk::used(30, 7), 7)
                .back(),
            "open_attempt frankfurt/small/q4 continued, at most 43");
}

TEST(Rescue, IsATenantsChoice) {
  Desk desk(with_rescue(limits::Rescue::never));
  const Arrived request = streaming(desk);
  EXPECT_THAT(desk.breaks(request.request, 0, Resumable::by_continuing, Desk::used(30, 7),
                          Desk::used(30, 7), 7),
              ElementsAre("attempt_closed cut 37", "request_closed cut 370", "refuse cut reset"));
}

// Only frankfurt and hamburg have the full weights; ashburn's q4 is cheaper.
TEST(Rescue, PrefersTheWeightsThatHaveBegun) {
  Desk desk(continuing_grid());
  const Arrived request = streaming(desk, "exact");
  EXPECT_EQ(desk.record(request).attempts[0].site, desk.site("frankfurt"));
  EXPECT_EQ(desk.breaks(request.request, 0, Resumable::by_continuing, Desk::used(30, 7),
                        Desk::used(30, 7), 7)
                .back(),
            "open_attempt hamburg/small/bf16 continued, at most 43");
}

TEST(Rescue, OtherWeightsGoOnOnlyWhereTheTenantAllowsIt) {
  for (const auto rescue : {limits::Rescue::same_variant, limits::Rescue::any_variant}) {
    Snapshot snapshot = with_rescue(rescue);
    // Nobody but ashburn has q4.
    for (std::size_t i = 0; i < snapshot.fleet.offers.size(); ++i) {
      fleet::Offer& offer = snapshot.fleet.offers[OfferId(i)];
      if (offer.site != SiteId(0)) offer.variant = *snapshot.catalog.variants.find("small/bf16");
    }
    Desk desk(snapshot);
    desk.tell(Woke());
    const Arrived request = streaming(desk);
    const auto last = desk.breaks(request.request, 0, Resumable::by_continuing, Desk::used(30, 7),
                                  Desk::used(30, 7), 7)
                          .back();
    if (rescue == limits::Rescue::any_variant) {
      EXPECT_EQ(last, "open_attempt frankfurt/small/q4 continued, at most 43");
    } else {
      // A reset may pass: the same site is asked once more, after a while.
      EXPECT_EQ(last, "wake_at");
    }
  }
}

TEST(Rescue, OfARepeatThatDivergesTheClientIsTold) {
  Desk desk;
  const Arrived request = streaming(desk);
  desk.breaks(request.request, 0, Resumable::by_repeating, Desk::used(30, 7), Desk::used(30, 7), 7);
  desk.first_token(request.request, 1);
  EXPECT_THAT(
      desk.breaks(request.request, 1, Resumable::by_repeating, Desk::used(30, 2), Desk::used(30, 7),
                  7, Failure::diverged),
      ElementsAre("attempt_closed cut 64", "request_closed cut 370", "refuse cut diverged"));
}

// The site was asked for something that the client has not asked: whatever it
// finds wrong there is not the client's.
TEST(Rescue, AnEngineThatRefusesToGoOnIsNoClientsError) {
  Desk desk(continuing_grid());
  const Arrived request = streaming(desk);
  desk.breaks(request.request, 0, Resumable::by_continuing, Desk::used(30, 7), Desk::used(30, 7),
              7);
  EXPECT_EQ(desk.breaks(request.request, 1, Resumable::by_continuing, {}, Desk::used(30, 7), 7,
                        Failure::client_request)
                .back(),
            "open_attempt hamburg/small/q4 continued, at most 43");
}

// What two would not go on with, a third is asked to repeat.
TEST(Rescue, WhatIsRefusedTwiceIsRepeated) {
  Desk desk(continuing_grid());
  const Arrived request = streaming(desk);
  const auto breaks = [&](std::uint8_t attempt, Failure failure) {
    return desk
        .breaks(request.request, attempt, Resumable::by_continuing,
                attempt == 0 ? Desk::used(30, 7) : Usage(), Desk::used(30, 7), 7, failure)
        .back();
  };
  breaks(0, Failure::reset);
  EXPECT_EQ(breaks(1, Failure::client_request),
            "open_attempt hamburg/small/q4 continued, at most 43");
  EXPECT_THAT(
      breaks(2, Failure::client_request),
      ::testing::AllOf(::testing::StartsWith("open_attempt"), ::testing::HasSubstr("repeated")));
  // What the client is told is what broke its answer.
  EXPECT_EQ(breaks(3, Failure::client_request), "refuse cut reset");
}

TEST(Rescue, WhatAFilterStopsNobodyElseIsAskedFor) {
  Desk desk(continuing_grid());
  const Arrived request = streaming(desk);
  desk.breaks(request.request, 0, Resumable::by_continuing, Desk::used(30, 7), Desk::used(30, 7),
              7);
  EXPECT_EQ(desk.breaks(request.request, 1, Resumable::by_continuing, {}, Desk::used(30, 7), 7,
                        Failure::content_filter)
                .back(),
            "refuse cut content_filter");
}

TEST(Rescue, AClientThatLeavesInARescuePaysForWhatItGot) {
  Desk desk(continuing_grid());
  const Arrived request = streaming(desk);
  desk.breaks(request.request, 0, Resumable::by_continuing, Desk::used(30, 7), Desk::used(30, 7),
              7);
  EXPECT_THAT(desk.leaves(request.request, Desk::used(30, 7)),
              ElementsAre("cancel_attempt", "attempt_closed cancelled 0",
                          "request_closed cancelled 370", "forget"));
}

// --- Waiting -----------------------------------------------------------------

// Only hamburg and lyon are lawful.
Arrived european(Desk& desk) { return desk.request("acme", "personal; subjects=EU"); }

TEST(Waiting, WhenNobodyElseIsLeftAFailureThatMayPassIsTriedOnceMore) {
  Desk desk;
  desk.tell(Woke());
  const Arrived request = european(desk);
  desk.tell(request);
  desk.ends(request.request, 0, Failure::reset);
  EXPECT_THAT(desk.ends(request.request, 1, Failure::bad_answer),
              ElementsAre("attempt_closed failed 0", "wake_at"));
  desk.pass(milliseconds(249));
  EXPECT_THAT(desk.tell(Woke()), ElementsAre("wake_at"));
  desk.pass(milliseconds(1));
  const auto story = desk.tell(Woke());
  EXPECT_THAT(story, ::testing::Contains("open_attempt hamburg/small/q4"));
  // And only once.
  EXPECT_EQ(desk.ends(request.request, 2, Failure::reset).back(), "refuse attempts_failed reset");
}

TEST(Waiting, AClientThatLeavesMeanwhileOwesNothing) {
  Desk desk;
  const Arrived request = european(desk);
  desk.tell(request);
  desk.ends(request.request, 0, Failure::reset);
  desk.ends(request.request, 1, Failure::reset);
  EXPECT_THAT(desk.leaves(request.request), ElementsAre("hold_released cancelled", "forget"));
  desk.pass(seconds(1));
  for (const std::string& line : desk.tell(Woke())) EXPECT_FALSE(line.starts_with("open_attempt"));
}

TEST(Waiting, ASiteThatAskedToBeLeftAloneIsLeftAloneByAll) {
  Desk desk;
  const Arrived first = desk.request();
  EXPECT_EQ(desk.tell(first).back(), "open_attempt ashburn/small/q4");
  desk.tell(AttemptEnded{.request = first.request,
                         .failure = Failure::rate_limited,
                         .usage = {},
                         .retry_after = seconds(20)});
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt frankfurt/small/q4");
  desk.pass(seconds(20));
  EXPECT_EQ(desk.tell(desk.request()).back(), "open_attempt ashburn/small/q4");
}

TEST(Waiting, WhereEverySiteAsksToBeLeftAloneTheClientIsToldWhenAtOnce) {
  Desk desk;
  const Arrived first = european(desk);
  desk.tell(first);
  for (std::uint8_t attempt = 0; attempt < 2; ++attempt) {
    desk.tell(AttemptEnded{.request = first.request,
                           .attempt = attempt,
                           .failure = Failure::rate_limited,
                           .usage = {},
                           .retry_after = seconds(attempt == 0 ? 30 : 20)});
  }
  EXPECT_EQ(desk.record(first).end, End::attempts_failed);
  EXPECT_THAT(desk.tell(european(desk)),
              ElementsAre("request_refused at_capacity", "refuse asked_to_wait again in 20 s"));
}

// The prompt is too long for one variant; another has a longer context.
TEST(Context, APromptThatIsTooLongGoesWhereThereIsMoreRoom) {
  Snapshot snapshot = small_grid();
  for (std::size_t i = 0; i < snapshot.catalog.variants.size(); ++i) {
    catalog::Variant& variant = snapshot.catalog.variants[VariantId(i)];
    if (variant.name == "small/q4") variant.context_tokens = Tokens(1'024);
  }
  Desk desk(snapshot);
  const Arrived request = desk.request();
  EXPECT_EQ(desk.tell(request).back(), "open_attempt ashburn/small/q4");
  EXPECT_EQ(desk.ends(request.request, 0, Failure::context_exceeded).back(),
            "open_attempt frankfurt/small/bf16");
  // There is none with still more.
  EXPECT_EQ(desk.ends(request.request, 1, Failure::context_exceeded).back(),
            "refuse client_error context_exceeded");
}

// A rescue took it for one that any variant of the alias could go on with.
TEST(Context, ThatWasTooShortIsNotTriedInMidStreamEither) {
  Snapshot snapshot = small_grid();
  snapshot.catalog.variants[VariantId(0)].context_tokens = Tokens(50);
  Desk desk(snapshot);
  Arrived request = desk.request();
  request.streamed = true;
  desk.tell(request);
  EXPECT_EQ(desk.ends(request.request, 0, Failure::context_exceeded).back(),
            "open_attempt frankfurt/small/bf16");
  desk.first_token(request.request, 1);
  const Usage used = Desk::used(30, 7);
  EXPECT_THAT(
      desk.breaks(request.request, 1, Resumable::by_appending, used, used, 7, Failure::stalled)
          .back(),
      StartsWith("open_attempt hamburg/small/bf16 continued"));
  EXPECT_THAT(
      desk.breaks(request.request, 2, Resumable::by_appending, {}, used, 7, Failure::unreachable)
          .back(),
      StartsWith("refuse cut unreachable"));
}

// The weights of the last attempt were taken for those of the answer, though it
// had failed without a word.
TEST(Rescue, AnAnswerIsRepeatedByTheWeightsThatBeganIt) {
  Snapshot snapshot = small_grid();
  for (std::size_t i = 0; i < snapshot.fleet.sites.size(); ++i) {
    // ashburn goes on with answers, and so does hamburg, which has other weights.
    snapshot.fleet.sites[SiteId(i)].engine.continues_chat = i % 2 == 0;
  }
  const OfferId other = *snapshot.fleet.offers.find("hamburg/small/q4");
  snapshot.fleet.offers[other].variant = *snapshot.catalog.variants.find("small/bf16");
  Desk desk(snapshot);
  const Arrived request = streaming(desk);
  const Usage used = Desk::used(30, 7);
  EXPECT_THAT(
      desk.breaks(request.request, 0, Resumable::by_continuing, used, used, 7, Failure::stalled)
          .back(),
      StartsWith("open_attempt hamburg/small/q4 continued"));
  EXPECT_EQ(
      desk.breaks(request.request, 1, Resumable::by_continuing, {}, used, 7, Failure::unreachable)
          .back(),
      "open_attempt lyon/small/q4 repeated, at most 50");
}

}  // namespace
}  // namespace hanse::dispatch
