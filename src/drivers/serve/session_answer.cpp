// What the site's socket says: a session takes the answer of its attempt, and
// hands on what may go to the client.
#include <utility>

#include "base/check.h"
#include "base/json_cursor.h"
#include "drivers/serve/problems.h"
#include "drivers/serve/session.h"
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

std::string_view why_overdue(answer::Failure failure) {
  switch (failure) {
    case answer::Failure::unreachable: return "no connection within the limit";
    case answer::Failure::silent: return "no first token came within the limit";
    default: return "too few tokens came within the limit";
  }
}

}  // namespace

void Session::on_head(const http::ResponseHead& head) {
  const auto field = [&](std::string_view name) {
    return head.headers().find(name).value_or(std::string_view());
  };
  line_->watch.answers(shard_.loop().now().monotonic);
  line_->decoder->begin({.status = head.status(),
                         .content_type = field("content-type"),
                         .retry_after = field("retry-after"),
                         .now = shard_.loop().now().wall});
}

void Session::on_connected(const http::Connected&) {
  line_->watch.connected(shard_.loop().now().monotonic);
  if (std::exchange(line_->connected, true)) shard_.metrics().observe_sent_again();
}

void Session::on_data(std::string_view bytes) {
  if (line_->engine_done) return;
  line_->decoder->feed(bytes);
  take_deltas();
}

void Session::on_complete() {
  if (line_->engine_done) return attempt_over(engines::Step::done);
  line_->decoder->feed_end(engines::BodyEnd::clean);
  take_deltas();
}

void Session::on_failure(const http::CallFailure& failure) {
  if (line_->engine_done) return attempt_over(engines::Step::done);
  // A body that was cut may still have held a whole answer.
  if (failure.phase == http::CallPhase::body &&
      failure.trouble == http::CallTrouble::closed_early) {
    line_->decoder->feed_end(engines::BodyEnd::cut);
    return take_deltas();
  }
  if (line_->answer->complete()) return end_attempt(answer::Failure::none);
  failed(failure_of(failure), failure.message);
  end_attempt(line_->report->failure);
}

void Session::take_deltas() {
  if (!question_.stream) return take_input();  // its text is written when all of it is there
  borrow_text();
  take_input();
  give_text_back();
}

