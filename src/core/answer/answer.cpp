#include "core/answer/answer.h"

#include <algorithm>

#include "base/check.h"
#include "base/json_cursor.h"

namespace hanse::answer {
namespace {

// Above this many bytes a delta holds several tokens.
constexpr std::int64_t kBytesOfOneToken = 16;
// What a token is worth where deltas cannot be counted, as English has it.
constexpr std::int64_t kBytesPerToken = 4;
// A report is doubted outside these bounds. No vocabulary in use has tokens past
// 128 bytes.
constexpr std::int64_t kTokenBytesMax = 128;
// Tokens that leave no text: the end of the turn, template marks.
constexpr std::int64_t kUnseenTokensPerChoice = 16;
// Past twice the output limit and this, deltas are no matter of counting.
constexpr std::int64_t kDeltasForgiven = 64;
// Too few deltas prove nothing.
constexpr std::int64_t kDeltasToJudge = 8;

// More than anything can have used, and far from where sums of such end.
constexpr Tokens kReportedMost{std::int64_t{1} << 50U};

Usage within_reason(const Usage& reported) {
  Usage usage = reported;
  for (const TokenKind kind : kAllTokenKinds) {
    usage.tokens[kind] =
        std::clamp(usage.tokens[kind], Tokens(-kReportedMost.count()), kReportedMost);
  }
  usage.contradicted = usage.contradicted || usage.tokens != reported.tokens;
  return usage;
}

std::int64_t estimate_tokens(std::int64_t deltas, std::int64_t bytes) {
  if (bytes <= deltas * kBytesOfOneToken) return deltas;
  return std::max(deltas, (bytes + kBytesPerToken - 1) / kBytesPerToken);
}

// What `raw` says, whether it is escaped or not: some engines write every letter
// that is not ASCII as six bytes.
std::int64_t bytes_of(std::string_view raw) {
  const bool escaped = raw.find('\\') != std::string_view::npos;
  return static_cast<std::int64_t>(json_unescaped_size({.raw = raw, .escaped = escaped}));
}

// The name and the arguments are what the model has written.
std::int64_t bytes_of_calls(const Delta& delta) {
  if (delta.tool_calls.empty() && delta.function_call.empty()) return 0;
  std::vector<Piece> pieces;
  pieces_of(delta, pieces);
  std::int64_t bytes = 0;
  for (const Piece& piece : pieces) {
    if (is_of_call(piece.kind)) bytes += bytes_of(piece.text);
  }
  return bytes;
}

}  // namespace

Answer::Counts Answer::Counts::of(const Delta& delta) {
  return {.progress = delta.is_progress() ? 1 : 0,
          .text = delta.text.empty() && delta.refusal.empty() ? 0 : 1,
          .reasoning = delta.reasoning.empty() ? 0 : 1,
          .text_bytes = bytes_of(delta.text) + bytes_of(delta.refusal),
          .reasoning_bytes = bytes_of(delta.reasoning),
          .tool_bytes = bytes_of_calls(delta)};
}

void Answer::Counts::add(const Counts& more) {
  progress += more.progress;
  text += more.text;
  reasoning += more.reasoning;
  text_bytes += more.text_bytes;
  reasoning_bytes += more.reasoning_bytes;
  tool_bytes += more.tool_bytes;
}

void Answer::Counts::add(const Remainder& remainder) {
  const std::int64_t bytes = bytes_of(remainder.text);
  progress += 1;
  switch (remainder.kind) {
    case Strand::Kind::text:
    case Strand::Kind::refusal:
      text += 1;
      text_bytes += bytes;
      return;
    case Strand::Kind::reasoning:
      reasoning += 1;
      reasoning_bytes += bytes;
      return;
    case Strand::Kind::tool_name:
    case Strand::Kind::tool_arguments:
    case Strand::Kind::tool_other:
    case Strand::Kind::function_name:
    case Strand::Kind::function_arguments: tool_bytes += bytes; return;
    case Strand::Kind::tool_id:
    case Strand::Kind::tool_type:
    case Strand::Kind::vendor: return;
  }
}

std::int64_t Answer::Counts::output_tokens() const {
  return estimate_tokens(progress - reasoning, text_bytes + tool_bytes);
}

std::int64_t Answer::Counts::reasoning_tokens() const {
  return estimate_tokens(reasoning, reasoning_bytes);
}

bool Answer::Counts::exceeds(std::int64_t tokens) const {
  return progress > 2 * tokens + kDeltasForgiven &&
         bytes() + tool_bytes > kBytesOfOneToken * (tokens + kDeltasForgiven);
}

Answer::Answer(Dialect dialect, std::int32_t choices, std::int32_t prompts, Keep keep)
    : dialect_(dialect),
      choices_(static_cast<std::uint32_t>(choices)),
      choices_per_prompt_(static_cast<std::uint32_t>(choices / prompts)) {
  HANSE_CHECK(choices >= 1 && static_cast<std::size_t>(choices) <= kChoicesMax);
  HANSE_CHECK(prompts >= 1 && choices % prompts == 0);
  if (keep == Keep::transcript) transcript_.emplace();
}

Emission Answer::take(const Delta& delta) {
  if (delta.usage) take_report(delta);
  if (!delta.has_choice) return {};
  if (delta.choice >= choices_) {
    unasked_ = true;
    return {};
  }
  if (attempt_finished_[delta.choice]) return {};
  const bool says_something =
      delta.is_progress() || !delta.vendor_part.empty() || delta.finish != Finish::none;
  if (!says_something) return {};

  attempt_begun_ = true;
  const Counts counts = Counts::of(delta);
  attempt_.add(counts);
  if (delta.finish != Finish::none) attempt_finished_.set(delta.choice);
  // Another attempt has finished it: that is what the client has, and this one
  // says it once more, or something else.
  if (finished_[delta.choice]) return {};
  if (repeat_ != nullptr) return take_repeated(delta, counts);
  return forward(delta, counts);
}

Emission Answer::forward(const Delta& delta, const Counts& counts) {
  if (!delta.tool_calls.empty() || !delta.function_call.empty()) called_.set(delta.choice);
  if (delta.finish == Finish::tool_calls && !called_[delta.choice] && delta.vendor_part.empty()) {
    contradicts_itself_ = true;
    return {};
  }
  Emission emission{.forward = true};
  if (dialect_ == Dialect::chat) {
    emission.drop_role = delta.has_role && begun_[delta.choice];
    emission.lead_with_role = !delta.has_role && !begun_[delta.choice];
  }
  begun_.set(delta.choice);
  delivered_.add(counts);
  if (transcript_) transcript_->add(delta);
  note_finish(delta);
  return emission;
}

Emission Answer::take_repeated(const Delta& delta, const Counts& counts) {
  switch (repeat_->take(delta)) {
    case Repeat::Verdict::known: return {};
    case Repeat::Verdict::fresh: return forward(delta, counts);
    case Repeat::Verdict::partly: break;
    case Repeat::Verdict::diverged: diverged_ = true; return {};
  }
  for (const Remainder& remainder : repeat_->remainders()) {
    delivered_.add(remainder);
    transcript_->add(Piece{.kind = remainder.kind,
                           .choice = remainder.choice,
                           .index = remainder.index,
                           .text = remainder.text});
  }
  note_finish(delta);
  return {.remainder = true};
}

const std::vector<Remainder>& Answer::remainders() const {
  static const std::vector<Remainder> none;
  return repeat_ == nullptr ? none : repeat_->remainders();
}

void Answer::note_finish(const Delta& delta) {
  if (delta.finish == Finish::none) return;
  finished_.set(delta.choice);
  if (finish_ == Finish::none || finish_ == Finish::stop) finish_ = delta.finish;
}

void Answer::next_attempt(TakeUp how) {
  HANSE_CHECK((how == TakeUp::anew) == begun_.none());
  taken_up_ = how;
  attempt_ = {};
  attempt_finished_.reset();
  tokens_before_ = how == TakeUp::continued ? delivered_.tokens() : 0;
  repeat_ = how == TakeUp::repeated ? std::make_unique<Repeat>(*transcript_) : nullptr;
  attempt_begun_ = diverged_ = contradicts_itself_ = engine_done_ = unasked_ = false;
  reported_.reset();
  lacks_prompt_ = lacks_output_ = false;
  choices_reported_.reset();
  prompts_reported_.reset();
}

Resumable Answer::resumable() const {
  if (begun_.none() || !transcript_ || transcript_->lost()) return Resumable::no;
  const bool is_one_open_text = choices_ == 1 && finished_.none() && transcript_->is_plain_text();
  if (!is_one_open_text) return Resumable::by_repeating;
  return dialect_ == Dialect::completion ? Resumable::by_appending : Resumable::by_continuing;
}

void Answer::engine_done() { engine_done_ = true; }

bool Answer::exceeds(Tokens most) const {
  return delivered_.exceeds(most.count()) || attempt_.exceeds(most.count());
}

void Answer::end_at_limit() {
  HANSE_CHECK(begun_.any());
  ended_at_limit_ = true;
  const bool is_said = finish_ != Finish::none && finish_ != Finish::stop;
  if ((begun_ & ~finished_).any() && !is_said) finish_ = Finish::length;
}

bool Answer::complete() const {
  if (begun_.none()) return false;
  if (ended_at_limit_) return true;
  // An engine that finishes nothing but says that it is done has its way.
  if (finished_.none()) return engine_done_;
  if ((begun_ & ~finished_).any()) return false;
  return engine_done_ || finished_.count() == choices_;
}

void Answer::take_report(const Delta& delta) {
  if (delta.usage_of_choice) {
    // One report of a part makes the sum one of a part.
    lacks_prompt_ = lacks_prompt_ || delta.usage_lacks_prompt;
    lacks_output_ = lacks_output_ || delta.usage_lacks_output;
    return add_report(within_reason(*delta.usage), *delta.usage_of_choice);
  }
  reported_ = within_reason(*delta.usage);
  lacks_prompt_ = delta.usage_lacks_prompt;
  lacks_output_ = delta.usage_lacks_output;
}

void Answer::add_report(const Usage& usage, std::uint32_t choice) {
  if (!reported_) reported_.emplace();
  if (choice >= choices_) {
    // Nobody asked for it, but the site made it and will bill for it.
    unasked_ = true;
    for (const TokenKind kind : {TokenKind::output, TokenKind::reasoning}) {
      reported_->tokens[kind] += usage.tokens[kind];
    }
    return;
  }
  if (choices_reported_[choice]) return;
  choices_reported_.set(choice);
  const std::uint32_t prompt = choice / choices_per_prompt_;
  for (const TokenKind kind : kAllTokenKinds) {
    const bool generated = kind == TokenKind::output || kind == TokenKind::reasoning;
    if (generated || !prompts_reported_[prompt]) reported_->tokens[kind] += usage.tokens[kind];
  }
  prompts_reported_.set(prompt);
  reported_->contradicted = reported_->contradicted || usage.contradicted;
}

Usage Answer::usage(Tokens prompt_estimate) const {
  const bool reports_missing = choices_reported_.any() && (begun_ & ~choices_reported_).any();
  if (!reported_) return estimate(reading(prompt_estimate), attempt_);
  if (reports_missing) {
    // The others' is at least what the site says of some.
    Usage counted = estimate(reading(prompt_estimate), attempt_);
    for (const TokenKind kind : kAllTokenKinds) {
      counted.tokens[kind] = std::max(counted.tokens[kind], reported_->tokens[kind]);
    }
    return counted;
  }
  Usage usage = *reported_;
  if (lacks_prompt_ || lacks_output_) fill_in(usage, prompt_estimate);
  usage.contradicted = usage.contradicted || unasked_ || contradicts_text(usage);
  return usage;
}

Usage Answer::billed(Tokens prompt_estimate) const {
  if (taken_up_ == TakeUp::anew) return usage(prompt_estimate);
  if (taken_up_ == TakeUp::repeated) {
    // A whole repeat is the answer, as if it had been the only attempt.
    return complete() && reported_ ? usage(prompt_estimate) : estimate(prompt_estimate, delivered_);
  }
  if (!reported_) return estimate(prompt_estimate, delivered_);
  Usage billed = usage(prompt_estimate);
  Tokens surplus(tokens_before_);
  for (const TokenKind kind : {TokenKind::prompt, TokenKind::cache_write, TokenKind::cached_read}) {
    const Tokens less = std::min(surplus, billed.tokens[kind]);
    billed.tokens[kind] -= less;
    surplus -= less;
  }
  billed.tokens[TokenKind::output] += Tokens(tokens_before_);
  billed.estimated = true;
  return billed;
}

// What the attempt had to read: of an answer that it continues, that too.
Tokens Answer::reading(Tokens prompt_estimate) const {
  return prompt_estimate + Tokens(tokens_before_);
}

Usage Answer::estimate(Tokens prompt_estimate, const Counts& counts) {
  Usage usage;
  usage.estimated = true;
  usage.tokens[TokenKind::prompt] = prompt_estimate;
  usage.tokens[TokenKind::output] = Tokens(counts.output_tokens());
  usage.tokens[TokenKind::reasoning] = Tokens(counts.reasoning_tokens());
  return usage;
}

void Answer::fill_in(Usage& usage, Tokens prompt_estimate) const {
  const Usage counted = estimate(reading(prompt_estimate), attempt_);
  for (const TokenKind kind : kAllTokenKinds) {
    const bool generated = kind == TokenKind::output || kind == TokenKind::reasoning;
    if (generated ? lacks_output_ : lacks_prompt_) usage.tokens[kind] = counted.tokens[kind];
  }
  usage.estimated = true;
}

bool Answer::contradicts_text(const Usage& usage) const {
  const std::int64_t output = usage.tokens[TokenKind::output].count();
  const std::int64_t generated = output + usage.tokens[TokenKind::reasoning].count();
  const std::int64_t bytes = attempt_.bytes();
  if (bytes > 0 && generated == 0) return true;
  if (bytes > (generated + 1) * kTokenBytesMax) return true;
  const std::int64_t deltas = attempt_.text + attempt_.reasoning;
  if (deltas >= kDeltasToJudge && generated < deltas / 2) return true;
  // Tool calls and hidden reasoning are tokens without text here.
  if (attempt_.tool_bytes > 0) return false;
  return output > bytes + kUnseenTokensPerChoice * static_cast<std::int64_t>(choices_);
}

std::string_view to_string(TakeUp how) {
  switch (how) {
    case TakeUp::anew: return "anew";
    case TakeUp::continued: return "continued";
    case TakeUp::repeated: return "repeated";
  }
  return "unknown";
}

std::string_view to_string(Finish finish) {
  switch (finish) {
    case Finish::none: return "none";
    case Finish::stop: return "stop";
    case Finish::length: return "length";
    case Finish::tool_calls: return "tool_calls";
    case Finish::content_filter: return "content_filter";
    case Finish::other: return "other";
  }
  return "unknown";
}

}  // namespace hanse::answer
