#include "drivers/replay/witness.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "core/dispatch/policy_of_attempts.h"

namespace hanse::replay {
namespace {

using dispatch::Dispatch;
using dispatch::RequestRef;

// A limit is noticed when its timer rings, and the answer's way back is as
// long as the link.
constexpr Duration kSlack = seconds(1);

// Counting goes over all requests, so not after every event.
constexpr std::uint64_t kEventsBetweenCounts = 16;

// Which request an event is about, if any.
struct AboutVisitor {
  std::optional<RequestRef> operator()(const dispatch::Arrived& e) const { return e.request; }
  std::optional<RequestRef> operator()(const dispatch::FirstToken& e) const { return e.request; }
  std::optional<RequestRef> operator()(const dispatch::Progressed& e) const { return e.request; }
  std::optional<RequestRef> operator()(const dispatch::AttemptEnded& e) const { return e.request; }
  std::optional<RequestRef> operator()(const dispatch::ClientGone& e) const { return e.request; }
  template <typename Other>
  std::optional<RequestRef> operator()(const Other&) const {
    return std::nullopt;
  }
};

// Which request an entry is about; nothing for accounts, epochs and seals.
std::optional<ledger::RequestNumber> number_of(const ledger::EntryBody& body) {
  return std::visit(
      []<typename Body>(const Body& entry) -> std::optional<ledger::RequestNumber> {
        if constexpr (requires { entry.request; }) {
          return entry.request;
        } else {
          return std::nullopt;
        }
      },
      body);
}

bool closes_a_request(const ledger::EntryBody& body) {
  return std::holds_alternative<ledger::RequestClosed>(body) ||
         std::holds_alternative<ledger::HoldReleased>(body) ||
         std::holds_alternative<ledger::RequestRefused>(body);
}

}  // namespace

Witness::Witness(dispatch::SnapshotRef snapshot, ledger::Ledger books,
                 const WitnessOptions& options)
    : snapshot_(std::move(snapshot)),
      books_(std::move(books)),
      options_(options),
      sites_({.health = options.dispatch.health, .probe_every = options.dispatch.probe_every}),
      watched_(options.dispatch.requests_max) {}

void Witness::event(const dispatch::Event& event, const Dispatch& dispatch, Instant now) {
  const auto about = std::visit(AboutVisitor{}, event);
  about_request_ = about.has_value();
  about_any_ = std::holds_alternative<dispatch::Woke>(event);
  about_ = about.value_or(RequestRef());
  leaves_ = std::holds_alternative<dispatch::ClientGone>(event);
  if (const auto* arrived = std::get_if<dispatch::Arrived>(&event)) {
    Watched& request = watched(arrived->request);
    expect(!request.open, arrived->request, "a slot that is in use is not given out");
    request = {};
    request.ref = arrived->request;
    request.open = true;
    request.streamed = arrived->streamed;
    request.deadline =
        now.monotonic + snapshot_->catalog.classes[arrived->latency_class].time_limit;
  } else if (const auto* begun = std::get_if<dispatch::FirstToken>(&event)) {
    if (Watched::Open* attempt = under_way(begun->request, begun->attempt)) {
      Watched& request = watched(begun->request);
      request.answered_by = request.tried[begun->attempt].variant;
      attempt->answers = true;
      sites_.answered(attempt->site);
    }
  } else if (const auto* ended = std::get_if<dispatch::AttemptEnded>(&event)) {
    attempt_ends(*ended, dispatch, now);
  } else if (const auto* reported = std::get_if<dispatch::SiteReported>(&event)) {
    const fleet::Site& site = snapshot_->fleet.sites[reported->site];
    sites_.reported(site.name, reported->finding, dispatch.health_of(reported->site).circuit,
                    now.monotonic);
  } else if (const auto* drilled = std::get_if<dispatch::SiteDrilled>(&event)) {
    sites_.drilled(snapshot_->fleet.sites[drilled->site].name, now.monotonic + drilled->lasts);
  } else if (about_any_) {
    nobody_is_forgotten(now);
  } else if (const auto* changed = std::get_if<dispatch::SnapshotChanged>(&event)) {
    snapshot_ = changed->snapshot;
  }
}

void Witness::attempt_ends(const dispatch::AttemptEnded& ended, const Dispatch& dispatch,
                           Instant now) {
  const Watched::Open* attempt = under_way(ended.request, ended.attempt);
  if (attempt == nullptr) return;
  Watched& request = watched(ended.request);
  request.tried[ended.attempt].failure = ended.failure;
  const std::string name = attempt->site;
  close(request, ended.attempt);
  const auto site = snapshot_->fleet.sites.find(name);
  sites_.ended({.site = name,
                .number = {.slot = ended.request.slot,
                           .generation = ended.request.generation,
                           .attempt = ended.attempt},
                .failure = ended.failure,
                .retry_after = ended.retry_after,
                .was_closed = site && dispatch.health_of(*site).circuit == fleet::Circuit::closed},
               now.monotonic);
}

void Witness::nobody_is_forgotten(Instant now) {
  for (const Watched& request : watched_) {
    if (!request.open) continue;
    expect(now.monotonic <= request.deadline + kSlack, request.ref,
           "a request ends within its class's time limit");
  }
}

struct Witness::ActionVisitor {
  Witness& witness;
  const Dispatch& dispatch;
  const dispatch::Action& action;
  Instant now;