void Session::take_input() {
  answer::Delta delta;
  for (;;) {
    const engines::Step step = line_->decoder->next(delta);
    if (step == engines::Step::more) break;
    if (step == engines::Step::done && line_->call.active()) return wait_for_end();
    if (step != engines::Step::delta) return attempt_over(step);
    if (!line_->answer->attempt_begun() && is_of_another_model(delta)) {
      failed(answer::Failure::bad_answer, "it names another model than it should");
      return end_attempt(answer::Failure::bad_answer);
    }
    take(delta);
    if (line_->answer->diverged()) {
      failed(answer::Failure::diverged, "the repeat is another answer than the client has begun");
      return end_attempt(answer::Failure::diverged);
    }
    if (line_->answer->contradicts_itself()) {
      failed(answer::Failure::bad_answer, "it finishes for tool calls that it has not made");
      return end_attempt(answer::Failure::bad_answer);
    }
    if (line_->answer->exceeds(output_most_)) return stop_at_limit();
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
  if (line_->engine_done) return;
  line_->engine_done = true;
  on_progress();
  line_->watch_timer.arm_in(kEndOfBody);
}

// What a site makes past the limit that it was given is past the hold, too:
// nobody pays for it but us.
void Session::stop_at_limit() {
  line_->answer->end_at_limit();
  end_attempt(answer::Failure::none);
}

bool Session::is_of_another_model(const answer::Delta& delta) const {
  const std::string& expected =
      admission_.setting->snapshot->fleet.offers[line_->offer].reply_model;
  if (expected.empty() || !delta.has_model) return false;
  std::string named;
  const std::string_view value = delta.model();
  if (value.size() >= 2 && value.front() == '"') {
    append_json_unescaped(value.substr(1, value.size() - 2), named);
  }
  return named != expected;
}

void Session::take(const answer::Delta& delta) {
  const answer::Emission emission = line_->answer->take(delta);
  if (emission.remainder) {
    writer().write_remainders(delta, line_->answer->remainders(), line_->out);
  } else if (question_.stream) {
    writer().write(delta, emission, line_->out);
  } else if (emission.forward && line_->decoder->whole_reply() == nullptr) {
    assembler().add(delta);
  }
}

void Session::on_progress() {
  // Comments and empty deltas are no progress and do not put the watch off.
  if (line_->answer->attempt_deltas() > line_->seen) {
    line_->seen = line_->answer->attempt_deltas();
    line_->watch.progressed(Tokens(line_->answer->attempt_tokens()), shard_.loop().now().monotonic);
    keep_watch();
  }
  if (!line_->first_token_told && line_->answer->attempt_begun()) {
    line_->first_token_told = true;
    shard_.tell(dispatch::FirstToken{.request = ref(), .attempt = line_->attempt});
  }
  if (line_->first_token_told && deltas() >= reported_ + kReportEvery) {
    reported_ = deltas();
    look_at_delivery();
    shard_.tell(dispatch::Progressed{.request = ref(),
                                     .attempt = line_->attempt,
                                     .output = reported_,
                                     .left = delivery_.left()});
  }
  push_out();
}

void Session::push_out() {
  if (!question_.stream || line_->out.empty()) return;
  if (!client_.there()) return line_->out.clear();  // the client has left
  if (deltas() > released_) return;
  if (!client_.begun() && !line_->first_token_told) return;
  if (!client_.begun()) begin_stream();
  const bool goes_on = client_.write(line_->out);
  delivery_.handed(deltas(), client_.written());
  look_at_delivery();
  line_->out.clear();
  if (goes_on || !line_->call.active()) return;
  line_->call.pause();
  line_->watch.paused(shard_.loop().now().monotonic);
}

void Session::attempt_over(engines::Step step) {
  if (step == engines::Step::done) line_->answer->engine_done();
  if (line_->answer->complete()) return end_attempt(answer::Failure::none);
  if (step == engines::Step::failed) {
    line_->report = std::make_unique<answer::FailureReport>(line_->decoder->failure());
    if (!line_->report->client_message.empty()) api::make_fit_for_client(*line_->report, secrets());
  } else {
    failed(answer::Failure::reset, "the answer ended without a finish");
  }
  end_attempt(line_->report->failure);
}

void Session::watch_ran_out() {
  if (!line_->open) return;
  if (line_->engine_done) return attempt_over(engines::Step::done);
  const auto failure = line_->watch.overdue(shard_.loop().now().monotonic);
  if (!failure) return keep_watch();
  // Every choice has its finish: what the engine owes beyond it is not worth more.
  if (line_->answer->complete()) return end_attempt(answer::Failure::none);
  failed(*failure, why_overdue(*failure));
  end_attempt(*failure);
}

// An answer that broke behind its last permitted token is whole: there is nothing
// to go on with. Of engines that are known for it, a delta is a token at least.
bool Session::met_its_limit() const {
  return question_.stream && line_->upstream->engine.capabilities().continues_chat &&
         line_->answer->resumable() >= answer::Resumable::by_continuing &&
         line_->answer->progress_deltas() >= output_most_.count();
}

void Session::end_attempt(answer::Failure failure) {
  if (failure != answer::Failure::none && met_its_limit()) {
    line_->answer->end_at_limit();
    failure = answer::Failure::none;
  }
  line_->open = false;
  line_->watch_timer.cancel();
  // A stream that is complete frees its engine at once, whatever it still has
  // to say; a call that has ended is not touched.
  line_->call.cancel();
  if (failure == answer::Failure::none && !line_->first_token_told) {
    line_->first_token_told = true;
    shard_.tell(dispatch::FirstToken{.request = ref(), .attempt = line_->attempt});
  }
  if (failure != answer::Failure::none)
    shard_.log_failed_attempt(*this, site().name, *line_->report);
  const bool used = failure == answer::Failure::none || line_->answer->attempt_begun();
  shard_.tell(dispatch::AttemptEnded{
      .request = ref(),
      .attempt = line_->attempt,
      .failure = failure,
      .usage = used ? usage_so_far() : Usage{},
      .billed = billed_so_far(),
      .output = deltas(),
      .resumable = resumable(),
      .paused = line_->call.paused_for(),
      .retry_after = line_->report ? line_->report->retry_after : std::nullopt});
  shard_.trace().attempt_ended(shard_.record(ref()), line_->attempt, *admission_.setting->snapshot);
}

}  // namespace hanse::serve
