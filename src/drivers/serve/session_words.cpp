// What a session says: headers, bills, errors, and its end.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "drivers/serve/problems.h"
#include "drivers/serve/session.h"
#include "drivers/serve/shard.h"

namespace hanse::serve {

void Session::begin_stream() {
  ReplyHeaders headers(*this, "text/event-stream; charset=utf-8");
  headers.add("cache-control", "no-cache");
  headers.add("x-accel-buffering", "no");
  client_.begin_stream(200, headers.lines());
}

Tokens Session::prompt_estimate() const {
  const dispatch::Record& record = shard_.record(ref());
  return record.attempts.empty() ? Tokens(0)
                                 : record.attempts.back().decision.best[0].prediction.prompt;
}

Usage Session::usage_so_far() const {
  return line_->answer ? line_->answer->usage(prompt_estimate()) : Usage{};
}

Usage Session::billed_so_far() const {
  return line_->answer && line_->answer->begun() ? line_->answer->billed(prompt_estimate())
                                                 : Usage{};
}

answer::Resumable Session::resumable() const {
  if (!question_.stream || !line_->answer) return answer::Resumable::no;
  const answer::Resumable how = line_->answer->resumable();
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
  const OfferId offer = shard_.record(ref()).attempts[line_->attempt].decision.chosen;
  const std::string_view sent = line_->upstream->authorization;
  return {.upstream_model = admission_.setting->snapshot->fleet.offers[offer].upstream_model,
          .alias = question_.model,
          .host = line_->upstream->url.origin.host,
          .credential = sent.substr(std::min(sent.find(' ') + 1, sent.size()))};
}

const fleet::Site& Session::site() const {
  return admission_.setting->snapshot->fleet.sites[line_->site];
}

api::Problem Session::problem(const dispatch::Refuse& action) const {
  const dispatch::Record& record = shard_.record(ref());
  const dispatch::Snapshot& snapshot = *admission_.setting->snapshot;
  // Only a refusal by law pays for the reasons.
  api::Problem told = record.end == dispatch::End::refused_by_law
                          ? api::refused_by_gate(refusals_of(shard_.explain(ref()), snapshot))
                          : problem_of(record, action, line_->report.get(), snapshot);
  mark(told);
  return told;
}

void Session::mark(api::Problem& told) const {
  const dispatch::Record& record = shard_.record(ref());
  told.request_id = request_id();
  told.traceparent = traceparent();
  told.attempts = static_cast<std::int32_t>(record.attempts.size());
  if (!record.attempts.empty()) {
    told.site =
        admission_.setting->snapshot->fleet.sites[record.attempts[line_->attempt].site].name;
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
  HANSE_CHECK(!is_calling());
  client_.let_go();
  if (second_ != nullptr) {
    second_->reset();
    second_.reset();
  }
  line_ = &first_;
  line_->reset();
  body_.release();
  admission_.setting.reset();
  give_text_back();
  shard_.give_back(slot_);
}

}  // namespace hanse::serve
