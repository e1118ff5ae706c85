// What must hold of an attempt when it is opened, a hedge among them.
#include <algorithm>
#include <utility>
#include <vector>

#include "core/dispatch/failure_table.h"
#include "core/dispatch/policy_of_attempts.h"
#include "drivers/replay/witness.h"

namespace hanse::replay {
namespace {

using dispatch::Dispatch;

template <typename Value>
bool contains(const std::vector<Value>& values, Value value) {
  return std::ranges::find(values, value) != values.end();
}

}  // namespace

void Witness::open_attempt(const dispatch::OpenAttempt& action, const Dispatch& dispatch,
                           Instant now) {
  Watched* request = subject(action.request, "an attempt is opened");
  if (request == nullptr) return;
  hedge_is_right(*request, action, dispatch, now);
  // What has been released may be on its way.
  const bool is_begun = request->something_left || request->released > Tokens(0);
  expect(action.take_up != answer::TakeUp::anew || !is_begun, action.request,
         "nothing is begun anew once the client has a part of the answer");
  expect(request->attempt_written, action.request, "an attempt is written down before it is sent");
  expect(action.attempt == request->attempts, action.request, "attempts are counted without gaps");
  expect(request->attempts < options_.dispatch.attempts_max, action.request,
         "attempts are bounded");
  std::int32_t times = 0;
  bool may_pass = true;
  for (const Watched::Tried& tried : request->tried) {
    if (tried.site != action.permit.site()) continue;
    ++times;
    const bool would_not_continue =
        tried.continued && dispatch::finds_the_rescue_wrong(tried.failure);
    may_pass = dispatch::row_of(tried.failure).again != dispatch::Again::no ||
               (would_not_continue && action.take_up == answer::TakeUp::repeated);
  }
  expect(times == 0 || (times == 1 && may_pass), action.request,
         "a site is asked once more only when its failure may pass, or to repeat what it would not "
         "continue");
  const dispatch::Snapshot& snapshot = dispatch.snapshot_of(action.request);
  attempt_may_help(*request, action, dispatch);
  request->tried.push_back({.site = action.permit.site(),
                            .variant = snapshot.fleet.offers[action.offer].variant,
                            .continued = action.take_up == answer::TakeUp::continued});
  request->attempt_written = false;
  const std::string& site = snapshot.fleet.sites[action.permit.site()].name;
  request->under_way.push_back({.attempt = action.attempt, .site = site});
  ++request->attempts;
  const AttemptName name{.slot = action.request.slot,
                         .generation = action.request.generation,
                         .attempt = action.attempt};
  if (const auto broken = sites_.opened(site, name, now.monotonic)) {
    expect(false, action.request, *broken);
  }
  attempt_is_lawful(action, dispatch, now);
  attempt_is_in_time(action, dispatch, now);
}

void Witness::hedge_is_right(Watched& request, const dispatch::OpenAttempt& action,
                             const Dispatch& dispatch, Instant now) {
  const dispatch::Record& record = dispatch.record(action.request);
  const dispatch::Snapshot& snapshot = dispatch.snapshot_of(action.request);
  const catalog::LatencyClass& latency_class = snapshot.catalog.classes[record.latency_class];
  std::int64_t& millionths = hedge_millionths_[latency_class.name];
  if (action.attempt == 0) millionths += latency_class.hedge_budget_ppm;
  const bool is_hedge = record.attempts[action.attempt].hedge;
  expect(is_hedge == !request.under_way.empty(), action.request,
         "one attempt follows the other, but for a hedge");
  if (!is_hedge || request.under_way.empty()) return;
  expect(!std::exchange(request.hedged, true), action.request, "a request has one hedge");
  expect(request.under_way.size() == 1, action.request, "no more than two attempts are under way");
  const Watched::Open& late = request.under_way[0];
  expect(!late.answers && request.released == Tokens(0) && !request.something_left, action.request,
         "no hedge is made once an answer has begun");
  const dispatch::AttemptRecord& first = record.attempts[late.attempt];
  expect(elapsed(first.opened_at.monotonic, now.monotonic) >
             first.decision.best[0].prediction.first_token,
         action.request, "a hedge is made when an attempt is late");
  const auto& sites = snapshot.fleet.sites;
  expect(sites[first.site].supplier != sites[action.permit.site()].supplier, action.request,
         "a hedge goes to another failure domain");
  millionths -= 1'000'000;
  expect(millionths >= 0, action.request, "hedges keep to the budget of their class");
}

void Witness::attempt_may_help(const Watched& request, const dispatch::OpenAttempt& action,
                               const Dispatch& dispatch) {
  if (request.tried.empty()) return;
  const dispatch::Snapshot& snapshot = dispatch.snapshot_of(action.request);
  const VariantId variant = snapshot.fleet.offers[action.offer].variant;
  const bool is_begun = action.take_up != answer::TakeUp::anew;
  const bool is_settled = std::ranges::any_of(request.tried, [](const Watched::Tried& tried) {
    return tried.failure != answer::Failure::none &&
           dispatch::row_of(tried.failure).elsewhere == dispatch::Elsewhere::no;
  });
  expect(is_begun || !is_settled, action.request,
         "nobody is asked after a failure that everybody would repeat");
  for (const Watched::Tried& tried : request.tried) {
    // A repeat is as long as the first attempt was, which had room.
    if (action.take_up == answer::TakeUp::repeated) break;
    if (tried.failure != answer::Failure::context_exceeded) continue;
    expect(snapshot.catalog.context_of(variant) > snapshot.catalog.context_of(tried.variant),
           action.request, "what was too long for a context is sent to longer ones only");
  }
  if (!is_begun) return;
  const dispatch::Record& record = dispatch.record(action.request);
  const limits::Rescue wish = snapshot.tenants.tenants[record.tenant].rescue;
  expect(wish != limits::Rescue::never, action.request,
         "nobody goes on with an answer whose tenant does not want that");
  const bool is_free =
      wish == limits::Rescue::any_variant && action.take_up == answer::TakeUp::continued;
  expect(is_free || variant == request.answered_by, action.request,
         "the same weights go on with an answer whose tenant wants that, and repeat any");
}

void Witness::attempt_is_lawful(const dispatch::OpenAttempt& action, const Dispatch& dispatch,
                                Instant now) {
  const dispatch::Snapshot& snapshot = dispatch.snapshot_of(action.request);
  const dispatch::Record& record = dispatch.record(action.request);
  const fleet::Offer& offer = snapshot.fleet.offers[action.offer];
  expect(action.permit.site() == offer.site, action.request, "a permit is for the offer's site");
  expect(action.permit.given_at() == now.wall, action.request, "a permit is of this instant");
  const auto newest = snapshot_->fleet.sites.find(snapshot.fleet.sites[offer.site].name);
  expect(newest && !snapshot_->fleet.sites[*newest].retired, action.request,
         "a site that is retired or gone is not asked, whichever snapshot the request began with");
  expect(contains(snapshot.catalog.aliases[record.alias].variants, offer.variant), action.request,
         "an offer is of the alias that was asked for");
  // The reasons are computed by other code than the sets that dispatch uses.
  const gate::Question question{.policy = snapshot.tenants.tenants[record.tenant].policy,
                                .labels = record.labels};
  expect(judge(snapshot).explain(question, offer.site, now.wall).permitted, action.request,
         "an attempt goes only where every rule permits it");
}

void Witness::attempt_is_in_time(const dispatch::OpenAttempt& action, const Dispatch& dispatch,
                                 Instant now) {
  const dispatch::Record& record = dispatch.record(action.request);
  const auto& latency_class =
      dispatch.snapshot_of(action.request).catalog.classes[record.latency_class];
  const Duration left =
      latency_class.time_limit - elapsed(record.arrived_at.monotonic, now.monotonic);
  const dispatch::AttemptLimits& limits = action.limits;
  expect(limits.whole == left && left > Duration(0), action.request,
         "an attempt may take what is left of the request's time");
  for (const Duration limit : {limits.connect, limits.headers, limits.first_token,
                               limits.between_tokens, limits.rate_window, limits.whole_reply}) {
    expect(limit > Duration(0) && limit <= left, action.request,
           "each phase of an attempt has a limit within what is left");
  }
}

}  // namespace hanse::replay
