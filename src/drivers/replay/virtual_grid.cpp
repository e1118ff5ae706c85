#include "drivers/replay/virtual_grid.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/check.h"
#include "core/dispatch/policy_of_attempts.h"

namespace hanse::replay {
namespace {

// Each open request has a limit, a batch, a leaving client, a step and a few
// pieces of its answer on their way; sites have probes.
constexpr std::size_t kHappeningsPerRequest = 256;
constexpr std::size_t kHappeningsBeside = 1'000'000;

// Probes and wake-ups wait for nothing; and a probe's site is an index of the
// snapshot at hand, which may be another one when the turn ends.
bool needs_no_entry(const dispatch::Action& action) {
  return std::holds_alternative<dispatch::Probe>(action) ||
         std::holds_alternative<dispatch::WakeAt>(action);
}

// A ledger in its first epoch, as a journal begins; or as one stands that is
// gone on with.
ledger::Ledger books_of(const GridOptions& options) {
  ledger::Ledger books;
  for (const ledger::Entry& entry : options.past) HANSE_CHECK(books.apply(entry).has_value());
  if (!options.past.empty()) return books;
  const ledger::Entry begin{
      .at = options.starts_at,
      .body = ledger::EpochStarted{.epoch = ledger::Epoch(1), .machine_boot = {}}};
  HANSE_CHECK(books.apply(begin).has_value());
  return books;
}

}  // namespace

std::string_view to_string(Outcome::Told told) {
  switch (told) {
    case Outcome::Told::whole: return "whole";
    case Outcome::Told::error: return "error";
    case Outcome::Told::error_event: return "error_event";
    case Outcome::Told::nothing: return "nothing";
  }
  return "unknown";
}

VirtualGrid::VirtualGrid(const dispatch::SnapshotRef& snapshot, Director& director,
                         const GridOptions& options)
    : director_(director),
      options_(options),
      clock_(options.starts_at),
      queue_(options.dispatch.requests_max * kHappeningsPerRequest + kHappeningsBeside),
      random_(options.seed),
      ledger_(books_of(options)),
      witness_(snapshot, books_of(options),
               {.dispatch = options.dispatch, .keeps_entries = options.death.has_value()}),
      dispatch_(snapshot, ledger_, {.budget = treasurer_, .slots = slots_, .health = nobody_else_},
                options.dispatch, clock_.now()),
      exchanges_(options.dispatch.requests_max) {
  // The lowest slot is taken first.
  for (std::uint32_t slot = options.dispatch.requests_max; slot-- > 0;) free_slots_.push_back(slot);
  learn_of_sites(*snapshot);
}

VirtualGrid::~VirtualGrid() = default;

void VirtualGrid::record_to(std::string& out, SnapshotText text_of) {
  struct Sink final : ledger::EntrySink {
    explicit Sink(dispatch::RecordingWriter& to) : writer(to) {}
    ledger::Position append(const ledger::Entry& entry) override {
      writer.entry(entry);
      return {};
    }
    dispatch::RecordingWriter& writer;
  };
  text_of_ = std::move(text_of);
  // The books as they were before dispatch opened its first account.
  ledger::Ledger books = books_of(options_);
  const dispatch::Snapshot& snapshot = dispatch_.snapshot();
  recording_.emplace(out, dispatch::RecordingStart{.options = options_.dispatch,
                                                   .at = clock_.now(),
                                                   .snapshot = snapshot.digest,
                                                   .journal = {},
                                                   .position = books.position()});
  Sink sink(*recording_);
  books.seal(options_.starts_at, sink);
  recording_->snapshot(snapshot.digest, text_of_(snapshot));
}

void VirtualGrid::record(const dispatch::Event& event, std::uint64_t actions_digest) {
  if (const auto* changed = std::get_if<dispatch::SnapshotChanged>(&event)) {
    recording_->snapshot(changed->snapshot->digest, text_of_(*changed->snapshot));
  }
  recording_->event(event, clock_.now(), actions_digest);
}

void VirtualGrid::run() {
  at(clock_.monotonic(), WakeUp{});
  await_next_client();
  while (!died_ && (more_clients_ || dispatch_.open_requests() > 0 || turn_ends_) &&
         !queue_.empty()) {
    if (++counts_.happenings > options_.happenings_max) {
      return witness_.complain("the run does not end");
    }
    clock_.advance_to(queue_.next_time());
    const Happening happening = queue_.pop();
    std::visit([this](const auto& what) { happen(what); }, happening);
    if (!complaints().empty()) return;  // what follows from a broken rule says nothing
  }
  counts_.queue_longest = queue_.longest();
  if (died_) return;
  if (recording_) recording_->end();
  witness_.quiet(dispatch_);
}

void VirtualGrid::at(MonotonicTime time, Happening happening) {
  HANSE_CHECK(queue_.try_push(time, std::move(happening)));
}

std::size_t VirtualGrid::tell(const dispatch::Event& event) {
  const Instant now = clock_.now();
  witness_.event(event, dispatch_, now);
  ++counts_.events;
  std::size_t count = 0;
  RunDigest digest;
  dispatch::Actions actions;
  auto progress = dispatch_.on(event, now, actions);
  while (true) {
    for (const dispatch::Action& action : actions) {
      if (dies()) return count;
      dispatch::add_to(digest, action);
      witness_.action(action, dispatch_, now);
      if (needs_no_entry(action)) {
        perform(action);
      } else {
        waiting_.push_back(action);
      }
    }
    count += actions.size();
    if (progress == dispatch::Dispatch::Progress::done) break;
    actions.clear();
    progress = dispatch_.more(actions);
  }
  counts_.actions += count;
  digest_.add_signed(now.monotonic.count());
  digest_.add(digest.value());
  if (recording_) record(event, digest.value());
  if (!turn_ends_ && !waiting_.empty()) {
    turn_ends_ = true;
    const auto most = static_cast<std::uint64_t>(options_.turn_max.count());
    at(now.monotonic + Duration(static_cast<std::int64_t>(random_.below(most + 1))), TurnEnds{});
  }
  witness_.done(dispatch_);
  return count;
}

// --- Clients -----------------------------------------------------------------

void VirtualGrid::await_next_client() {
  if (const auto time = director_.next_arrival()) {
    at(std::max(*time, clock_.monotonic()), ClientComes{});
  } else {
    more_clients_ = false;
  }
}

void VirtualGrid::happen(const ClientComes&) {
  Asked asked = director_.ask(dispatch_.snapshot());
  await_next_client();
  if (free_slots_.empty()) {
    ++counts_.turned_away;
    return director_.turned_away(asked);
  }
  ++counts_.requests;
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  Exchange& exchange = exchanges_[slot];
  const std::uint32_t generation = exchange.ref.generation + 1;
  exchange = {};
  exchange.ref = {.slot = slot, .generation = generation};
  exchange.open = true;
  exchange.asked = std::move(asked);
  exchange.asked.arrived.request = exchange.ref;
  if (exchange.asked.leaves_after && !exchange.asked.leaves_after_attempt) {
    at(clock_.monotonic() + *exchange.asked.leaves_after, ClientLeaves{exchange.ref});
  }
  tell(exchange.asked.arrived);
}

void VirtualGrid::happen(const ClientLeaves& leaving) {
  Exchange& exchange = exchanges_[leaving.request.slot];
  if (!exchange.open || exchange.ref != leaving.request) return;
  // The end of its request may be decided already, and goes out in this turn:
  // then it leaves behind that.
  if (dispatch_.record(exchange.ref).end != dispatch::End::open) return;
  exchange.client_gone = true;
  tell(dispatch::ClientGone{
      .request = exchange.ref,
      .usage = used(exchange),
      .billed = dispatch::without_undelivered(billed(exchange), deltas(exchange) - exchange.left),
      .paused = paused_for(exchange.line)});
}

void VirtualGrid::happen(const ClientTakes& taking) {
  Exchange& exchange = exchanges_[taking.request.slot];
  if (!exchange.open || exchange.ref != taking.request || exchange.client_gone) return;
  const Reading& reading = *exchange.asked.reads_slowly;
  exchange.taking = false;
  const Tokens before = exchange.left;
  take_up_to(exchange, std::min(exchange.handed, before + reading.at_a_time));
  if (before < reading.stops_after && exchange.left >= reading.stops_after) {
    exchange.stands_still_until = clock_.monotonic() + reading.stops_for;
  }
  await_taking(exchange);
  const bool is_low = exchange.handed - exchange.left <= options_.untaken_low;
  if (is_low && exchange.line.paused_at) read_again(exchange);
}

void VirtualGrid::take_up_to(Exchange& exchange, Tokens output) {
  exchange.left = output;
  witness_.left(exchange.ref, output);
}

void VirtualGrid::await_taking(Exchange& exchange) {
  if (exchange.taking || exchange.left == exchange.handed) return;
  exchange.taking = true;
  const MonotonicTime now = clock_.monotonic();
  const MonotonicTime next =
      std::max(now + exchange.asked.reads_slowly->every, exchange.stands_still_until);
  if (elapsed(now, next) <= options_.takes_nothing_max) return at(next, ClientTakes{exchange.ref});
  at(now + options_.takes_nothing_max, ClientLeaves{exchange.ref});
}

// --- Sites -------------------------------------------------------------------

void VirtualGrid::happen(const JobReachesSite& reaching) {
  Site& site = sites_[reaching.place];
  // It was given up on its way, or the link is cut.
  if (!ways_.contains(reaching.job.id) || site.model.condition() == Condition::cut_off) return;
  site.model.open(reaching.job, clock_.monotonic(), reactions_);
  emit_reactions(reaching.place);
}

void VirtualGrid::happen(const SiteSteps& stepping) {
  sites_[stepping.place].model.step(stepping.job, clock_.monotonic(), reactions_);
  emit_reactions(stepping.place);
}

void VirtualGrid::happen(const GatewayCloses& closing) {
  // Also over a link that is cut: an engine notices by itself that its peer
  // has gone.
  sites_[closing.place].model.close(closing.job, clock_.monotonic(), reactions_);
  emit_reactions(closing.place);
}

void VirtualGrid::happen(const SiteBecomes& becoming) {
  sites_[becoming.place].model.become(becoming.condition, clock_.monotonic(), reactions_);
  emit_reactions(becoming.place);
}

void VirtualGrid::emit_reactions(Place place) {
  for (const auto& [time, job] : reactions_.steps) at(time, SiteSteps{.place = place, .job = job});
  for (const Saying& saying : reactions_.sayings) {
    const auto way = ways_.find(saying.job);
    if (way == ways_.end()) continue;  // nobody listens any more
    at(clock_.monotonic() + way->second.one_way,
       SiteSays{.place = place, .slot = way->second.slot, .saying = saying});
  }
  reactions_.steps.clear();
  reactions_.sayings.clear();
}

void VirtualGrid::happen(const SiteSays& says) {
  Exchange* exchange = find(says.slot, says.saying.job);
  if (exchange == nullptr || sites_[says.place].model.condition() == Condition::cut_off) return;
  if (exchange->line.paused_at) return exchange->line.unread.push_back(says.saying);
  hear(*exchange, says.saying);
}

void VirtualGrid::hear(Exchange& exchange, const Saying& saying) {
  switch (saying.kind) {
    case Saying::Kind::connected: exchange.line.watch.connected(clock_.monotonic()); return;
    case Saying::Kind::answered: return answered(exchange, saying.output);
    case Saying::Kind::finished: return finished(exchange, saying);
    case Saying::Kind::failed: return end_attempt(exchange, saying.failure, saying.retry_after);
  }
}

void VirtualGrid::pause(Line& line) {
  if (!line.job || line.paused_at) return;
  ++counts_.pauses;
  line.paused_at = clock_.monotonic();
  line.watch.paused(clock_.monotonic());
}

void VirtualGrid::read_again(Exchange& exchange) {
  Line& line = exchange.line;
  line.paused_for = paused_for(line);
  line.paused_at.reset();
  line.watch.resumed(clock_.monotonic());
  line.rings_at = line.watch.due();
  at(line.rings_at, LimitRings{.slot = exchange.ref.slot, .job = *line.job});
  for (const Saying& saying : std::exchange(line.unread, {})) {
    Exchange* const found = find(exchange.ref.slot, saying.job);
    if (found == nullptr) return;
    // The client may be full again.
    if (line.paused_at) {
      line.unread.push_back(saying);
    } else {
      hear(exchange, saying);
    }
  }
}

Duration VirtualGrid::paused_for(const Line& line) const {
  if (!line.paused_at) return line.paused_for;
  return line.paused_for + elapsed(*line.paused_at, clock_.monotonic());
}

void VirtualGrid::answered(Exchange& exchange, Tokens output) {
  if (!take_said(exchange, output)) return;
  tell_first_token(exchange);
  let_leave(exchange);
  if (exchange.line.batch_pending) return;
  exchange.line.batch_pending = true;
  at(clock_.monotonic() + options_.progress_every,
     BatchIsDue{.slot = exchange.ref.slot, .job = *exchange.line.job});
}

void VirtualGrid::finished(Exchange& exchange, const Saying& saying) {
  if (!take_said(exchange, saying.output)) return;
  answer::Delta last;
  last.has_choice = true;
  last.finish = answer::Finish::stop;
  exchange.line.answer->take(last);
  if (saying.usage) {
    answer::Delta report;
    report.usage = Usage{.tokens = *saying.usage};
    exchange.line.answer->take(report);
  }
  exchange.line.answer->engine_done();
  if (exchange.line.answer->diverged()) return end_attempt(exchange, answer::Failure::diverged, {});
  tell_first_token(exchange);
  end_attempt(exchange,
              exchange.line.answer->complete() ? answer::Failure::none : answer::Failure::reset,
              {});
}

bool VirtualGrid::take_said(Exchange& exchange, Tokens output) {
  said_.clear();
  const Tokens from = exchange.line.begins_at + exchange.line.said;
  const Tokens to = exchange.line.begins_at + output;
  exchange.line.said = output;
  switch (exchange.asked.cut) {
    case Cut::by_token:
      for (Tokens token = from; token < to; token += Tokens(1)) {
        said_.clear();
        replay::tell(exchange.line.voice, token, token + Tokens(1), said_);
        take(exchange, said_);
      }
      break;
    case Cut::by_piece:
      replay::tell(exchange.line.voice, from, to, said_);
      take(exchange, said_);
      break;
    case Cut::anywhere: {
      replay::tell(exchange.line.voice, from, to, said_);
      std::string_view rest = said_;
      while (!rest.empty()) {
        const std::size_t size = 1 + random_.below(rest.size());
        take(exchange, rest.substr(0, size));
        rest.remove_prefix(size);
      }
      break;
    }
  }
  exchange.line.watch.progressed(Tokens(exchange.line.answer->attempt_tokens()),
                                 clock_.monotonic());
  if (!exchange.line.answer->diverged()) return true;
  tell_first_token(exchange);
  end_attempt(exchange, answer::Failure::diverged, {});
  return false;
}

void VirtualGrid::take(Exchange& exchange, std::string_view text) {
  if (text.empty()) return;
  answer::Delta delta;
  delta.has_choice = true;
  delta.text = text;
  const answer::Emission emission = exchange.line.answer->take(delta);
  if (emission.forward) exchange.line.text.append(text);
  if (!emission.remainder) return;
  for (const answer::Remainder& part : exchange.line.answer->remainders()) {
    exchange.line.text.append(part.text);
  }
}

void VirtualGrid::tell_first_token(Exchange& exchange) {
  if (!exchange.line.answer->attempt_begun() || std::exchange(exchange.line.first_token_told, true))
    return;
  tell(dispatch::FirstToken{.request = exchange.ref, .attempt = exchange.line.attempt});
}

void VirtualGrid::let_leave(Exchange& exchange) {
  if (!exchange.asked.arrived.streamed || exchange.client_gone) return;
  const Tokens may = std::min(deltas(exchange), exchange.released);
  if (may <= exchange.handed) return;
  exchange.handed = may;
  witness_.handed(exchange.ref, may);
  if (!exchange.asked.reads_slowly) return take_up_to(exchange, may);
  await_taking(exchange);
  if (exchange.handed - exchange.left > options_.untaken_high) pause(exchange.line);
}

void VirtualGrid::happen(const BatchIsDue& due) {
  Exchange* exchange = find(due.slot, due.job);
  if (exchange == nullptr) return;
  exchange->line.batch_pending = false;
  if (exchange->told == deltas(*exchange)) return;
  exchange->told = deltas(*exchange);
  tell(dispatch::Progressed{.request = exchange->ref,
                            .attempt = exchange->line.attempt,
                            .output = exchange->told,
                            .left = exchange->left});
}

void VirtualGrid::happen(const LimitRings& ringing) {
  Exchange* exchange = find(ringing.slot, ringing.job);
  if (exchange == nullptr || exchange->line.rings_at != clock_.monotonic()) return;
  if (const auto failure = exchange->line.watch.overdue(clock_.monotonic())) {
    const bool is_whole = exchange->line.answer && exchange->line.answer->complete();
    return end_attempt(*exchange, is_whole ? answer::Failure::none : *failure, {});
  }
  exchange->line.rings_at = exchange->line.watch.due();
  at(exchange->line.rings_at, ringing);
}

void VirtualGrid::end_attempt(Exchange& exchange, answer::Failure failure,
                              std::optional<Duration> retry_after) {
  const bool used_any = failure == answer::Failure::none || exchange.line.answer->attempt_begun();
  const dispatch::AttemptEnded ended{
      .request = exchange.ref,
      .attempt = exchange.line.attempt,
      .failure = failure,
      .usage = used_any ? used(exchange) : Usage{},
      .billed = billed(exchange),
      .output = deltas(exchange),
      .resumable = exchange.asked.arrived.streamed ? resumable(exchange) : answer::Resumable::no,
      .paused = paused_for(exchange.line),
      .retry_after = retry_after};
  drop_attempt(exchange);
  if (exchange.line.told_again_after) {
    at(clock_.monotonic() + *exchange.line.told_again_after,
       LateNews{.request = ended.request, .attempt = ended.attempt});
  }
  if (exchange.asked.leaves_after && exchange.asked.leaves_after_attempt == ended.attempt) {
    at(clock_.monotonic() + *exchange.asked.leaves_after, ClientLeaves{ended.request});
  }
  tell(ended);
  // One that was outrun is still to be cancelled.
  if (exchange.beside && !is_over(exchange.ref, exchange.beside->attempt)) {
    go_on_with_the_other(exchange);
  }
}

void VirtualGrid::go_on_with_the_other(Exchange& exchange) {
  exchange.line = *std::move(exchange.beside);
  exchange.beside.reset();
}

answer::Resumable VirtualGrid::resumable(const Exchange& exchange) {
  const answer::Resumable how = exchange.line.answer->resumable();
  const bool can_continue =
      how == answer::Resumable::by_continuing || how == answer::Resumable::by_appending;
  return can_continue && !exchange.asked.continuable ? answer::Resumable::by_repeating : how;
}

Tokens VirtualGrid::prompt_estimate(const Exchange& exchange) {
  return std::min(Tokens((exchange.asked.arrived.prompt_bytes + 3) / 4),
                  exchange.asked.arrived.prompt_tokens_max);
}

Usage VirtualGrid::used(const Exchange& exchange) {
  if (!exchange.line.answer || !exchange.line.answer->attempt_begun()) return {};
  return exchange.line.answer->usage(prompt_estimate(exchange));
}

Usage VirtualGrid::billed(const Exchange& exchange) {
  if (!exchange.line.answer || !exchange.line.answer->begun()) return {};
  return exchange.line.answer->billed(prompt_estimate(exchange));
}

Tokens VirtualGrid::deltas(const Exchange& exchange) {
  return Tokens(exchange.line.answer ? exchange.line.answer->progress_deltas() : 0);
}

VirtualGrid::Exchange* VirtualGrid::find(std::uint32_t slot, JobId job) {
  Exchange& exchange = exchanges_[slot];
  if (!exchange.open) return nullptr;
  const bool is_other = exchange.beside && exchange.beside->job == job;
  if (!is_other && exchange.line.job != job) return nullptr;
  const Line& line = is_other ? *exchange.beside : exchange.line;
  if (exchange.hedged && is_over(exchange.ref, line.attempt)) return nullptr;
  if (is_other) std::swap(exchange.line, *exchange.beside);
  return &exchange;
}

bool VirtualGrid::is_over(dispatch::RequestRef request, std::uint8_t attempt) const {
  return dispatch_.record(request).attempts[attempt].ended.has_value();
}

}  // namespace hanse::replay