  void operator()(std::monostate) const { witness.complain("an action is empty"); }
  void operator()(const dispatch::Append& a) const {
    const bool closes = closes_a_request(a.entry.body);
    if (closes != a.closes.has_value() ||
        (closes && !witness.is_of(a.entry.body, *a.closes, dispatch))) {
      witness.complain("an entry that ends a request says so, and no other does");
    }
    witness.entry(a.entry, dispatch);
  }
  void operator()(const dispatch::OpenAttempt& a) const { witness.open_attempt(a, dispatch, now); }
  void operator()(const dispatch::CancelAttempt& a) const {
    if (Watched* request = witness.subject(a.request, "an attempt is cancelled")) {
      const Watched::Open* attempt = witness.under_way(a.request, a.attempt);
      witness.expect(attempt != nullptr, a.request, "only an attempt under way is cancelled");
      if (attempt == nullptr) return;
      witness.sites_.cancelled(
          attempt->site,
          {.slot = a.request.slot, .generation = a.request.generation, .attempt = a.attempt});
      witness.close(*request, a.attempt);
    }
  }
  void operator()(const dispatch::Release& a) const { witness.release(a, dispatch); }
  void operator()(const dispatch::Finish& a) const {
    witness.end(a.request, action, dispatch, now);
  }
  void operator()(const dispatch::Refuse& a) const {
    witness.end(a.request, action, dispatch, now);
  }
  void operator()(const dispatch::Forget& a) const {
    witness.end(a.request, action, dispatch, now);
  }
  void operator()(const dispatch::Probe& a) const {
    const auto& sites = witness.snapshot_->fleet.sites;
    if (a.site.value() >= sites.size() || sites[a.site].retired) {
      return witness.complain("a site is probed that is retired or does not exist");
    }
    if (const auto broken = witness.sites_.probed(sites[a.site].name, now.monotonic)) {
      witness.complain(std::string(*broken));
    }
  }
  void operator()(const dispatch::WakeAt& a) const {
    if (a.time <= now.monotonic) witness.complain("a wake-up is asked for the past");
  }
};

void Witness::action(const dispatch::Action& action, const Dispatch& dispatch, Instant now) {
  std::visit(ActionVisitor{*this, dispatch, action, now}, action);
}

void Witness::entry(const ledger::Entry& entry, const Dispatch& dispatch) {
  const auto number = number_of(entry.body);
  Watched* request = nullptr;
  if (number) {
    request = booked(*number, dispatch);
    if (request == nullptr) {
      return complain("something is booked for a request that is over or not the event's");
    }
    expect(!request->closed, request->ref,
           "nothing is booked after the entry that closes a request");
    request->closed = closes_a_request(entry.body);
  }
  if (options_.keeps_entries) entries_.push_back(entry);
  if (const auto posted = books_.apply(entry); !posted) {
    return complain(fmt::format("the second ledger refuses {}: {}", ledger::kind_name(entry.body),
                                posted.error().message));
  }
  if (const auto* hold = std::get_if<ledger::HoldOpened>(&entry.body)) {
    request->let_in = true;
    holds_.emplace_back(hold->request, *hold);
    budgets_hold(books_.account(hold->receivable).path);
  } else if (std::holds_alternative<ledger::AttemptOpened>(entry.body)) {
    request->attempt_written = true;
    request->watermarked = false;
  } else if (const auto* watermark = std::get_if<ledger::Watermark>(&entry.body)) {
    expect(watermark->tenant.confirmed[TokenKind::output] <= request->left, request->ref,
           "what is confirmed has left");
    request->may_leave = watermark->tenant.may_leave[TokenKind::output];
    request->watermarked = true;
  } else if (const auto* refused = std::get_if<ledger::RequestRefused>(&entry.body)) {
    request->refused = refused->why;
  } else if (number && !books_.is_open(*number)) {
    std::erase_if(holds_, [&](const auto& open) { return open.first == *number; });
  }
}

// A budget that was lowered below what is spent already stays exceeded, but
// lets nothing more through; so it is looked at when a hold opens.
void Witness::budgets_hold(std::string_view receivable) {
  const auto line_holds = [&](const std::string& owner, const std::optional<Money>& budget) {
    const std::string prefix = fmt::format("receivable/{}/", owner);
    if (!budget || !receivable.starts_with(prefix)) return;
    ledger::Sum used = books_.balance_below(prefix, options_.dispatch.currency);
    for (const auto& [number, hold] : holds_) {
      if (books_.account(hold.receivable).path.starts_with(prefix)) used += hold.amount.count();
    }
    if (used > budget->count()) {
      complain(fmt::format("{} owes and holds {} nano-units of a budget of {}", owner,
                           static_cast<std::int64_t>(used), budget->count()));
    }
  };
  for (const auto& tenant : snapshot_->tenants.tenants) line_holds(tenant.name, tenant.budget);
  for (const auto& project : snapshot_->tenants.projects) {
    line_holds(project.name, project.budget);
  }
  for (const auto& key : snapshot_->tenants.keys) line_holds(key.name, key.budget);
}

void Witness::release(const dispatch::Release& action, const Dispatch& dispatch) {
  Watched* request = subject(action.request, "tokens are released");
  if (request == nullptr) return;
  const Watched::Open* attempt = under_way(action.request, action.attempt);
  expect(request->streamed && attempt != nullptr && attempt->answers, action.request,
         "only a stream under way is released");
  expect(request->watermarked, action.request, "an attempt has a watermark of its own");
  expect(action.output >= request->released, action.request, "what was released stays released");
  const Tokens most = dispatch::most_tokens(dispatch.record(action.request))[TokenKind::output];
  expect(action.output <= request->may_leave ||
             (action.output == dispatch::kNoTokenLimit && request->may_leave == most),
         action.request, "no token is released past the watermark");
  request->released = action.output;
}

void Witness::handed(RequestRef ref, Tokens output) {
  Watched& request = watched(ref);
  expect(output <= request.released, ref, "no token leaves before it is released");
  request.handed = std::max(request.handed, output);
  request.something_left = request.something_left || output > Tokens(0);
}

void Witness::left(RequestRef ref, Tokens output) {
  Watched& request = watched(ref);
  expect(output <= request.handed, ref, "a client takes only what was handed to it");
  request.left = std::max(request.left, output);
}

void Witness::begins_anew(RequestRef ref, bool is_delivered) {
  expect(!is_delivered, ref, "nothing is begun anew once the client has a part of the answer");
}

void Witness::continues(RequestRef ref, bool engine_can) {
  expect(engine_can, ref, "only an engine that is known to goes on with an answer");
}

void Witness::end(RequestRef ref, const dispatch::Action& action, const Dispatch& dispatch,
                  Instant now) {
  Watched* request = subject(ref, "a request ends");
  if (request == nullptr) return;
  request->open = false;
  const dispatch::Record& record = dispatch.record(ref);
  using dispatch::End;
  const bool finished = std::holds_alternative<dispatch::Finish>(action);
  const bool forgotten = std::holds_alternative<dispatch::Forget>(action);
  expect(record.end != End::open, ref, "a request that ends says why");
  expect(finished == (record.end == End::answered), ref, "a whole answer finishes, no other does");
  expect(forgotten == (record.end == End::client_gone), ref,
         "only a client that has gone is told nothing");
  const bool broken_off = record.end == End::cut || record.end == End::out_of_time;
  expect(!request->something_left || finished || forgotten || broken_off, ref,
         "a loss in mid-stream is called one");
  expect(request->under_way.empty(), ref, "no attempt goes on after a request's end");
  expect(!books_.is_open(record.number), ref, "the hold ends before the request does");
  expect(request->closed, ref, "an entry closes every request before it ends");
  // For one that has waited for room something had been set aside.
  const auto refusal = dispatch::refusal_of(record.end);
  expect(request->let_in ? !request->refused : request->refused == refusal, ref,
         "the books call a refusal what the record calls it");
  expect(record.attempts.size() == request->attempts, ref, "the record holds every attempt");
  const auto& latency_class = dispatch.snapshot_of(ref).catalog.classes[record.latency_class];
  expect(elapsed(record.arrived_at.monotonic, now.monotonic) <= latency_class.time_limit + kSlack,
         ref, "a request ends within its class's time limit");
  // Others may have failed it in between, and each time it may wait a second.
  const Duration queueing =
      dispatch::longest_queueing(latency_class, Duration(), latency_class.time_limit);
  const Duration between = std::max(seconds(1), latency_class.first_token);
  expect(record.queued <=
             queueing + between * static_cast<std::int64_t>(record.attempts.size()) + kSlack,
         ref, "nobody waits for room longer than its class lets it");
  bill_is_right(record);
}

void Witness::bill_is_right(const dispatch::Record& record) {
  using dispatch::End;
  const bool may_cost = record.end == End::answered || record.end == End::cut ||
                        record.end == End::out_of_time || record.end == End::client_gone;
  if (!may_cost && (record.charged != Money() || record.written_off != Money())) {
    complain(fmt::format("a request that ended as {} is charged", dispatch::to_string(record.end)));
  }
  if (record.charged > record.held) complain("more is charged than was held");
}

void Witness::done(const Dispatch& dispatch) {
  if (leaves_) {
    expect(!watched(about_).open || watched(about_).ref != about_, about_,
           "a client that has gone ends its request");
  }
  if (about_request_ && watched(about_).open && watched(about_).ref == about_) {
    const auto& under_way = watched(about_).under_way;
    expect(under_way.size() < 2 || std::ranges::none_of(under_way, &Watched::Open::answers), about_,
           "when one of two attempts has answered the other is given up");
  }
  if (books_.position() != dispatch.ledger().position()) {
    complain("dispatch has booked what it told nobody");
  }
  if (dispatch.queued_requests() > options_.dispatch.queued_max)
    complain("more requests wait for room than may");
  if (books_.imbalance(options_.dispatch.currency) != 0)
    complain("the accounts do not sum to zero");
  if (++events_ % kEventsBetweenCounts == 0) attempts_are_counted(dispatch);
}

void Witness::attempts_are_counted(const Dispatch& dispatch) {
  const auto& sites = dispatch.snapshot().fleet.sites;
  std::vector<std::int32_t> attempts(sites.size(), 0);
  for (const Watched& request : watched_) {
    if (!request.open) continue;
    // A site that a new snapshot has dropped is not looked at any more.
    for (const Watched::Open& attempt : request.under_way) {
      if (const auto site = sites.find(attempt.site)) ++attempts[site->value()];
    }
  }
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    if (attempts[i] == dispatch.attempts_at(SiteId(i))) continue;
    return complain("the attempts open at a site are not those that are counted there");
  }
}

