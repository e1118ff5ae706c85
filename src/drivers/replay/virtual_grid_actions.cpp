// How a grid in virtual time performs what dispatch decides.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "core/dispatch/policy_of_attempts.h"
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
    void operator()(const dispatch::CancelAttempt& a) const { grid.cancel_attempt(a); }
    void operator()(const dispatch::Release& a) const { grid.release(a); }
    void operator()(const dispatch::Finish& a) const {
      grid.end(a.request, {.told = Outcome::Told::whole,
                           .delivered = deltas(grid.exchanges_[a.request.slot]),
                           .retry_after = {}});
    }
    void operator()(const dispatch::Refuse& a) const {
      const Exchange& exchange = grid.exchanges_[a.request.slot];
      // What came before the break is booked and goes out with the error; not
      // of an answer of which nothing has left, for that is told by a status.
      const Tokens left = exchange.handed > Tokens(0) ? deltas(exchange) : Tokens(0);
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
  Exchange& exchange = exchanges_[action.request.slot];
  // The other of two has answered in this very turn.
  if (dispatch_.record(action.request).attempts[action.attempt].outrun) return;
  ++counts_.attempts;
  if (exchange.line.job) {
    ++counts_.hedges;
    exchange.hedged = true;
    exchange.beside = std::move(exchange.line);
    exchange.line = {};
  }
  const dispatch::Snapshot& snapshot = dispatch_.snapshot_of(action.request);
  const fleet::Offer& offer = snapshot.fleet.offers[action.offer];
  const std::string& site = snapshot.fleet.sites[offer.site].name;
  const fleet::Link& link = snapshot.fleet.links[offer.site.value()];

  const Asked& asked = exchange.asked;
  exchange.line.job = JobId(++jobs_);
  exchange.line.attempt = action.attempt;
  exchange.line.place = places_.find(site)->second;
  exchange.line.one_way = (link.round_trip + sites_[exchange.line.place].slower_by) / 2;
  // Engines are asked for a stream, whatever the client wants.
  exchange.line.watch =
      dispatch::AttemptWatch(action.limits, dispatch::Reply::streamed, clock_.monotonic());
  exchange.line.batch_pending = false;
  exchange.line.paused_for = Duration();
  take_up(exchange, action, offer);

  const Tokens most = action.output_limit * asked.arrived.choices * asked.arrived.prompts;
  exchange.attempts_sent = static_cast<std::uint8_t>(action.attempt + 1);
  AttemptScript script = director_.script(asked, site, action.attempt);
  if (asked.prompt > snapshot.catalog.context_of(offer.variant)) {
    script.trouble = Trouble::context_exceeded;
  }
  exchange.honest = exchange.honest && script.says_usage && !script.claims;
  exchange.line.told_again_after = script.told_again_after;
  const Job job{.id = *exchange.line.job,
                .profile = offer.profile,
                .prompt = asked.prompt - asked.cached + exchange.line.begins_at,
                .cached = asked.cached,
                .output = std::min(asked.output - exchange.line.begins_at, most),
                .script = script};
  ways_.emplace(job.id, Way{.slot = action.request.slot, .one_way = exchange.line.one_way});
  at(clock_.monotonic() + exchange.line.one_way + upload(link, asked.arrived.prompt_bytes),
     JobReachesSite{.place = exchange.line.place, .job = job});
  exchange.line.rings_at = exchange.line.watch.due();
  at(exchange.line.rings_at, LimitRings{.slot = action.request.slot, .job = job.id});
}

void VirtualGrid::take_up(Exchange& exchange, const dispatch::OpenAttempt& action,
                          const fleet::Offer& offer) {
  const Asked& asked = exchange.asked;
  const bool is_stream = asked.arrived.streamed;
  exchange.line.said = exchange.line.begins_at = Tokens(0);
  exchange.line.first_token_told = false;
  // Other weights say it in other words.
  exchange.line.voice = asked.deterministic ? static_cast<Voice>(offer.variant.value())
                                            : static_cast<Voice>(exchange.line.job->count());
  if (action.take_up == answer::TakeUp::anew) {
    const auto is_begun = [](const Line& line) { return line.answer && line.answer->begun(); };
    witness_.begins_anew(
        exchange.ref,
        is_stream && (is_begun(exchange.line) || (exchange.beside && is_begun(*exchange.beside))));
    exchange.line.answer.emplace(asked.dialect, asked.arrived.choices * asked.arrived.prompts,
                                 asked.arrived.prompts,
                                 is_stream ? answer::Keep::transcript : answer::Keep::nothing);
    exchange.line.text.clear();
    exchange.left = exchange.handed = exchange.released = exchange.told = Tokens(0);
    return;
  }
  exchange.line.answer->next_attempt(action.take_up);
  if (action.take_up == answer::TakeUp::repeated) {
    ++counts_.repeated;
    return;
  }
  ++counts_.continued;
  // The engine reads what is there and goes on behind it.
  exchange.line.begins_at = tokens_in(exchange.line.answer->text_so_far());
  ++exchange.continued;
  const bool engine_can = asked.dialect == answer::Dialect::completion ||
                          fleet_of(action).sites[offer.site].engine.continues_chat;
  witness_.continues(exchange.ref, engine_can && asked.continuable);
}

