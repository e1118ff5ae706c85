#include "core/dispatch/dispatch.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "core/dispatch/policy_of_attempts.h"
#include "core/dispatch/request.h"

namespace hanse::dispatch {
namespace {

limits::Level level_of(const ledger::BudgetScope& scope, ledger::BudgetLine line) {
  if (line == scope.key) return limits::Level::key;
  return line == scope.project ? limits::Level::project : limits::Level::tenant;
}

}  // namespace

Dispatch::Dispatch(SnapshotRef snapshot, ledger::Ledger& ledger, const Ports& ports,
                   DispatchOptions options, Instant now)
    : options_(options),
      ledger_(ledger),
      budget_(ports.budget),
      slots_(ports.slots),
      holds_(ports.budget, {.open_holds_max = options.requests_max}),
      health_(ports.health, options.health),
      missing_models_({.first = options.health.pause_first, .most = options.health.pause_max}),
      numbers_(ledger_.epoch()),
      rates_(snapshot->tenants),
      queue_({.waiting_max = options.queued_max,
              .waiting_max_per_tenant = options.queued_max_per_tenant,
              .priorities = kQueuePriorities}),
      requests_(options.requests_max),
      next_probe_(now.monotonic),
      next_wake_(now.monotonic) {
  HANSE_CHECK(options_.attempts_max >= 1 && options_.attempts_max <= kAttemptsMax);
  world_ = make_world(std::move(snapshot), nullptr, now);
}

Dispatch::~Dispatch() = default;

Dispatch::Progress Dispatch::on(const Event& event, Instant now, Actions& actions) {
  HANSE_CHECK(actions.empty());
  actions_ = &actions;
  (void)more(actions);
  actions_ = &actions;
  // Whoever waits goes before whoever comes, also where time alone has made room.
  if (queue_.waiting() > 0) {
    room_made_ = room_made_ || std::holds_alternative<Arrived>(event);
    serve_queue(now);
  }
  struct Visitor {
    Dispatch& dispatch;
    Instant now;
    void operator()(const Arrived& e) const { dispatch.arrived(e, now); }
    void operator()(const FirstToken& e) const { dispatch.first_token(e, now); }
    void operator()(const Progressed& e) const { dispatch.progressed(e, now); }
    void operator()(const AttemptEnded& e) const { dispatch.attempt_ended(e, now); }
    void operator()(const ClientGone& e) const { dispatch.client_gone(e, now); }
    void operator()(const SiteReported& e) const { dispatch.site_reported(e, now); }
    void operator()(const Woke&) const { dispatch.woke(now); }
    void operator()(const SnapshotChanged& e) const { dispatch.snapshot_changed(e, now); }
    void operator()(const SiteDrilled& e) const { dispatch.site_drilled(e, now); }
    void operator()(const SiteMeasured& e) const { dispatch.site_measured(e, now); }
  };
  std::visit(Visitor{*this, now}, event);
  if (queue_.waiting() > 0) serve_queue(now);
  actions_ = nullptr;
  return overflow_.empty() ? Progress::done : Progress::more;
}

Dispatch::Progress Dispatch::more(Actions& actions) {
  while (overflow_begin_ < overflow_.size() && !actions.full()) {
    actions.push(std::move(overflow_[overflow_begin_++]));
  }
  if (overflow_begin_ < overflow_.size()) return Progress::more;
  overflow_.clear();
  overflow_begin_ = 0;
  return Progress::done;
}

void Dispatch::emit(Action action) {
  // Order is kept: once something waits, everything waits behind it.
  if (actions_ != nullptr && overflow_.empty() && !actions_->full()) {
    actions_->push(std::move(action));
  } else {
    overflow_.push_back(std::move(action));
  }
}

void Dispatch::append(const ledger::EntryBody& body, Instant now) {
  ledger::Entry entry{.at = now.wall, .body = body};
  // The ledger refuses what would break the books; a refusal here means that
  // this state machine is wrong, and no answer is worth that.
  HANSE_CHECK(ledger_.apply(entry).has_value());
  emit(Append{.entry = std::move(entry), .closes = std::nullopt});
}

void Dispatch::append_closing(const Request& request, const ledger::EntryBody& body, Instant now) {
  ledger::Entry entry{.at = now.wall, .body = body};
  HANSE_CHECK(ledger_.apply(entry).has_value());
  emit(Append{.entry = std::move(entry), .closes = request.ref});
}

// --- A request's way -------------------------------------------------------

void Dispatch::arrived(const Arrived& event, Instant now) {
  HANSE_CHECK(event.request.slot < requests_.size());
  std::unique_ptr<Request>& slot = requests_[event.request.slot];
  if (!slot) slot = std::make_unique<Request>();
  HANSE_CHECK(slot->state == State::free);
  Request& request = *slot;
  request.begin(event, world_, numbers_.next(), now);
  ++open_;

  World& world = *request.world;
  world.gate.permitted_sites(request.question(), now.wall, request.permitted);
  const BitSet& offering = world.sites_of_alias[event.alias.value()];
  request.permitted &= offering;
  request.record.sites_permitted = static_cast<std::uint32_t>(request.permitted.count());
  request.record.sites_refused =
      static_cast<std::uint32_t>(offering.count()) - request.record.sites_permitted;
  if (request.permitted.empty())
    return refuse(request, End::refused_by_law, {.request = request.ref, .retry_after = {}}, now);

  if (!admit(request, now)) return;
  const placement::Decision decision = place(request, {}, request.record.excluded, now);
  if (!decision.chosen.valid()) return await_room(request, now);
  const placement::Prediction& foretold = decision.best[0].prediction;
  count(request, {.prompt = foretold.prompt, .output = foretold.output});
  queue_.pass(world.shares[request.record.tenant.value()], priority_of(request), request.expected);
  if (!hold(request, now)) return give_slot_back(line_of(world, decision));
  if (!open_attempt(request, decision, answer::TakeUp::anew, now)) go_on(request, now);
}

bool Dispatch::admit(Request& request, Instant now) {
  const TokenCounts most = most_tokens(request.record);
  const auto admission = rates_.admit(
      request.record.key, most[TokenKind::prompt] + most[TokenKind::output], now.monotonic);
  if (admission) {
    request.admission = *admission;
    return true;
  }
  refuse(request, End::over_rate,
         {.request = request.ref,
          .retry_after = admission.error().retry_after,
          .rate = admission.error()},
         now);
  return false;
}

bool Dispatch::hold(Request& request, Instant now) {
  const Snapshot& snapshot = *request.world->snapshot;
  const limits::Tenant& tenant = snapshot.tenants.tenants[request.record.tenant];
  const catalog::PriceBook& book = snapshot.catalog.price_books[tenant.price_book];
  const TokenPrices* prices = book.find(request.record.alias);
  HANSE_CHECK(prices != nullptr);  // the configuration sells a tenant what it may ask
  request.tenant_prices = *prices;

  const Money most = most_it_can_cost(request.record, *prices);
  const std::size_t key = request.record.key.value();
  const ledger::BudgetScope& scope = request.world->budget_scopes[key];
  recall_overdrawn(scope);
  auto held = holds_.open(scope, most);
  if (!held) {
    if (held.error().code == ErrorCode::at_capacity) {
      refuse(request, End::at_capacity,
             {.request = request.ref, .retry_after = retry_after(request, now)}, now);
    } else {
      refuse(
          request, End::over_budget,
          {.request = request.ref, .retry_after = {}, .budget = level_of(scope, held.error().line)},
          now);
    }
    return false;
  }
  request.hold = *held;
  request.record.held = most;
  append(ledger::HoldOpened{.request = request.record.number,
                            .receivable = request.world->receivables[key],
                            .amount = most,
                            .prices = *prices},
         now);
  return true;
}

void Dispatch::recall_overdrawn(const ledger::BudgetScope& scope) {
  // A budget that was lowered below what is leased here: what holds have let
  // go since must not be spent again.
  for (const ledger::BudgetLine line : {scope.tenant, scope.project, scope.key}) {
    const Money overdrawn = budget_.overdrawn(line);
    if (overdrawn > Money(0)) holds_.recall(line, overdrawn);
  }
}

void Dispatch::first_token(const FirstToken& event, Instant now) {
  Request* request = find(event.request, event.attempt);
  if (request == nullptr || request->state != State::waiting) return;
  outrun_the_other(*request, now);
  AttemptRecord& attempt = request->attempt();
  attempt.first_token = elapsed(attempt.opened_at.monotonic, now.monotonic);
  request->state = State::answering;
  request->first_token_at = now.monotonic;
  health_.first_token(request->world->line(attempt.site),
                      std::exchange(request->current.trial, fleet::Trial::none), now);
  room_made_ = true;  // at a site that has just come back
  missing_models_.found(request->world->line(attempt.decision.chosen), now.monotonic);
  request->world->placement.loads().first_token(attempt.decision.chosen,
                                                attempt.decision.best[0].prediction,
                                                *attempt.first_token, now.monotonic);
  if (Twin* twin = request->current.twin.get()) {
    twin->first_token(*world_, *attempt.first_token, now.monotonic);
  }
  if (!request->record.streamed) return;
  request->delivered = true;
  raise_watermark(*request, request->output, now);
}

void Dispatch::progressed(const Progressed& event, Instant now) {
  Request* request = find(event.request, event.attempt);
  if (request == nullptr || request->state != State::answering || !request->record.streamed) return;
  const bool all_may_leave = request->may_leave == most_tokens(request->record)[TokenKind::output];
  const Tokens output = std::clamp(event.output, Tokens(0), kNoTokenLimit);
  request->has_left = std::max(request->has_left, std::min(event.left, request->may_leave));
  if (!all_may_leave && output + kWatermarkLow >= request->may_leave) {
    raise_watermark(*request, output, now);
  }
}

// --- Sites and snapshots ---------------------------------------------------

void Dispatch::site_reported(const SiteReported& event, Instant now) {
  if (event.site.value() >= world_->snapshot->fleet.sites.size()) return;
  health_.reported(world_->line(event.site), event.finding, now);
  room_made_ = true;
}

void Dispatch::site_drilled(const SiteDrilled& event, Instant now) {
  if (event.site.value() >= world_->snapshot->fleet.sites.size()) return;
  const Duration lasts = std::clamp(event.lasts, Duration(), fleet::DrillBook::kLongest);
  drills_.set(world_->line(event.site), now.monotonic + lasts, now.monotonic);
  room_made_ = true;
}

void Dispatch::site_measured(const SiteMeasured& event, Instant now) {
  if (event.site.value() >= world_->snapshot->fleet.sites.size()) return;
  const fleet::SiteLine line = world_->line(event.site);
  const std::int32_t ours = world_->placement.loads().sequences_at(event.site);
  signs_.measured(line, event.sign, ours, now.monotonic);
  heed_sign(line);
  learn_room(line, ours, now);
}

void Dispatch::learn_room(fleet::SiteLine line, std::int32_t ours, Instant now) {
  const fleet::SignBook::Told& told = *signs_.of(line);
  // A page that knows of others' work, or does not know of ours, says nothing of
  // what the site makes of ours.
  if (told.others > 0 || told.untold > rooms_.bridging(line) || ours == 0) return;
  // A request for several answers is several sequences.
  const std::int64_t attempts = std::min(attempts_at_[line.value()], ours);
  const auto of_attempts = [&](std::int32_t sequences) {
    return static_cast<std::int32_t>((sequences * attempts + ours - 1) / ours);
  };
  rooms_.told(
      line, {.running = of_attempts(told.sign.running), .waiting = of_attempts(told.sign.waiting)},
      told.asked_at, now.monotonic);
  slots_.bound(line, rooms_.room(line));
}

void Dispatch::heed_sign(fleet::SiteLine line) {
  const SiteId site = world_->site(line);
  if (!site.valid()) return;
  const fleet::SignBook::Told* told = signs_.of(line);
  world_->placement.loads().heed(site, told == nullptr
                                           ? placement::OthersWork()
                                           : placement::OthersWork{.sequences = told->others,
                                                                   .waiting = told->sign.waiting,
                                                                   .has_room = !told->kv_is_full(),
                                                                   .weight_ppm = told->weight,
                                                                   .told_at = told->at});
}

void Dispatch::fade_signs(Instant now) {
  if (!signs_.is_due(now.monotonic)) return;
  signs_.fade(now.monotonic, [&](fleet::SiteLine line) { heed_sign(line); });
}

void Dispatch::forget_signs(World& world) const {
  signs_.for_each([&](fleet::SiteLine line) {
    if (const SiteId site = world.site(line); site.valid()) world.placement.loads().heed(site, {});
  });
}

void Dispatch::woke(Instant now) {
  end_pauses(now);
  room_made_ = true;
  serve_queue(now);
  make_hedges(now);
  if (now.monotonic < next_probe_) return wake_at_next();
  waits_.tidy(now.monotonic);
  fade_signs(now);
  world_->snapshot->fleet.sites.for_each([&](SiteId site, const fleet::Site& row) {
    if (row.retired) return;
    signs_.asked(world_->line(site), world_->placement.loads().sequences_at(site), now.monotonic);
    emit(Probe{site});
  });
  next_probe_ = now.monotonic + options_.probe_every;
  wake_at_next();
}

void Dispatch::wake_by(MonotonicTime time) {
  if (time < next_wake_) wake_at_next();
}

void Dispatch::wake_at_next() {
  next_wake_ = next_probe_;
  if (!pauses_.empty()) next_wake_ = std::min(next_wake_, pauses_.front().until);
  if (!hedges_due_.empty()) next_wake_ = std::min(next_wake_, hedges_due_.front().until);
  if (const auto due = queue_.next_deadline()) next_wake_ = std::min(next_wake_, *due);
  emit(WakeAt{next_wake_});
}

void Dispatch::snapshot_changed(const SnapshotChanged& event, Instant now) {
  rates_.adopt(event.snapshot->tenants);
  for (const auto& request : requests_) {
    if (request && request->state != State::free) leave_newest_world(*request, now);
    if (request && request->state == State::free) forget_old_world(*request, now);
  }
  forget_signs(*world_);
  world_ = make_world(event.snapshot, world_.get(), now);
  signs_.for_each([&](fleet::SiteLine line) { heed_sign(line); });
  for (const auto& request : requests_) {
    if (request && request->state != State::free) count_in_newest_world(*request);
  }
  room_made_ = true;
}

// --- Reading ---------------------------------------------------------------

Request* Dispatch::find(RequestRef ref) {
  if (ref.slot >= requests_.size()) return nullptr;
  Request* request = requests_[ref.slot].get();
  if (request == nullptr || request->ref != ref || request->state == State::free) return nullptr;
  return request;
}

Request* Dispatch::find(RequestRef ref, std::uint8_t attempt) {
  Request* request = find(ref);
  return request != nullptr && request->turn_to(attempt) ? request : nullptr;
}

const Request& Dispatch::get(RequestRef ref) const {
  HANSE_CHECK(ref.slot < requests_.size() && requests_[ref.slot] != nullptr);
  HANSE_CHECK(requests_[ref.slot]->ref == ref);
  return *requests_[ref.slot];
}

const Record& Dispatch::record(RequestRef request) const { return get(request).record; }

const Snapshot& Dispatch::snapshot_of(RequestRef request) const {
  HANSE_CHECK(get(request).world != nullptr);
  return *get(request).world->snapshot;
}

std::int32_t Dispatch::attempts_at(SiteId site) const {
  return attempts_at_[world_->line(site).value()];
}

const fleet::HealthBook::Health& Dispatch::health_of(SiteId site) const {
  return health_.of(world_->line(site));
}

const Snapshot& Dispatch::snapshot() const { return *world_->snapshot; }

SnapshotRef Dispatch::shared_snapshot() const { return world_->snapshot; }

std::vector<gate::Verdict> Dispatch::explain(RequestRef ref) const {
  const Request& request = get(ref);
  HANSE_CHECK(request.world != nullptr);
  return request.world->gate.explain(request.question(), request.record.arrived_at.wall);
}

}  // namespace hanse::dispatch