void Witness::quiet(const Dispatch& dispatch) {
  if (dispatch.queued_requests() != 0) complain("somebody waits although nothing will happen");
  if (dispatch.open_requests() != 0) complain("requests are open although nothing will happen");
  if (books_.open_requests() != 0 || books_.open_attempts() != 0) {
    complain("the books hold open requests or attempts although nothing will happen");
  }
  for (const Watched& request : watched_) {
    expect(!request.open, request.ref, "every request ends");
  }
  if (dispatch.holds().open_holds() != 0) complain("money is set aside for nothing");
  for (std::size_t i = 0; i < snapshot_->tenants.keys.size(); ++i) {
    if (dispatch.rates().at_once(KeyId(i)) != 0) complain("a rate counts requests that are over");
  }
  nothing_is_left(dispatch);
}

void Witness::nothing_is_left(const Dispatch& dispatch) {
  const dispatch::World& world = dispatch.world();
  const fleet::Fleet& fleet = world.snapshot->fleet;
  fleet.offers.for_each([&](OfferId id, const fleet::Offer& offer) {
    const auto& load = world.placement.loads().of(id);
    if (load.sequences != 0 || load.prefilling != 0 || load.outstanding_tokens != Tokens(0)) {
      complain(fmt::format("{} has load although nothing is under way", offer.name));
    }
  });
  fleet.sites.for_each([&](SiteId id, const fleet::Site& site) {
    const auto& health = dispatch.health_of(id);
    if (dispatch.attempts_at(id) != 0 || health.trial != fleet::Trial::none ||
        health.slow_start.waiting() != 0) {
      complain(fmt::format("{} has attempts although nothing is under way", site.name));
    }
  });
}

