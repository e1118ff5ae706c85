#include "drivers/serve/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/json_cursor.h"
#include "drivers/serve/problems.h"
#include "drivers/serve/shard.h"

namespace hanse::serve {
namespace {

// Dispatch is told of progress once in so many deltas: well before a watermark
// (256 ahead, raised when 64 are left) runs out.
constexpr Tokens kReportEvery{32};

// How long an engine that said "done" may take to end its body.
constexpr Duration kEndOfBody = milliseconds(50);

// The most text of a whole answer that is put together from a stream.
constexpr std::size_t kWholeAnswerBytesMax = std::size_t{16} << 20U;

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

// Decoders share their options; these live for ever.
const engines::DecoderOptions& decoder_options(answer::Dialect dialect, bool streamed) {
  using engines::WholeReplies;
  static const std::array<engines::DecoderOptions, 4> options = [] {
    std::array<engines::DecoderOptions, 4> made;
    for (std::size_t i = 0; i < made.size(); ++i) {
      made[i].dialect = i / 2 == 0 ? answer::Dialect::chat : answer::Dialect::completion;
      made[i].whole_replies = i % 2 == 0 ? WholeReplies::as_they_are : WholeReplies::into_events;
    }
    return made;
  }();
  return options[(dialect == answer::Dialect::chat ? 0U : 2U) + (streamed ? 1U : 0U)];
}

std::string_view why_overdue(answer::Failure failure) {
  switch (failure) {
    case answer::Failure::unreachable: return "no connection within the limit";
    case answer::Failure::silent: return "no first token came within the limit";
    default: return "too few tokens came within the limit";
  }
}

}  // namespace

Session::Session(Shard& shard, std::uint32_t slot)
    : shard_(shard), slot_(slot), watch_timer_(shard.loop(), [this] { watch_ran_out(); }) {}

std::optional<api::Problem> Session::begin(http::Exchange& exchange, Admission admission,
                                           answer::Dialect dialect,
                                           std::optional<std::string_view> class_name) {
  HANSE_CHECK(!busy());
  auto question = api::read_question(dialect, exchange.body(), scratch_);
  if (!question) return std::move(question.error());
  // The views of the question point into the body, which stays where it is.
  question_ = *question;
  admission_ = std::move(admission);

  const dispatch::Snapshot& snapshot = *admission_.setting->snapshot;
  auto arrived = describe(question_, snapshot, admission_.key, class_name);
  if (!arrived) return std::move(arrived.error());
  arrived->labels = admission_.labels;
  arrived->request = {slot_, ++generation_};

  exchange_ = &exchange;
  exchange.set_observer(this);
  body_ = exchange.take_body();
  exchange.release_head();
  created_unix_seconds_ = shard_.loop().now().wall.count() / kNanosPerSecond;
  in_dispatch_ = true;
  shard_.tell(*arrived);
  request_id_ = shard_.request_id(ref());
  return std::nullopt;
}

// --- What dispatch says ----------------------------------------------------

void Session::open(const dispatch::OpenAttempt& action) {
  if (exchange_ == nullptr) return;  // the client left in this very turn
  attempt_ = action.attempt;
  attempt_open_ = true;
  connected_ = false;
  site_ = action.permit.site();
  upstream_ = admission_.setting->upstreams[site_.value()];
  output_most_ =
      Tokens(shard_.record(ref()).output_limit.count() * question_.generations * question_.prompts);
  report_.reset();
  first_token_told_ = engine_done_ = false;
  seen_ = 0;
  begin_answer(action.take_up);
  if (!ask(action)) end_attempt(report_->failure);
}

bool Session::ask(const dispatch::OpenAttempt& action) {
  const fleet::Offer& offer = admission_.setting->snapshot->fleet.offers[action.offer];
  if (upstream_request_ == nullptr) upstream_request_ = shard_.lend_upstream_request();
  engines::UpstreamRequest& asked = *upstream_request_;
  engines::Ask ask{.upstream_model = offer.upstream_model, .output_limit = action.output_limit};
  if (action.take_up == answer::TakeUp::continued) ask.answer_so_far = answer_->text_so_far();
  const Status written = upstream_->engine.write_request(question_, body_.view(), ask, asked);
  if (!written) {
    failed(answer::Failure::client_request, {}).client_message = written.error().message;
    return false;
  }

  const engines::UpstreamHeaders ours =
      engines::upstream_headers({.authorization = upstream_->authorization,
                                 .traceparent = traceparent(),
                                 .streamed = asked.streamed});
  std::array<http::HeaderLine, engines::UpstreamHeaders::kMax> lines;
  std::transform(ours.begin(), ours.end(), lines.begin(), [](const engines::UpstreamHeader& h) {
    return http::HeaderLine{h.name, h.value};
  });
  // The watch judges all phases; the call knows best what a connection died of.
  watch_ = dispatch::AttemptWatch(
      action.limits, asked.streamed ? dispatch::Reply::streamed : dispatch::Reply::whole,
      shard_.loop().now().monotonic);
  call_.start(upstream_->pool,
              {.method = "POST",
               .target = upstream_->target(asked.path),
               .headers = http::HeaderLines(lines.data(), ours.count),
               .body = asked.pieces()},
              {.connect = action.limits.connect,
               .head = kForever,
               .between_bytes = kForever,
               .whole = action.limits.whole},
              *this);
  if (call_.active()) keep_watch();
  return true;
}

void Session::keep_watch() { watch_timer_.arm(watch_.due()); }

void Session::begin_answer(answer::TakeUp take_up) {
  decoder_.emplace(upstream_->engine, decoder_options(question_.dialect, question_.stream));
  if (take_up != answer::TakeUp::anew) return answer_->next_attempt(take_up);

  const dispatch::Snapshot& snapshot = *admission_.setting->snapshot;
  const TenantId tenant = snapshot.tenants.keys[admission_.key].tenant;
  const bool may_be_rescued =
      question_.stream && snapshot.tenants.tenants[tenant].rescue != limits::Rescue::never;
  answer_.emplace(question_, may_be_rescued ? answer::Keep::transcript : answer::Keep::nothing);
  released_ = reported_ = left_ = Tokens(0);
  out_.clear();
  const api::ReplyIdentity identity{.dialect = question_.dialect,
                                    .request_id = request_id(),
                                    .alias = question_.model,
                                    .created_unix_seconds = created_unix_seconds_};
  if (question_.stream) {
    shape_.emplace<api::StreamWriter>(identity);
  } else {
    shape_.emplace<api::WholeAssembler>(question_.dialect);
  }
}

answer::FailureReport& Session::failed(answer::Failure failure, std::string_view why) {
  report_ = std::make_unique<answer::FailureReport>();
  report_->failure = failure;
  report_->site_message = why;
  return *report_;
}

void Session::borrow_text() {
  if (out_.empty()) out_.swap(shard_.spare_text());
}

void Session::give_text_back() {
  constexpr std::size_t kSpareMax = 65'536;  // one long answer must not keep it for ever
  if (!out_.empty()) return;
  std::string& spare = shard_.spare_text();
  if (out_.capacity() > spare.capacity() && out_.capacity() <= kSpareMax) out_.swap(spare);
  std::string().swap(out_);  // assigning an empty one would keep the memory
}

void Session::cancel_attempt() {
  call_.cancel();
  watch_timer_.cancel();
  attempt_open_ = false;
}

void Session::release(const dispatch::Release& action) {
  if (action.attempt != attempt_) return;
  released_ = action.output;
  push_out();
  give_text_back();
}

void Session::finish() {
  in_dispatch_ = false;
  if (exchange_ != nullptr) {
    http::Exchange& exchange = *std::exchange(exchange_, nullptr);
    exchange.set_observer(nullptr);
    borrow_text();
    if (question_.stream) {
      answer_->for_each_owed_finish([&](std::uint32_t choice) {
        writer().write_owed_finish(choice, answer_->owed_finish(), out_);
      });
      if (question_.include_usage) {
        writer().write_usage(shard_.record(ref()).usage, accounting(), out_);
      }
      writer().write_done(out_);
      if (!exchange.begun()) begin_stream(exchange);
      exchange.finish(out_);
    } else {
      reply_whole(exchange);
    }
  }
  shard_.ended(*this);
  reset();
}

void Session::reply_whole(http::Exchange& exchange) {
  const api::ReplyIdentity identity{.dialect = question_.dialect,
                                    .request_id = request_id(),
                                    .alias = question_.model,
                                    .created_unix_seconds = created_unix_seconds_};
  out_.clear();
  const Usage& usage = shard_.record(ref()).usage;
  if (const answer::Delta* whole = decoder_->whole_reply()) {
    api::write_whole_reply(*whole, identity, usage, accounting(), out_);
  } else {
    assembler().write(identity, usage, accounting(), out_, answer_->owed_finish());
  }
  ReplyHeaders headers(*this, "application/json");
  exchange.reply(200, headers.lines(), out_);
}

void Session::refuse(const dispatch::Refuse& action) {
  in_dispatch_ = false;
  if (exchange_ != nullptr) {
    http::Exchange& exchange = *std::exchange(exchange_, nullptr);
    exchange.set_observer(nullptr);
    const api::Problem told = problem(action);
    if (exchange.begun()) {
      // What came before the break has been paid for and goes out first.
      writer().write_error(told, out_);
      exchange.finish(out_);
    } else {
      reply_problem(exchange, told);
    }
  }
  shard_.ended(*this);
  reset();
}

void Session::forget() {
  in_dispatch_ = false;
  shard_.ended(*this);
  reset();
}

void Session::stop(api::ProblemKind kind, std::string_view why) {
  if (exchange_ != nullptr) {
    http::Exchange& exchange = *std::exchange(exchange_, nullptr);
    exchange.set_observer(nullptr);
    api::Problem told;
    told.kind = kind;
    told.message = why;
    mark(told);
    if (exchange.begun()) {
      writer().write_error(told, out_);
      exchange.finish(out_);
    } else {
      reply_problem(exchange, told);
    }
  }
  if (in_dispatch_) tell_client_gone();
}

void Session::drop() {
  call_.cancel();
  in_dispatch_ = false;
  reset();
}

// --- What the client's socket says -----------------------------------------

void Session::on_drained(http::Exchange&) {
  if (!call_.active() || !call_.paused()) return;
  watch_.resumed(shard_.loop().now().monotonic);
  keep_watch();
  call_.resume();
}

void Session::on_client_gone(http::Exchange&) {
  exchange_ = nullptr;
  if (in_dispatch_) tell_client_gone();
}

void Session::tell_client_gone() {
  shard_.tell(dispatch::ClientGone{.request = ref(),
                                   .usage = usage_so_far(),
                                   .billed = billed_so_far(),
                                   .paused = call_.paused_for()});
}

// --- What the site's socket says -------------------------------------------

void Session::on_head(const http::ResponseHead& head) {
  const auto field = [&](std::string_view name) {
    return head.headers().find(name).value_or(std::string_view());
  };
  watch_.answers(shard_.loop().now().monotonic);
  decoder_->begin({.status = head.status(),
                   .content_type = field("content-type"),
                   .retry_after = field("retry-after"),
                   .now = shard_.loop().now().wall});
}

void Session::on_connected(const http::Connected&) {
  watch_.connected(shard_.loop().now().monotonic);
  if (std::exchange(connected_, true)) shard_.metrics().observe_sent_again();
}

void Session::on_request_done() { shard_.take_back(std::move(upstream_request_)); }

void Session::on_data(std::string_view bytes) {
  if (engine_done_) return;
  decoder_->feed(bytes);
  take_deltas();
}

void Session::on_complete() {
  if (engine_done_) return attempt_over(engines::Step::done);
  decoder_->feed_end(engines::BodyEnd::clean);
  take_deltas();
}

void Session::on_failure(const http::CallFailure& failure) {
  if (engine_done_) return attempt_over(engines::Step::done);
  // A body that was cut may still have held a whole answer.
  if (failure.phase == http::CallPhase::body &&
      failure.trouble == http::CallTrouble::closed_early) {
    decoder_->feed_end(engines::BodyEnd::cut);
    return take_deltas();
  }
  if (answer_->complete()) return end_attempt(answer::Failure::none);
  failed(failure_of(failure), failure.message);
  end_attempt(report_->failure);
}

void Session::take_deltas() {
  borrow_text();
  take_input();
  give_text_back();
}

void Session::take_input() {
  answer::Delta delta;
  for (;;) {
    const engines::Step step = decoder_->next(delta);
    if (step == engines::Step::more) break;
    if (step == engines::Step::done && call_.active()) return wait_for_end();
    if (step != engines::Step::delta) return attempt_over(step);
    if (!answer_->attempt_begun() && is_of_another_model(delta)) {
      failed(answer::Failure::bad_answer, "it names another model than it should");
      return end_attempt(answer::Failure::bad_answer);
    }
    take(delta);
    if (answer_->diverged()) {
      failed(answer::Failure::diverged, "the repeat is another answer than the client has begun");
      return end_attempt(answer::Failure::diverged);
    }
    if (answer_->contradicts_itself()) {
      failed(answer::Failure::bad_answer, "it finishes for tool calls that it has not made");
      return end_attempt(answer::Failure::bad_answer);
    }
    if (answer_->exceeds(output_most_)) return stop_at_limit();
    if (!question_.stream && assembler().bytes() > kWholeAnswerBytesMax) {
      failed(answer::Failure::oversize, "the answer is longer than any that is put together here");
      return end_attempt(answer::Failure::oversize);
    }
  }
  on_progress();
}

void Session::wait_for_end() {
  // The engine has said that it is done. The end of the body is most often in
  // the same read; taking it leaves the connection fit for the next request.
  if (engine_done_) return;
  engine_done_ = true;
  on_progress();
  watch_timer_.arm_in(kEndOfBody);
}

// What a site makes past the limit that it was given is past the hold, too:
// nobody pays for it but us.
void Session::stop_at_limit() {
  answer_->end_at_limit();
  end_attempt(answer::Failure::none);
}

bool Session::is_of_another_model(const answer::Delta& delta) const {
  const OfferId offer = shard_.record(ref()).attempts.back().decision.chosen;
  const std::string& expected = admission_.setting->snapshot->fleet.offers[offer].reply_model;
  if (expected.empty() || !delta.has_model) return false;
  std::string named;
  const std::string_view value = delta.model();
  if (value.size() >= 2 && value.front() == '"') {
    append_json_unescaped(value.substr(1, value.size() - 2), named);
  }
  return named != expected;
}

void Session::take(const answer::Delta& delta) {
  const answer::Emission emission = answer_->take(delta);
  if (emission.remainder) {
    writer().write_remainders(delta, answer_->remainders(), out_);
  } else if (question_.stream) {
    writer().write(delta, emission, out_);
  } else if (emission.forward && decoder_->whole_reply() == nullptr) {
    assembler().add(delta);
  }
}

void Session::on_progress() {
  // Comments and empty deltas are no progress and do not put the watch off.
  if (answer_->attempt_deltas() > seen_) {
    seen_ = answer_->attempt_deltas();
    watch_.progressed(Tokens(answer_->attempt_tokens()), shard_.loop().now().monotonic);
    keep_watch();
  }
  if (!first_token_told_ && answer_->attempt_begun()) {
    first_token_told_ = true;
    shard_.tell(dispatch::FirstToken{.request = ref(), .attempt = attempt_});
  }
  if (first_token_told_ && deltas() >= reported_ + kReportEvery) {
    reported_ = deltas();
    shard_.tell(dispatch::Progressed{
        .request = ref(), .attempt = attempt_, .output = reported_, .left = left_});
  }
  push_out();
}

void Session::push_out() {
  if (!question_.stream || out_.empty()) return;
  if (exchange_ == nullptr) return out_.clear();  // the client has left
  if (deltas() > released_) return;
  if (!exchange_->begun() && !first_token_told_) return;
  if (!exchange_->begun()) begin_stream(*exchange_);
  const bool go_on = exchange_->write(out_);
  left_ = deltas();
  out_.clear();
  if (go_on || !call_.active()) return;
  call_.pause();
  watch_.paused(shard_.loop().now().monotonic);
}

void Session::attempt_over(engines::Step step) {
  if (step == engines::Step::done) answer_->engine_done();
  if (step == engines::Step::ended && decoder_->whole_reply() != nullptr) answer_->engine_done();
  if (answer_->complete()) return end_attempt(answer::Failure::none);
  if (step == engines::Step::failed) {
    report_ = std::make_unique<answer::FailureReport>(decoder_->failure());
    if (!report_->client_message.empty()) api::make_fit_for_client(*report_, secrets());
  } else {
    failed(answer::Failure::reset, "the answer ended without a finish");
  }
  end_attempt(report_->failure);
}

void Session::watch_ran_out() {
  if (!attempt_open_) return;
  if (engine_done_) return attempt_over(engines::Step::done);
  const auto failure = watch_.overdue(shard_.loop().now().monotonic);
  if (!failure) return keep_watch();
  failed(*failure, why_overdue(*failure));
  end_attempt(*failure);
}

// An answer that broke behind its last permitted token is whole: there is nothing
// to go on with. Of engines that are known for it, a delta is a token at least.
bool Session::met_its_limit() const {
  return question_.stream && upstream_->engine.capabilities().continues_chat &&
         answer_->resumable() >= answer::Resumable::by_continuing &&
         answer_->progress_deltas() >= output_most_.count();
}

void Session::end_attempt(answer::Failure failure) {
  if (failure != answer::Failure::none && met_its_limit()) {
    answer_->end_at_limit();
    failure = answer::Failure::none;
  }
  attempt_open_ = false;
  watch_timer_.cancel();
  // A stream that is complete frees its engine at once, whatever it still has
  // to say; a call that has ended is not touched.
  call_.cancel();
  if (failure == answer::Failure::none && !first_token_told_) {
    first_token_told_ = true;
    shard_.tell(dispatch::FirstToken{.request = ref(), .attempt = attempt_});
  }
  if (failure != answer::Failure::none) shard_.log_failed_attempt(*this, site().name, *report_);
  const bool used = failure == answer::Failure::none || answer_->attempt_begun();
  shard_.tell(dispatch::AttemptEnded{.request = ref(),
                                     .attempt = attempt_,
                                     .failure = failure,
                                     .usage = used ? usage_so_far() : Usage{},
                                     .billed = billed_so_far(),
                                     .output = deltas(),
                                     .resumable = resumable(),
                                     .paused = call_.paused_for(),
                                     .retry_after = report_ ? report_->retry_after : std::nullopt});
  shard_.trace().attempt_ended(shard_.record(ref()), attempt_, *admission_.setting->snapshot);
}

// --- Words -----------------------------------------------------------------

void Session::begin_stream(http::Exchange& exchange) {
  ReplyHeaders headers(*this, "text/event-stream; charset=utf-8");
  headers.add("cache-control", "no-cache");
  headers.add("x-accel-buffering", "no");
  exchange.begin_stream(200, headers.lines());
}

Tokens Session::prompt_estimate() const {
  const dispatch::Record& record = shard_.record(ref());
  return record.attempts.empty() ? Tokens(0)
                                 : record.attempts.back().decision.best[0].prediction.prompt;
}

Usage Session::usage_so_far() const {
  return answer_ ? answer_->usage(prompt_estimate()) : Usage{};
}

Usage Session::billed_so_far() const {
  return answer_ && answer_->begun() ? answer_->billed(prompt_estimate()) : Usage{};
}

answer::Resumable Session::resumable() const {
  if (!question_.stream || !answer_) return answer::Resumable::no;
  const answer::Resumable how = answer_->resumable();
  const bool by_itself = how == answer::Resumable::no || how == answer::Resumable::by_repeating;
  // A look into the body, which only an answer that broke is worth.
  if (by_itself || engines::may_be_continued(question_, body_.view())) return how;
  return answer::Resumable::by_repeating;
}

api::Accounting Session::accounting() const {
  const dispatch::Record& record = shard_.record(ref());
  const auto rescue = rescue_of(record);
  return {.request_id = request_id(),
          .site = site().name,
          .attempts = static_cast<std::int32_t>(record.attempts.size()),
          .rescue = rescue ? to_string(*rescue) : std::string_view(),
          .cost = record.charged,
          .currency = admission_.setting->configuration->gateway.currency};
}

api::SiteSecrets Session::secrets() const {
  const OfferId offer = shard_.record(ref()).attempts.back().decision.chosen;
  const std::string_view sent = upstream_->authorization;
  return {.upstream_model = admission_.setting->snapshot->fleet.offers[offer].upstream_model,
          .alias = question_.model,
          .host = upstream_->url.origin.host,
          .credential = sent.substr(std::min(sent.find(' ') + 1, sent.size()))};
}

const fleet::Site& Session::site() const {
  return admission_.setting->snapshot->fleet.sites[site_];
}

api::Problem Session::problem(const dispatch::Refuse& action) const {
  const dispatch::Record& record = shard_.record(ref());
  const dispatch::Snapshot& snapshot = *admission_.setting->snapshot;
  // Only a refusal by law pays for the reasons.
  api::Problem told = record.end == dispatch::End::refused_by_law
                          ? api::refused_by_gate(refusals_of(shard_.explain(ref()), snapshot))
                          : problem_of(record, action, report_.get(), snapshot);
  mark(told);
  return told;
}

void Session::mark(api::Problem& told) const {
  const dispatch::Record& record = shard_.record(ref());
  told.request_id = request_id();
  told.traceparent = traceparent();
  told.attempts = static_cast<std::int32_t>(record.attempts.size());
  if (!record.attempts.empty()) {
    told.site = admission_.setting->snapshot->fleet.sites[record.attempts.back().site].name;
  }
}

Session::ReplyHeaders::ReplyHeaders(const Session& session, std::string_view content_type)
    : attempts_(static_cast<char>('0' + session.shard_.record(session.ref()).attempts.size())) {
  add("content-type", content_type);
  add("x-request-id", session.request_id());
  add("traceparent", session.traceparent());
  add("hanse-site", session.site().name);
  add("hanse-attempts", {&attempts_, 1});
}

void Session::reset() {
  HANSE_CHECK(!call_.active());
  watch_timer_.cancel();
  attempt_open_ = false;
  upstream_.reset();
  decoder_.reset();
  answer_.reset();
  shape_.emplace<std::monostate>();
  shard_.take_back(std::move(upstream_request_));
  body_.release();
  admission_.setting.reset();
  report_.reset();
  out_.clear();
  give_text_back();
  shard_.give_back(slot_);
}

}  // namespace hanse::serve
