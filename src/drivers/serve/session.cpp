#include "drivers/serve/session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "drivers/serve/problems.h"
#include "drivers/serve/shard.h"

namespace hanse::serve {
namespace {

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

  body_ = exchange.take_body();
  exchange.release_head();
  take_client(exchange);
  created_unix_seconds_ = shard_.loop().now().wall.count() / kNanosPerSecond;
  in_dispatch_ = true;
  shard_.tell(*arrived);
  request_id_ = shard_.request_id(ref());
  if (client_.kept() != nullptr) client_.kept()->set_request(shard_.record(ref()).number);
  return std::nullopt;
}

void Session::take_client(http::Exchange& exchange) {
  if (admission_.kept == nullptr) return client_.take(exchange, *this);
  client_.take(*admission_.kept, *this);
  admission_.kept->tell(exchange, admission_.traceparent, KeptAnswer::Asked::first);
}

// --- What dispatch says ----------------------------------------------------

void Session::open(const dispatch::OpenAttempt& action) {
  if (!client_.there()) return;  // the client left in this very turn
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
  if (client_.there()) {
    borrow_text();
    if (question_.stream) {
      answer_->for_each_owed_finish([&](std::uint32_t choice) {
        writer().write_owed_finish(choice, answer_->owed_finish(), out_);
      });
      if (question_.include_usage) {
        writer().write_usage(shard_.record(ref()).usage, accounting(), out_);
      }
      writer().write_done(out_);
      if (!client_.begun()) begin_stream();
      client_.finish(out_);
    } else {
      reply_whole();
    }
  }
  shard_.ended(*this);
  reset();
}

void Session::reply_whole() {
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
  client_.reply(200, headers.lines(), out_);
}

void Session::refuse(const dispatch::Refuse& action) {
  in_dispatch_ = false;
  if (client_.there()) reply_with(problem(action));
  shard_.ended(*this);
  reset();
}

void Session::reply_with(const api::Problem& told) {
  if (!client_.begun()) return client_.refuse(told);
  // What came before the break has been paid for and goes out first.
  writer().write_error(told, out_);
  client_.finish_with_error(out_);
}

void Session::forget() {
  in_dispatch_ = false;
  shard_.ended(*this);
  reset();
}

void Session::stop(api::ProblemKind kind, std::string_view why) {
  if (client_.there()) {
    api::Problem told;
    told.kind = kind;
    told.message = why;
    mark(told);
    reply_with(told);
  }
  if (in_dispatch_) tell_client_gone();
}

void Session::drop() {
  call_.cancel();
  in_dispatch_ = false;
  reset();
}

// --- What the client's socket says -----------------------------------------

void Session::on_drained(http::Exchange&) { go_on(); }

void Session::go_on() {
  if (!call_.active() || !call_.paused()) return;
  watch_.resumed(shard_.loop().now().monotonic);
  keep_watch();
  call_.resume();
}

void Session::on_client_gone(http::Exchange&) {
  client_.left();
  nobody_listens();
}

void Session::nobody_listens() {
  if (in_dispatch_) tell_client_gone();
}

void Session::tell_client_gone() {
  shard_.tell(dispatch::ClientGone{.request = ref(),
                                   .usage = usage_so_far(),
                                   .billed = billed_so_far(),
                                   .paused = call_.paused_for()});
}

}  // namespace hanse::serve