Witness::Watched& Witness::watched(RequestRef request) { return watched_.at(request.slot); }

bool Witness::may_move(Watched& request) {
  if (about_any_ || (about_request_ && about_ == request.ref)) return true;
  if (request.under_way.empty()) request.moved_in = events_ + 1;
  return request.moved_in == events_ + 1;
}

bool Witness::is_of(const ledger::EntryBody& body, RequestRef ref, const Dispatch& dispatch) {
  const Watched& request = watched(ref);
  return request.open && request.ref == ref && dispatch.record(ref).number == number_of(body);
}

Witness::Watched::Open* Witness::under_way(RequestRef ref, std::uint8_t attempt) {
  Watched& request = watched(ref);
  if (!request.open || request.ref != ref) return nullptr;
  const auto found = std::ranges::find(request.under_way, attempt, &Watched::Open::attempt);
  return found == request.under_way.end() ? nullptr : &*found;
}

void Witness::close(Watched& request, std::uint8_t attempt) {
  std::erase_if(request.under_way, [&](const auto& open) { return open.attempt == attempt; });
}

Witness::Watched* Witness::booked(ledger::RequestNumber number, const Dispatch& dispatch) {
  const auto is_it = [&](const Watched& request) {
    return request.open && dispatch.record(request.ref).number == number;
  };
  if (about_request_ && is_it(watched(about_))) return &watched(about_);
  const auto found = std::ranges::find_if(watched_, is_it);
  return found == watched_.end() || !may_move(*found) ? nullptr : &*found;
}

