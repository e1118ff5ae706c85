#include "drivers/serve/shard.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "core/dispatch/failure_table.h"
#include "core/dispatch/record_codec.h"

namespace hanse::serve {
namespace {

// Requests on their way to a site at one time, in steady traffic.
constexpr std::size_t kSpareRequestsMax = 64;

constexpr std::size_t kRecordsKept = 16'384;

// How long those wait for the journal who have not been billed for anything
// that they have not got.
constexpr Duration kStandingMax = seconds(10);

// Whose action it is, if nothing is owed for what has not left yet.
std::optional<dispatch::RequestRef> may_be_given_up(const dispatch::Action& action) {
  if (const auto* open = std::get_if<dispatch::OpenAttempt>(&action)) return open->request;
  if (const auto* release = std::get_if<dispatch::Release>(&action)) return release->request;
  if (const auto* refuse = std::get_if<dispatch::Refuse>(&action)) return refuse->request;
  return std::nullopt;
}

}  // namespace

Shard::Shard(http::Loop& loop, std::shared_ptr<const Setting> setting, std::unique_ptr<Books> books,
             std::unique_ptr<Recorder> recorder, const ShardOptions& options, Instant began,
             telemetry::Log& log)
    : loop_(loop),
      setting_(std::move(setting)),
      books_(std::move(books)),
      recorder_(std::move(recorder)),
      options_(options),
      log_(log),
      trace_(log, books_->journal().id()),
      metrics_(options_.dispatch.currency, options_.build),
      process_(metrics_.registry()),
      records_(kRecordsKept),
      random_(options_.random_seed),
      dispatch_(setting_->snapshot, books_->ledger(),
                {.budget = books_->treasurer(), .slots = slots_, .health = nobody_else_},
                options_.dispatch, began),
      kept_answers_(loop, options_.idempotency),
      prober_(
          [this](SiteId site, bool healthy) {
            trace_.site_probed(setting_->snapshot->fleet.sites[site].name, healthy);
            tell(dispatch::SiteReported{
                .site = site,
                .finding = healthy ? fleet::Finding::answers : fleet::Finding::fails});
          },
          [this](SiteId site, const engines::EngineLoad& load) {
            tell(dispatch::SiteMeasured{.site = site,
                                        .sign = {.running = load.running,
                                                 .waiting = load.waiting,
                                                 .kv_use_ppm = load.kv_use_ppm}});
          }),
      patience_(loop, [this] { patience_ran_out(); }),
      wake_(loop, [this] { tell(dispatch::Woke{}); }) {
  if (recorder_ != nullptr) recorder_->use(*setting_);
  loop_.set_turn_end([this] { turn_end(); });
  wake_.arm_in(Duration(0));
}

Shard::~Shard() { loop_.set_turn_end({}); }

void Shard::adopt(std::shared_ptr<const Setting> setting) {
  prober_.forget_all();
  setting_ = std::move(setting);
  if (recorder_ != nullptr) recorder_->use(*setting_);
  metrics_.observe_snapshot_change();
  tell(dispatch::SnapshotChanged{.snapshot = setting_->snapshot});
}

void Shard::stop_all() {
  stop_sessions(api::ProblemKind::draining,
                "this gateway is stopping and its time to finish open answers has run out");
}

void Shard::stop_sessions(api::ProblemKind kind, std::string_view why) {
  for (const auto& session : sessions_) {
    if (session->busy()) session->stop(kind, why);
  }
}

Session* Shard::take_session() {
  if (free_slots_.empty()) {
    if (sessions_.size() >= options_.dispatch.requests_max) return nullptr;
    const auto slot = static_cast<std::uint32_t>(sessions_.size());
    sessions_.push_back(std::make_unique<Session>(*this, slot));
    return sessions_.back().get();
  }
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return sessions_[slot].get();
}

std::unique_ptr<engines::UpstreamRequest> Shard::lend_upstream_request() {
  if (spare_requests_.empty()) return std::make_unique<engines::UpstreamRequest>();
  auto lent = std::move(spare_requests_.back());
  spare_requests_.pop_back();
  return lent;
}

void Shard::take_back(std::unique_ptr<engines::UpstreamRequest> request) {
  if (request != nullptr && spare_requests_.size() < kSpareRequestsMax) {
    spare_requests_.push_back(std::move(request));
  }
}

void Shard::give_back(std::uint32_t slot) { free_slots_.push_back(slot); }

std::array<char, ledger::kRequestIdChars> Shard::request_id(dispatch::RequestRef ref) const {
  return ledger::to_chars(ledger::RequestId{.journal = journal_id(), .number = record(ref).number});
}

void Shard::ended(Session& session) {
  const dispatch::Record& record = dispatch_.record(session.ref());
  metrics_.observe(record, *session.setting()->snapshot);
  trace_.request_ended(record);
  if (record.end == dispatch::End::refused_by_law) {
    metrics_.observe_refusals(dispatch_.explain(session.ref()));
  }
}

const std::string& Shard::keep_record(Session& session) {
  const dispatch::Record& record = dispatch_.record(session.ref());
  RecordRing::Entry& entry = records_.next();
  entry.number = record.number;
  entry.ended_at = loop_.now().wall;
  entry.snapshot = session.setting()->snapshot;
  dispatch::write_record(record, session.extras(), entry.bytes);
  return entry.bytes;
}

void Shard::log_failed_attempt(Session& session, std::string_view site,
                               const answer::FailureReport& report) {
  const ledger::RequestId id{.journal = journal_id(), .number = record(session.ref()).number};
  const auto whose = telemetry::field::request(id);
  const auto where = telemetry::field::site(site);
  const auto what = telemetry::field::failure(report.failure);
  const auto status = telemetry::field::http_status(report.http_status);
  if (dispatch::row_of(report.failure).alarms) {
    log_.error("a site turns us away: see its credential and its list of models",
               {whose, where, what, status});
  } else {
    log_.warning("an attempt failed", {whose, where, what, status});
  }
}

void Shard::drill(SiteId site, Duration lasts) {
  const std::string& name = dispatch_.snapshot().fleet.sites[site].name;
  if (lasts > Duration()) {
    log_.warning("a site is left out: a drill",
                 {telemetry::field::site(name), telemetry::field::duration("lasts", lasts)});
  } else if (dispatch_.drill_ends(site, loop_.now().monotonic)) {
    log_.warning("a drill is over", {telemetry::field::site(name)});
  } else {
    return;
  }
  tell(dispatch::SiteDrilled{.site = site, .lasts = lasts});
}

void Shard::write_metrics(std::string& out) {
  metrics_.sample(dispatch_, loop_.now().monotonic);
  metrics_.sample_log(log_.dropped());
  process_.sample();
  const journal::Journal& journal = books_->journal();
  metrics_.sample(telemetry::JournalSample{
      .entries = static_cast<std::uint64_t>(journal.written().count()),
      .bytes = journal.bytes_written(),
      .syncs = journal.syncs(),
      .unsynced_entries =
          static_cast<std::uint64_t>((journal.written() - journal.durable()).count()),
      .books_lag_entries = static_cast<std::uint64_t>(books_->lag_entries()),
      .books_lag = books_->lag(loop_.now())});
  const limits::IdempotencyBook& kept = kept_answers_.book();
  metrics_.sample(telemetry::KeptAnswersSample{.answers = kept.entries(),
                                               .bytes = kept.bytes(),
                                               .made_room = kept.losses().made_room,
                                               .too_long = kept.losses().too_long});
  metrics_.write(out);
}

// --- Events and actions ----------------------------------------------------

void Shard::tell(const dispatch::Event& event) {
  const Instant now = loop_.now();
  RunDigest digest;
  auto progress = dispatch_.on(event, now, actions_);
  for (;;) {
    for (const dispatch::Action& action : actions_) {
      if (recorder_ != nullptr) dispatch::add_to(digest, action);
      if (const auto* append = std::get_if<dispatch::Append>(&action)) {
        write_down(*append);
      } else if (!perform_at_once(action)) {
        waiting_.push_back(action);
      }
    }
    actions_.clear();
    if (progress == dispatch::Dispatch::Progress::done) break;
    progress = dispatch_.more(actions_);
  }
  if (recorder_ != nullptr) recorder_->event(event, now, digest.value());
}

void Shard::write_down(const dispatch::Append& append) {
  if (!append.closes) return books_->append(append.entry);
  books_->append(append.entry, keep_record(*sessions_[append.closes->slot]));
}

bool Shard::perform_at_once(const dispatch::Action& action) {
  // These depend on no entry, and a probe's site means something only while
  // the setting is the one it was decided under.
  if (const auto* probe = std::get_if<dispatch::Probe>(&action)) {
    prober_.probe(setting_, probe->site);
    return true;
  }
  if (const auto* wake = std::get_if<dispatch::WakeAt>(&action)) {
    wake_.arm(wake->time);
    return true;
  }
  return false;
}

void Shard::turn_end() {
  if (writing_) return disk_stands();
  // What is performed may tell dispatch more; an engine that cannot be asked
  // at all fails over in the same turn. Each round ends an attempt or a
  // request, so the rounds are bounded.
  while (!waiting_.empty()) {
    // What is decided while the disk stands still needs a write of its own.
    performing_.swap(waiting_);
    writing_ = true;
    const Status written = books_->write(loop_.now());
    writing_ = false;
    if (!written) return journal_failed(written.error());
    perform_what_was_written();
  }
  if (recorder_ == nullptr) return;
  if (const Status written = recorder_->flush(); !written) {
    log_.error("the recording stops here", {telemetry::field::detail(written.error().message)});
  }
}

void Shard::perform_what_was_written() {
  patience_.cancel();
  if (std::exchange(disk_told_, false)) log_.warning("the journal's disk goes on");
  for (const dispatch::Action& action : performing_) {
    if (may_leave_now(action)) {
      perform(action);
    } else {
      unsafe_.push_back({.position = books_->journal().written(), .action = action});
    }
  }
  performing_.clear();
}

// A turn while a write stands. Streams go on to their marks, and everything that
// depends on an entry waits.
void Shard::disk_stands() {
  // Whom nobody waits for any more need not go on for as long as that takes.
  for (const dispatch::Action& action : waiting_) {
    const auto* cancel = std::get_if<dispatch::CancelAttempt>(&action);
    Session* session = cancel != nullptr ? find(cancel->request) : nullptr;
    if (session == nullptr) continue;
    const bool is_outrun = record(cancel->request).attempts[cancel->attempt].outrun;
    if (is_outrun || !session->has_client()) session->cancel_attempt(cancel->attempt);
  }
  if (!patience_.armed()) patience_.arm_in(Books::kStandsMax);
}

void Shard::patience_ran_out() {
  if (!writing_) return;
  if (!std::exchange(disk_told_, true)) {
    log_.error("the journal's disk stands still; what depends on it waits, nothing is admitted");
  }
  if (books_->stands(loop_.now()) >= kStandingMax) give_up_waiting();
  patience_.arm_in(Books::kStandsMax);
}

void Shard::give_up_waiting() {
  std::vector<Session*> waiting;
  for (const auto* actions : {&performing_, &waiting_}) {
    for (const dispatch::Action& action : *actions) {
      const auto request = may_be_given_up(action);
      Session* session = request && !end_waits(*request) ? find(*request) : nullptr;
      if (session != nullptr && session->has_client()) waiting.push_back(session);
    }
  }
  for (Session* session : waiting) {
    session->stop(api::ProblemKind::overloaded,
                  "this gateway's disk does not answer, and nothing is sent that is not booked");
  }
}

// Whether its answer is whole, and paid for.
bool Shard::end_waits(dispatch::RequestRef request) const {
  const auto ends = [&](const dispatch::Action& action) {
    const auto* finish = std::get_if<dispatch::Finish>(&action);
    return finish != nullptr && finish->request == request;
  };
  return std::ranges::any_of(performing_, ends) || std::ranges::any_of(waiting_, ends);
}

bool Shard::may_leave_now(const dispatch::Action& action) const {
  if (!options_.last_byte_survives_power_loss) return true;
  const bool ends = std::holds_alternative<dispatch::Finish>(action) ||
                    std::holds_alternative<dispatch::Refuse>(action);
  return !ends || books_->durable() >= books_->journal().written();
}

void Shard::durable_rose() {
  if (books_->journal().failed()) return journal_failed(books_->journal().status().error());
  const ledger::Position durable = books_->durable();
  while (!unsafe_.empty() && unsafe_.front().position <= durable) {
    perform(unsafe_.front().action);
    unsafe_.pop_front();
  }
}

void Shard::journal_failed(const Error& error) {
  // What waits for these entries must not leave, ever: the disk's failure is
  // final for this process. Clients are told, engines are freed, and what was
  // in doubt is settled by the recovery of the next start.
  waiting_.clear();
  performing_.clear();
  unsafe_.clear();
  if (!std::exchange(broken_, true)) {
    log_.error("the journal cannot be written; nothing is admitted until a restart",
               {telemetry::field::detail(error.message)});
  }
  stop_sessions(api::ProblemKind::overloaded,
                "this gateway cannot book requests any more and has given this one up");
  waiting_.clear();
  for (const auto& session : sessions_) {
    if (session->busy()) session->drop();
  }
}

void Shard::perform(const dispatch::Action& action) {
  struct Visitor {
    Shard& shard;
    void operator()(std::monostate) const {}
    void operator()(const dispatch::Append&) const {}
    void operator()(const dispatch::OpenAttempt& a) const {
      shard.trace_opening(a.request, a.attempt);
      shard.find(a.request)->open(a);
    }
    void operator()(const dispatch::CancelAttempt& a) const {
      shard.trace_cancelling(a.request, a.attempt);
      shard.find(a.request)->cancel_attempt(a.attempt);
    }
    void operator()(const dispatch::Release& a) const {
      // The request may have ended in this very turn.
      if (Session* session = shard.find(a.request)) session->release(a);
    }
    void operator()(const dispatch::Finish& a) const { shard.find(a.request)->finish(); }
    void operator()(const dispatch::Refuse& a) const { shard.find(a.request)->refuse(a); }
    void operator()(const dispatch::Forget& a) const { shard.find(a.request)->forget(); }
    void operator()(const dispatch::Probe&) const {}
    void operator()(const dispatch::WakeAt&) const {}
  };
  std::visit(Visitor{*this}, action);
}

void Shard::trace_opening(dispatch::RequestRef request, std::size_t attempt) const {
  trace_.attempt_opened(record(request), attempt, dispatch_.snapshot_of(request));
}

void Shard::trace_cancelling(dispatch::RequestRef request, std::size_t attempt) const {
  trace_.attempt_cancelled(record(request), attempt, dispatch_.snapshot_of(request));
}

Session* Shard::find(dispatch::RequestRef ref) {
  HANSE_CHECK(ref.slot < sessions_.size());
  Session* session = sessions_[ref.slot].get();
  return session->ref() == ref ? session : nullptr;
}

}  // namespace hanse::serve
