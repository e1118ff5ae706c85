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

// Requires: an offer was chosen.
fleet::SiteLine line_of(const World& world, const placement::Decision& decision) {
  return world.line(world.snapshot->fleet.offers[decision.chosen].site);
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
      requests_(options.requests_max),
      next_probe_(now.monotonic) {
  HANSE_CHECK(options_.attempts_max >= 1 && options_.attempts_max <= kAttemptsMax);
  world_ = make_world(std::move(snapshot), nullptr, now);
}

Dispatch::~Dispatch() = default;

Dispatch::Progress Dispatch::on(const Event& event, Instant now, Actions& actions) {
  HANSE_CHECK(actions.empty());
  actions_ = &actions;
  (void)more(actions);
  actions_ = &actions;
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
  };
  std::visit(Visitor{*this, now}, event);
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
  const placement::Decision decision = place(request, request.record.excluded, now);
  if (!decision.chosen.valid()) {
    return refuse(request, end_without_site(request, now),
                  {.request = request.ref, .retry_after = retry_after(request, now)}, now);
  }
  if (!hold(request, now)) return give_slot_back(line_of(world, decision));
  if (!open_attempt(request, decision, now)) try_next_site(request, answer::Failure::none, now);
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

placement::Decision Dispatch::place(Request& request, Exclusions& excluded, Instant now) {
  // Ends, for a site that gives no leave is full and left out from then on.
  while (true) {
    const placement::Decision decision = decide(request, excluded, now);
    if (!decision.chosen.valid()) return decision;
    const fleet::SiteLine line = line_of(*request.world, decision);
    if (take_slot(line)) return decision;
    HANSE_CHECK(slots_.full().contains(line.value()));
  }
}

bool Dispatch::take_slot(fleet::SiteLine site) {
  if (!slots_.take(site)) return false;
  ++attempts_at_[site.value()];
  return true;
}

void Dispatch::give_slot_back(fleet::SiteLine site) {
  HANSE_CHECK(attempts_at_[site.value()] > 0);
  --attempts_at_[site.value()];
  slots_.give_back(site);
}

placement::Decision Dispatch::decide(Request& request, Exclusions& excluded, Instant now) {
  World& world = *request.world;
  allowed_.assign(request.permitted);
  const auto exclude = [&](SiteId site, Exclusion::Why why) {
    allowed_.erase(site.value());
    (void)excluded.try_push({.site = site, .why = why});
  };
  excluded.clear();
  for (const AttemptRecord& attempt : request.record.attempts) {
    if (allowed_.contains(attempt.site.value())) exclude(attempt.site, Exclusion::Why::tried);
  }
  if (request.world != world_) {
    request.permitted.for_each([&](std::size_t i) {
      const SiteId site(i);
      if (allowed_.contains(i) && !still_offers(world, site)) {
        exclude(site, Exclusion::Why::withdrawn);
      }
    });
  }
  const auto is_allowed = [&](SiteId site) {
    return site.valid() && allowed_.contains(site.value());
  };
  drills_.for_each(now.monotonic, [&](fleet::SiteLine line) {
    const SiteId site = world.site(line);
    if (is_allowed(site)) exclude(site, Exclusion::Why::drilled);
  });
  health_.for_each_unsound([&](fleet::SiteLine line) {
    const SiteId site = world.site(line);
    const fleet::Obstacle obstacle = health_.obstacle(line, now.monotonic);
    if (is_allowed(site) && obstacle != fleet::Obstacle::none) exclude(site, why(obstacle));
  });
  missing_models_.missing().for_each([&](std::size_t i) {
    // A site whose other variants of the alias are there is left out too, as
    // one is that has been tried.
    const fleet::OfferLine line(i);
    const OfferId offer = world.offer_for(request.record.alias, line);
    if (!offer.valid() || missing_models_.available(line, now.monotonic)) return;
    const SiteId site = world.snapshot->fleet.offers[offer].site;
    if (is_allowed(site)) exclude(site, Exclusion::Why::model_missing);
  });
  slots_.full().for_each([&](std::size_t i) {
    const SiteId site = world.site(fleet::SiteLine(i));
    if (is_allowed(site)) exclude(site, Exclusion::Why::full);
  });
  return world.placement.decide(request.demand, allowed_, now);
}

bool Dispatch::still_offers(const World& before, SiteId site) const {
  const SiteId now = world_->site(before.line(site));
  return now.valid() && !world_->snapshot->fleet.sites[now].retired;
}

bool Dispatch::open_attempt(Request& request, const placement::Decision& decision, Instant now) {
  World& world = *request.world;
  const fleet::Offer& offer = world.snapshot->fleet.offers[decision.chosen];
  const fleet::SiteLine line = world.line(offer.site);
  // Asked again for each attempt: a certificate may have ended meanwhile.
  const std::optional<gate::Permit> permit =
      world.gate.permit(request.question(), offer.site, now.wall);
  if (!permit) {
    request.permitted.erase(offer.site.value());
    give_slot_back(line);
    return false;
  }

  AttemptRecord& attempt = request.record.attempts.push({});
  attempt.opened_at = now;
  attempt.site = offer.site;
  attempt.decision = decision;
  attempt.excluded = request.record.excluded;
  attempt.limits =
      limits_of_attempt(world.snapshot->catalog.classes[request.record.latency_class],
                        world.snapshot->fleet.links[offer.site.value()],
                        decision.best[0].prediction, elapsed(now.monotonic, request.deadline),
                        request.permitted.count() > request.record.attempts.size() &&
                            request.record.attempts.size() < options_.attempts_max);

  request.state = State::waiting;
  request.may_leave = request.has_left = Tokens(0);
  request.trial = health_.sent(line, now);
  missing_models_.sent(world.line(decision.chosen), now.monotonic);
  world.placement.loads().started(decision.chosen, attempt.decision.best[0].prediction);
  count_in_newest_world(request);
  append(ledger::AttemptOpened{.request = request.record.number,
                               .attempt = request.attempt_number(),
                               .payable = world.payables[offer.site.value()],
                               .prices = offer.prices,
                               .tokens_max = most_tokens(request.record)},
         now);
  emit(OpenAttempt{.request = request.ref,
                   .attempt = request.attempt_index(),
                   .permit = *permit,
                   .offer = decision.chosen,
                   .output_limit = request.record.output_limit,
                   .limits = attempt.limits});
  return true;
}

void Dispatch::first_token(const FirstToken& event, Instant now) {
  Request* request = find(event.request, event.attempt);
  if (request == nullptr || request->state != State::waiting) return;
  AttemptRecord& attempt = request->attempt();
  attempt.first_token = elapsed(attempt.opened_at.monotonic, now.monotonic);
  request->state = State::answering;
  request->first_token_at = now.monotonic;
  health_.first_token(request->world->line(attempt.site),
                      std::exchange(request->trial, fleet::Trial::none), now);
  missing_models_.found(request->world->line(attempt.decision.chosen), now.monotonic);
  request->world->placement.loads().first_token(attempt.decision.chosen,
                                                attempt.decision.best[0].prediction,
                                                *attempt.first_token, now.monotonic);
  if (request->twin) request->twin->first_token(*world_, *attempt.first_token, now.monotonic);
  if (request->record.streamed) raise_watermark(*request, Tokens(0), now);
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

void Dispatch::raise_watermark(Request& request, Tokens output, Instant now) {
  const TokenCounts most = most_tokens(request.record);
  const Tokens output_most = most[TokenKind::output];
  const Tokens may_leave = std::min(output + kWatermarkStep, output_most);
  if (may_leave > request.may_leave) {
    ledger::Progress progress;
    // How long the prompt is says the engine, at the end: nothing is known of it
    // until then but its bound.
    progress.may_leave[TokenKind::prompt] = most[TokenKind::prompt];
    // What came in one burst past the mark has been held back until now, all of
    // it; the driver says what has left.
    progress.confirmed[TokenKind::output] = request.has_left;
    progress.may_leave[TokenKind::output] = may_leave;
    append(ledger::Watermark{.request = request.record.number,
                             .attempt = request.attempt_number(),
                             .tenant = progress,
                             .supplier = progress},
           now);
  }
  request.may_leave = may_leave;
  // An engine may split its tokens into more deltas than it may bill for;
  // nothing more is owed for those, so nothing holds them back.
  const Tokens release = may_leave == output_most ? kNoTokenLimit : may_leave;
  emit(Release{.request = request.ref, .attempt = request.attempt_index(), .output = release});
}

namespace {

Usage usage_of(const Request& request, const Usage& reported) {
  const OfferId offer = request.record.attempts.back().decision.chosen;
  return bounded(reported, request.tenant_prices,
                 request.world->snapshot->fleet.offers[offer].prices);
}

}  // namespace

void Dispatch::attempt_ended(const AttemptEnded& event, Instant now) {
  Request* found = find(event.request, event.attempt);
  if (found == nullptr) return;
  Request& request = *found;
  const Usage usage = usage_of(request, event.usage);
  const bool delivered = request.state == State::answering && request.record.streamed;
  close_attempt(request, event.failure, usage, event.paused, now);

  if (event.failure == answer::Failure::none) {
    request.world->placement.learned().observe(request.demand, request.attempt().site, usage);
    settle(request, ledger::Outcome::completed, usage, now);
    return end(request, End::answered, Finish{request.ref}, now);
  }
  if (delivered) {
    settle(request, ledger::Outcome::cut, usage, now);
    const bool time_is_over =
        ended_by_deadline(request.record, event.failure, request.deadline, now.monotonic);
    return end(request, time_is_over ? End::out_of_time : End::cut,
               Refuse{.request = request.ref, .retry_after = {}, .last_failure = event.failure},
               now);
  }
  if (is_clients_fault(event.failure)) {
    release_hold(request, ledger::Outcome::failed, now);
    return end(request, End::client_error,
               Refuse{.request = request.ref, .retry_after = {}, .last_failure = event.failure},
               now);
  }
  try_next_site(request, event.failure, now);
}

void Dispatch::try_next_site(Request& request, answer::Failure last_failure, Instant now) {
  const auto give_up = [&](End why) {
    release_hold(request, ledger::Outcome::failed, now);
    end(request, why,
        Refuse{.request = request.ref, .retry_after = {}, .last_failure = last_failure}, now);
  };
  if (now.monotonic >= request.deadline) return give_up(End::out_of_time);
  if (request.record.attempts.size() >= options_.attempts_max) return give_up(End::attempts_failed);
  // Ends, for a site that may not be asked any more is not decided for again.
  while (true) {
    const placement::Decision decision = place(request, request.record.excluded, now);
    if (!decision.chosen.valid()) return give_up(End::attempts_failed);
    if (open_attempt(request, decision, now)) return;
  }
}

void Dispatch::client_gone(const ClientGone& event, Instant now) {
  Request* found = find(event.request);
  if (found == nullptr) return;
  Request& request = *found;
  emit(CancelAttempt{.request = request.ref, .attempt = request.attempt_index()});
  const bool began = request.state == State::answering;
  const Usage usage = began ? usage_of(request, event.usage) : Usage{};
  close_attempt(request, answer::Failure::none, usage, event.paused, now,
                ledger::Outcome::cancelled);
  // Of a whole answer nothing has gone out: the site is owed for it, but the
  // tenant pays for what it got.
  if (began && request.record.streamed) {
    settle(request, ledger::Outcome::cancelled, usage, now);
  } else {
    release_hold(request, ledger::Outcome::cancelled, now);
  }
  end(request, End::client_gone, Forget{request.ref}, now);
}

// --- Sites and snapshots ---------------------------------------------------

void Dispatch::site_reported(const SiteReported& event, Instant now) {
  if (event.site.value() >= world_->snapshot->fleet.sites.size()) return;
  health_.reported(world_->line(event.site), event.finding, now);
}

void Dispatch::site_drilled(const SiteDrilled& event, Instant now) {
  if (event.site.value() >= world_->snapshot->fleet.sites.size()) return;
  const Duration lasts = std::clamp(event.lasts, Duration(), fleet::DrillBook::kLongest);
  drills_.set(world_->line(event.site), now.monotonic + lasts, now.monotonic);
}

void Dispatch::woke(Instant now) {
  if (now.monotonic < next_probe_) {
    emit(WakeAt{next_probe_});
    return;
  }
  world_->snapshot->fleet.sites.for_each([&](SiteId site, const fleet::Site& row) {
    if (!row.retired) emit(Probe{site});
  });
  next_probe_ = now.monotonic + options_.probe_every;
  emit(WakeAt{next_probe_});
}

void Dispatch::snapshot_changed(const SnapshotChanged& event, Instant now) {
  rates_.adopt(event.snapshot->tenants);
  for (const auto& request : requests_) {
    if (request && request->state != State::free) leave_newest_world(*request, now);
    if (request && request->state == State::free) forget_old_world(*request, now);
  }
  world_ = make_world(event.snapshot, world_.get(), now);
  for (const auto& request : requests_) {
    if (request && request->state != State::free) count_in_newest_world(*request);
  }
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
  if (request == nullptr || request->attempt_index() != attempt) return nullptr;
  return request;
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