const fleet::Fleet& VirtualGrid::fleet_of(const dispatch::OpenAttempt& action) const {
  return dispatch_.snapshot_of(action.request).fleet;
}

void VirtualGrid::drop_attempt(Exchange& exchange) {
  HANSE_CHECK(exchange.line.job.has_value());
  ways_.erase(*exchange.line.job);
  at(clock_.monotonic() + exchange.line.one_way,
     GatewayCloses{.place = exchange.line.place, .job = *exchange.line.job});
  exchange.line.job.reset();
  exchange.line.paused_at.reset();
  exchange.line.unread.clear();
}

void VirtualGrid::cancel_attempt(const dispatch::CancelAttempt& action) {
  Exchange& exchange = exchanges_[action.request.slot];
  if (exchange.ref != action.request) return;
  if (exchange.beside && exchange.beside->attempt == action.attempt) {
    std::swap(exchange.line, *exchange.beside);
  }
  if (!exchange.line.job || exchange.line.attempt != action.attempt) return;
  drop_attempt(exchange);
  if (exchange.beside) go_on_with_the_other(exchange);
}

void VirtualGrid::release(const dispatch::Release& action) {
  Exchange& exchange = exchanges_[action.request.slot];
  // Also of an attempt that has ended meanwhile: what has come may leave.
  if (exchange.ref != action.request || !exchange.open || exchange.line.attempt != action.attempt)
    return;
  exchange.released = action.output;
  let_leave(exchange);
}

void VirtualGrid::end(dispatch::RequestRef request, Outcome outcome) {
  Exchange& exchange = exchanges_[request.slot];
  HANSE_CHECK(exchange.open && exchange.ref == request);
  const Tokens changes(exchange.continued);
  if (const auto fault = fault_in(exchange.line.text, {.changes_of_voice_max = changes})) {
    witness_.complain(fmt::format("a client reads no coherent answer: {}", *fault));
  }
  const dispatch::Record& record = dispatch_.record(request);
  if (outcome.told == Outcome::Told::whole) whole_answer_is_right(exchange, record);
  bill_is_right(exchange, record, outcome);
  if (options_.death) told_.push_back(record.number);
  exchange.open = false;
  free_slots_.push_back(request.slot);
  if (record.end == dispatch::End::answered && rescue_of(record)) ++counts_.rescued;
  if (hedging_of(record) == dispatch::Hedging::won) ++counts_.hedges_won;
  director_.ended(exchange.asked, outcome, dispatch_, request);
}

void VirtualGrid::whole_answer_is_right(const Exchange& exchange, const dispatch::Record& record) {
  // What an engine says past the client's limit is no part of the answer. How
  // much is left of the limit is known exactly only where tokens are.
  const bool is_exact = exchange.asked.cut == Cut::by_token || exchange.continued == 0;
  const Tokens most = dispatch::most_tokens(record)[TokenKind::output];
  const Tokens expected = std::min(exchange.asked.output, most);
  const Tokens got = tokens_in(exchange.line.text);
  if (is_exact ? got == expected : got <= expected) return;
  witness_.complain(
      fmt::format("a client is told that it has the whole answer after {} of {} tokens",
                  got.count(), expected.count()));
}

// The tenant pays for one prompt and for what its client was given, or has taken
// when it leaves, wherever tokens can be counted exactly, and however many
// attempts that took.
void VirtualGrid::bill_is_right(const Exchange& exchange, const dispatch::Record& record,
                                const Outcome& outcome) {
  if (outcome.told == Outcome::Told::error && record.charged != Money()) {
    return witness_.complain("a client that is given nothing pays");
  }
  const bool is_stream = exchange.asked.arrived.streamed;
  const bool has_gone = outcome.told == Outcome::Told::nothing;
  const bool was_given = outcome.told == Outcome::Told::whole ||
                         (outcome.told == Outcome::Told::error_event && is_stream) ||
                         (has_gone && is_stream);
  if (!was_given || !exchange.honest || exchange.asked.cut != Cut::by_token) return;
  const TokenCounts& paid = record.usage.tokens;
  const Tokens got = has_gone ? exchange.left : tokens_in(exchange.line.text);
  if (paid[TokenKind::output] != got) {
    witness_.complain(fmt::format("a tenant pays for {} tokens of an answer of {}",
                                  paid[TokenKind::output].count(), got.count()));
  }
  const Tokens prompt = paid[TokenKind::prompt] + paid[TokenKind::cached_read];
  if (outcome.told == Outcome::Told::whole && prompt != exchange.asked.prompt) {
    witness_.complain(fmt::format("a tenant pays for {} tokens of a prompt of {}", prompt.count(),
                                  exchange.asked.prompt.count()));
  }
}

void VirtualGrid::probe(SiteId id) {
  const fleet::Fleet& fleet = dispatch_.snapshot().fleet;
  const Place place = places_.find(fleet.sites[id].name)->second;
  const Condition condition = sites_[place].model.condition();
  const bool is_answered = condition == Condition::up || condition == Condition::down;
  at(clock_.monotonic() + (is_answered
                               ? fleet.links[id.value()].round_trip + sites_[place].slower_by
                               : options_.probe_time_limit),
     ProbeReturns{.place = place, .healthy = condition == Condition::up});
}

}  // namespace hanse::replay
