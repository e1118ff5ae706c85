// How a grid in virtual time performs what dispatch decides.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "drivers/replay/virtual_grid.h"

namespace hanse::replay {
namespace {

// How long the request takes to get through the link, beside its length.
Duration upload(const fleet::Link& link, std::int64_t bytes) {
  const __int128 bits = static_cast<__int128>(bytes) * 8 * 1'000'000'000;
  return Duration(
      static_cast<std::int64_t>(bits / std::max<std::int64_t>(link.bits_per_second, 1)));
}

}  // namespace

void VirtualGrid::perform(const dispatch::Action& action) {
  struct Performer {
    VirtualGrid& grid;
    void operator()(std::monostate) const {}
    // The witness has written it down.
    void operator()(const dispatch::Append&) const {}
    void operator()(const dispatch::OpenAttempt& a) const { grid.open_attempt(a); }
    void operator()(const dispatch::CancelAttempt& a) const {
      Exchange& exchange = grid.exchanges_[a.request.slot];
      if (exchange.ref == a.request && exchange.job && exchange.attempt == a.attempt) {
        grid.drop_attempt(exchange);
      }
    }
    void operator()(const dispatch::Release& a) const { grid.release(a); }
    void operator()(const dispatch::Finish& a) const {
      grid.end(a.request, {.told = Outcome::Told::whole,
                           .delivered = deltas(grid.exchanges_[a.request.slot]),
                           .retry_after = {}});
    }
    void operator()(const dispatch::Refuse& a) const {
      const Tokens left = grid.exchanges_[a.request.slot].left;
      grid.end(a.request,
               {.told = left > Tokens(0) ? Outcome::Told::error_event : Outcome::Told::error,
                .delivered = left,
                .retry_after = a.retry_after,
                .last_failure = a.last_failure});
    }
    void operator()(const dispatch::Forget& a) const {
      grid.end(a.request, {.told = Outcome::Told::nothing,
                           .delivered = grid.exchanges_[a.request.slot].left,
                           .retry_after = {}});
    }
    void operator()(const dispatch::Probe& a) const { grid.probe(a.site); }
    void operator()(const dispatch::WakeAt& a) const {
      // One is enough: dispatch asks again when it has been woken.
      if (grid.next_wake_ && *grid.next_wake_ <= a.time) return;
      grid.next_wake_ = a.time;
      grid.at(a.time, WakeUp{});
    }
  };
  std::visit(Performer{*this}, action);
}

void VirtualGrid::open_attempt(const dispatch::OpenAttempt& action) {
  ++counts_.attempts;
  const dispatch::Snapshot& snapshot = dispatch_.snapshot_of(action.request);
  const fleet::Offer& offer = snapshot.fleet.offers[action.offer];
  const std::string& site = snapshot.fleet.sites[offer.site].name;
  const fleet::Link& link = snapshot.fleet.links[offer.site.value()];

  Exchange& exchange = exchanges_[action.request.slot];
  const Asked& asked = exchange.asked;
  exchange.job = JobId(++jobs_);
  exchange.attempt = action.attempt;
  exchange.place = places_.find(site)->second;
  exchange.one_way = link.round_trip / 2;
  // Engines are asked for a stream, whatever the client wants.
  exchange.watch =
      dispatch::AttemptWatch(action.limits, dispatch::Reply::streamed, clock_.monotonic());
  exchange.batch_pending = false;
  take_up(exchange, action, offer);

  const Tokens most = action.output_limit * asked.arrived.choices * asked.arrived.prompts;
  const Job job{.id = *exchange.job,
                .profile = offer.profile,
                .prompt = asked.prompt - asked.cached + exchange.begins_at,
                .cached = asked.cached,
                .output = std::min(asked.output - exchange.begins_at, most),
                .script = director_.script(asked, site, action.attempt)};
  ways_.emplace(job.id, Way{.slot = action.request.slot, .one_way = exchange.one_way});
  at(clock_.monotonic() + exchange.one_way + upload(link, asked.arrived.prompt_bytes),
     JobReachesSite{.place = exchange.place, .job = job});
  at(exchange.watch.due(), LimitRings{.slot = action.request.slot, .job = job.id});
}

void VirtualGrid::take_up(Exchange& exchange, const dispatch::OpenAttempt& action,
                          const fleet::Offer& offer) {
  const Asked& asked = exchange.asked;
  const bool is_stream = asked.arrived.streamed;
  exchange.said = exchange.begins_at = Tokens(0);
  exchange.first_token_told = false;
  // Other weights say it in other words.
  exchange.voice = asked.deterministic ? static_cast<Voice>(offer.variant.value())
                                       : static_cast<Voice>(exchange.job->count());
  if (action.take_up == answer::TakeUp::anew) {
    witness_.begins_anew(exchange.ref, is_stream && exchange.answer && exchange.answer->begun());
    exchange.answer.emplace(asked.dialect, asked.arrived.choices * asked.arrived.prompts,
                            asked.arrived.prompts,
                            is_stream ? answer::Keep::transcript : answer::Keep::nothing);
    exchange.text.clear();
    exchange.left = exchange.released = exchange.told = Tokens(0);
    return;
  }
  exchange.answer->next_attempt(action.take_up);
  if (action.take_up == answer::TakeUp::repeated) {
    ++counts_.repeated;
    return;
  }
  ++counts_.continued;
  // The engine reads what is there and goes on behind it.
  exchange.begins_at = tokens_in(exchange.answer->text_so_far());
  ++exchange.continued;
  const bool engine_can = asked.dialect == answer::Dialect::completion ||
                          fleet_of(action).sites[offer.site].engine.continues_chat;
  witness_.continues(exchange.ref, engine_can && asked.continuable);
}

const fleet::Fleet& VirtualGrid::fleet_of(const dispatch::OpenAttempt& action) const {
  return dispatch_.snapshot_of(action.request).fleet;
}

void VirtualGrid::drop_attempt(Exchange& exchange) {
  HANSE_CHECK(exchange.job.has_value());
  ways_.erase(*exchange.job);
  at(clock_.monotonic() + exchange.one_way,
     GatewayCloses{.place = exchange.place, .job = *exchange.job});
  exchange.job.reset();
}

void VirtualGrid::release(const dispatch::Release& action) {
  Exchange& exchange = exchanges_[action.request.slot];
  if (exchange.ref != action.request || !exchange.job || exchange.attempt != action.attempt) return;
  exchange.released = action.output;
  let_leave(exchange);
}

void VirtualGrid::end(dispatch::RequestRef request, Outcome outcome) {
  Exchange& exchange = exchanges_[request.slot];
  HANSE_CHECK(exchange.open && exchange.ref == request);
  const Tokens changes(exchange.continued);
  if (const auto fault = fault_in(exchange.text, {.changes_of_voice_max = changes})) {
    witness_.complain(fmt::format("a client reads no coherent answer: {}", *fault));
  }
  exchange.open = false;
  free_slots_.push_back(request.slot);
  const dispatch::Record& record = dispatch_.record(request);
  if (record.end == dispatch::End::answered && rescue_of(record)) ++counts_.rescued;
  director_.ended(exchange.asked, outcome, dispatch_, request);
}

void VirtualGrid::probe(SiteId id) {
  const fleet::Fleet& fleet = dispatch_.snapshot().fleet;
  const Place place = places_.find(fleet.sites[id].name)->second;
  const Condition condition = sites_[place].model.condition();
  const bool is_answered = condition == Condition::up || condition == Condition::down;
  at(clock_.monotonic() +
         (is_answered ? fleet.links[id.value()].round_trip : options_.probe_time_limit),
     ProbeReturns{.place = place, .healthy = condition == Condition::up});
}

}  // namespace hanse::replay
