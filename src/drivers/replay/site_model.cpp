#include "drivers/replay/site_model.h"

#include <algorithm>

#include "base/check.h"

namespace hanse::replay {
namespace {

constexpr std::int64_t kNanosPerSecond = 1'000'000'000;

Duration time_for(Tokens tokens, std::int64_t per_second) {
  return Duration(tokens.count() * kNanosPerSecond / std::max<std::int64_t>(per_second, 1));
}

bool never_answers(Trouble trouble) {
  return trouble == Trouble::silent || trouble == Trouble::headers_only;
}

bool breaks_off(Trouble trouble) {
  return trouble == Trouble::stall || failure_in_mid_stream(trouble) != answer::Failure::none;
}

}  // namespace

void SiteModel::open(const Job& job, MonotonicTime now, Reactions& out) {
  HANSE_CHECK(!jobs_.contains(job.id));
  const answer::Failure at_once = condition_ == Condition::down
                                      ? answer::Failure::unreachable
                                      : failure_at_once(job.script.trouble);
  if (at_once != answer::Failure::none) {
    out.sayings.push_back({.kind = Saying::Kind::failed,
                           .job = job.id,
                           .output = {},
                           .failure = at_once,
                           .usage = {},
                           .retry_after = job.script.retry_after});
    return;
  }
  out.sayings.push_back({.kind = Saying::Kind::connected,
                         .job = job.id,
                         .output = {},
                         .failure = {},
                         .usage = {},
                         .retry_after = {}});
  Running& running = jobs_[job.id];
  running.job = job;
  if (condition_ == Condition::hung || never_answers(job.script.trouble)) {
    running.phase = Phase::frozen;
    return;
  }
  queue_.push_back(job.id);
  fill_slots(now, out);
}

void SiteModel::fill_slots(MonotonicTime now, Reactions& out) {
  while (busy_ < slots_ && !queue_.empty()) {
    const auto it = jobs_.find(queue_.front());
    queue_.pop_front();
    if (it == jobs_.end() || it->second.phase != Phase::queued) continue;
    Running& running = it->second;
    running.phase = Phase::prefilling;
    running.has_slot = true;
    ++busy_;
    prefill_free_at_ = std::max(prefill_free_at_, now) +
                       time_for(running.job.prompt, running.job.profile.prefill_tokens_per_second);
    out.steps.emplace_back(prefill_free_at_ + running.job.profile.first_token, it->first);
  }
}

fleet::Sign SiteModel::sign() const {
  const auto waiting = std::ranges::count_if(
      jobs_, [](const auto& job) { return job.second.phase == Phase::queued; });
  return {.running = busy_, .waiting = static_cast<std::int32_t>(waiting)};
}

Duration SiteModel::time_per_token(const Job& job) const {
  const std::int64_t alone =
      kNanosPerSecond / std::max<std::int64_t>(job.profile.decode_tokens_per_second, 1);
  const std::int64_t full_rate = job.profile.decode_tokens_per_second_full;
  const std::int64_t full =
      full_rate > 0 ? std::max(alone, kNanosPerSecond / full_rate) : 2 * alone;
  const std::int64_t beside = slots_ > 1 ? (full - alone) * (busy_ - 1) / (slots_ - 1) : 0;
  return Duration((alone + beside) * job.script.slowness);
}

void SiteModel::step(JobId id, MonotonicTime now, Reactions& out) {
  const auto it = jobs_.find(id);
  if (it == jobs_.end() || it->second.phase == Phase::frozen) return;
  Running& running = it->second;
  const AttemptScript& script = running.job.script;
  if (running.phase == Phase::prefilling) {
    running.phase = Phase::decoding;
    running.next = std::min(Tokens(1), running.job.output);
  }
  if (running.next > running.answered) {
    running.answered = running.next;
    out.sayings.push_back({.kind = Saying::Kind::answered,
                           .job = id,
                           .output = running.answered,
                           .failure = {},
                           .usage = {},
                           .retry_after = {}});
  }
  if (breaks_off(script.trouble) && running.answered >= script.after) {
    const answer::Failure failure = failure_in_mid_stream(script.trouble);
    if (failure != answer::Failure::none) return fail(it, failure, now, out);
    running.phase = Phase::frozen;  // a stall keeps its slot until it is closed
    return;
  }
  if (running.answered >= running.job.output) return finish(it, now, out);
  answer_piece(running, now, out);
}

void SiteModel::answer_piece(Running& running, MonotonicTime now, Reactions& out) {
  Tokens piece = std::min(Tokens(kPiece), running.job.output - running.answered);
  const AttemptScript& script = running.job.script;
  if (breaks_off(script.trouble)) piece = std::min(piece, script.after - running.answered);
  running.next = running.answered + piece;
  out.steps.emplace_back(now + time_per_token(running.job) * piece.count(), running.job.id);
}

void SiteModel::finish(Jobs::iterator job, MonotonicTime now, Reactions& out) {
  const Running& running = job->second;
  Saying saying{.kind = Saying::Kind::finished,
                .job = job->first,
                .output = running.answered,
                .failure = {},
                .usage = {},
                .retry_after = {}};
  if (running.job.script.claims) {
    saying.usage = running.job.script.claims;
  } else if (running.job.script.says_usage) {
    saying.usage.emplace();
    (*saying.usage)[TokenKind::prompt] = running.job.prompt;
    (*saying.usage)[TokenKind::cached_read] = running.job.cached;
    (*saying.usage)[TokenKind::output] = running.answered;
  }
  out.sayings.push_back(saying);
  remove(job, now, out);
}

void SiteModel::fail(Jobs::iterator job, answer::Failure failure, MonotonicTime now,
                     Reactions& out) {
  out.sayings.push_back({.kind = Saying::Kind::failed,
                         .job = job->first,
                         .output = job->second.answered,
                         .failure = failure,
                         .usage = {},
                         .retry_after = {}});
  remove(job, now, out);
}

void SiteModel::remove(Jobs::iterator job, MonotonicTime now, Reactions& out) {
  if (job->second.has_slot) --busy_;
  jobs_.erase(job);
  fill_slots(now, out);
}

void SiteModel::close(JobId id, MonotonicTime now, Reactions& out) {
  const auto it = jobs_.find(id);
  if (it != jobs_.end()) remove(it, now, out);
}

void SiteModel::become(Condition condition, MonotonicTime now, Reactions& out) {
  condition_ = condition;
  if (condition == Condition::hung) {
    for (auto& [id, running] : jobs_) running.phase = Phase::frozen;
  }
  if (condition != Condition::down) return;
  queue_.clear();
  while (!jobs_.empty()) fail(jobs_.begin(), answer::Failure::reset, now, out);
  prefill_free_at_ = now;
}

}  // namespace hanse::replay
