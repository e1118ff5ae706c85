#include "drivers/serve/session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "core/dispatch/policy_of_attempts.h"
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

Session::Session(Shard& shard, std::uint32_t slot) : shard_(shard), slot_(slot) {}

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
  // The other of two has answered in this very turn.
  if (shard_.record(ref()).attempts[action.attempt].ended) return;
  if (line_->open) line_ = &other_line();
  line_->attempt = action.attempt;
  line_->open = true;
  line_->connected = false;
  line_->site = action.permit.site();
  line_->offer = action.offer;
  line_->upstream = admission_.setting->upstreams[line_->site.value()];
  output_most_ =
      Tokens(shard_.record(ref()).output_limit.count() * question_.generations * question_.prompts);
  line_->report.reset();
  line_->first_token_told = line_->engine_done = false;
  line_->seen = 0;
  begin_answer(action.take_up);
  if (!ask(action)) end_attempt(line_->report->failure);
}

bool Session::ask(const dispatch::OpenAttempt& action) {
  const fleet::Offer& offer = admission_.setting->snapshot->fleet.offers[action.offer];
  if (line_->upstream_request == nullptr) line_->upstream_request = shard_.lend_upstream_request();
  engines::UpstreamRequest& asked = *line_->upstream_request;
  engines::Ask ask{.upstream_model = offer.upstream_model, .output_limit = action.output_limit};
  if (action.take_up == answer::TakeUp::continued) ask.answer_so_far = line_->answer->text_so_far();
  const Status written = line_->upstream->engine.write_request(question_, body_.view(), ask, asked);
  if (!written) {
    failed(answer::Failure::client_request, {}).client_message = written.error().message;
    return false;
  }

  const engines::UpstreamHeaders ours =
      engines::upstream_headers({.authorization = line_->upstream->authorization,
                                 .traceparent = traceparent(),
                                 .streamed = asked.streamed});
  std::array<http::HeaderLine, engines::UpstreamHeaders::kMax> lines;
  std::transform(ours.begin(), ours.end(), lines.begin(), [](const engines::UpstreamHeader& h) {
    return http::HeaderLine{h.name, h.value};
  });
  // The watch judges all phases; the call knows best what a connection died of.
  line_->watch = dispatch::AttemptWatch(
      action.limits, asked.streamed ? dispatch::Reply::streamed : dispatch::Reply::whole,
      shard_.loop().now().monotonic);
  line_->call.start(line_->upstream->pool,
                    {.method = "POST",
                     .target = line_->upstream->target(asked.path),
                     .headers = http::HeaderLines(lines.data(), ours.count),
                     .body = asked.pieces()},
                    {.connect = action.limits.connect,
                     .head = kForever,
                     .between_bytes = kForever,
                     .whole = action.limits.whole},
                    *line_);
  if (line_->call.active()) keep_watch();
  return true;
}

void Session::keep_watch() { line_->watch_timer.arm(line_->watch.due()); }

void Session::begin_answer(answer::TakeUp take_up) {
  line_->decoder.emplace(line_->upstream->engine,
                         decoder_options(question_.dialect, question_.stream));
  if (take_up != answer::TakeUp::anew) return line_->answer->next_attempt(take_up);

  const dispatch::Snapshot& snapshot = *admission_.setting->snapshot;
  const TenantId tenant = snapshot.tenants.keys[admission_.key].tenant;
  const bool may_be_rescued =
      question_.stream && snapshot.tenants.tenants[tenant].rescue != limits::Rescue::never;
  line_->answer.emplace(question_,
                        may_be_rescued ? answer::Keep::transcript : answer::Keep::nothing);
  released_ = reported_ = Tokens(0);
  delivery_ = {};
  line_->out.clear();
  const api::ReplyIdentity identity{.dialect = question_.dialect,
                                    .request_id = request_id(),
                                    .alias = question_.model,
                                    .created_unix_seconds = created_unix_seconds_};
  if (question_.stream) {
    line_->shape.emplace<api::StreamWriter>(identity);
  } else {
    line_->shape.emplace<api::WholeAssembler>(question_.dialect);
  }
}

answer::FailureReport& Session::failed(answer::Failure failure, std::string_view why) {
  line_->report = std::make_unique<answer::FailureReport>();
  line_->report->failure = failure;
  line_->report->site_message = why;
  return *line_->report;
}

void Session::borrow_text() {
  if (line_->out.empty()) line_->out.swap(shard_.spare_text());
}

void Session::give_text_back() {
  constexpr std::size_t kSpareMax = 65'536;  // one long answer must not keep it for ever
  static const std::size_t kInPlace = std::string().capacity();
  if (!line_->out.empty() || line_->out.capacity() == kInPlace) return;
  std::string& spare = shard_.spare_text();
  if (line_->out.capacity() > spare.capacity() && line_->out.capacity() <= kSpareMax)
    line_->out.swap(spare);
  std::string().swap(line_->out);  // assigning an empty one would keep the memory
}

void Session::cancel_attempt(std::uint8_t attempt) {
  if (first_.attempt == attempt) first_.cancel();
  if (second_ != nullptr && second_->attempt == attempt) second_->cancel();
}

void Session::release(const dispatch::Release& action) {
  if (action.attempt != line_->attempt) return;
  released_ = action.output;
  push_out();
  give_text_back();
}

void Session::finish() {
  in_dispatch_ = false;
  if (client_.there()) {
    borrow_text();
    if (question_.stream) {
      line_->answer->for_each_owed_finish([&](std::uint32_t choice) {
        writer().write_owed_finish(choice, line_->answer->owed_finish(), line_->out);
      });
      if (question_.include_usage) {
        writer().write_usage(shard_.record(ref()).usage, accounting(), line_->out);
      }
      writer().write_done(line_->out);
      if (!client_.begun()) begin_stream();
      client_.finish(line_->out);
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
  line_->out.clear();
  const Usage& usage = shard_.record(ref()).usage;
  if (const answer::Delta* whole = line_->decoder->whole_reply()) {
    api::write_whole_reply(*whole, identity, usage, accounting(), line_->out);
  } else {
    assembler().write(identity, usage, accounting(), line_->out, line_->answer->owed_finish());
  }
  ReplyHeaders headers(*this, "application/json");
  client_.reply(200, headers.lines(), line_->out);
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
  if (client_.listens()) delivery_.taken_all(deltas());
  writer().write_error(told, line_->out);
  client_.finish_with_error(line_->out);
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
  first_.cancel();
  if (second_ != nullptr) second_->cancel();
  in_dispatch_ = false;
  reset();
}

// --- What the client's socket says -----------------------------------------

void Session::on_drained(http::Exchange&) { go_on(); }

void Session::go_on() {
  if (!line_->call.active() || !line_->call.paused()) return;
  line_->watch.resumed(shard_.loop().now().monotonic);
  keep_watch();
  line_->call.resume();
}

void Session::on_client_gone(http::Exchange&) {
  look_at_delivery();
  client_.left();
  nobody_listens();
}

void Session::nobody_listens() {
  if (in_dispatch_) tell_client_gone();
}

// What is kept for a client that has not taken it has not left: it is lost when
// the client goes or the process is killed.
void Session::look_at_delivery() {
  if (client_.listens()) delivery_.taken(client_.taken());
}

void Session::tell_client_gone() {
  look_at_delivery();
  shard_.tell(dispatch::ClientGone{
      .request = ref(),
      .usage = usage_so_far(),
      .billed = dispatch::without_undelivered(billed_so_far(), deltas() - delivery_.left()),
      .paused = line_->call.paused_for()});
}

}  // namespace hanse::serve