Witness::Watched* Witness::subject(RequestRef ref, std::string_view what) {
  Watched& request = watched(ref);
  const bool right = request.open && request.ref == ref && may_move(request);
  if (right) return &request;
  complain(fmt::format("{} although request {}.{} is over or not the event's", what, ref.slot,
                       ref.generation));
  return nullptr;
}

const gate::Gate& Witness::judge(const dispatch::Snapshot& snapshot) {
  const auto known = std::ranges::find_if(
      judges_, [&](const Judge& judge) { return judge.snapshot->digest == snapshot.digest; });
  if (known != judges_.end()) return *known->gate;
  // A copy, since who else keeps this snapshot may let it go.
  auto kept = std::make_shared<const dispatch::Snapshot>(snapshot);
  auto gate =
      std::make_unique<gate::Gate>(kept->catalog, kept->fleet, kept->policies, kept->labels);
  judges_.push_back({std::move(kept), std::move(gate)});
  return *judges_.back().gate;
}

void Witness::expect(bool holds, RequestRef request, std::string_view rule) {
  if (holds) return;
  complain(
      fmt::format("request {}.{} breaks the rule: {}", request.slot, request.generation, rule));
}

void Witness::complain(std::string complaint) {
  if (complaints_.size() < kComplaintsMax) complaints_.push_back(std::move(complaint));
}

}  // namespace hanse::replay
