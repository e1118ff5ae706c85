#include "core/answer/answer.h"

#include <algorithm>

#include "base/check.h"

namespace hanse::answer {
namespace {

// Above this many bytes a delta holds several tokens.
constexpr std::int64_t kBytesOfOneToken = 16;
// What a token is worth where deltas cannot be counted, as English has it.
constexpr std::int64_t kBytesPerToken = 4;
// A report is doubted outside these bounds. JSON escapes a byte to six at
// most, and no vocabulary in use has tokens past 128 bytes.
constexpr std::int64_t kTokenBytesMax = 6 * 128;
// Tokens that leave no text: the end of the turn, template marks.
constexpr std::int64_t kUnseenTokensPerChoice = 16;
// Past twice the output limit and this, deltas are no matter of counting.
constexpr std::int64_t kDeltasForgiven = 64;
// Too few deltas prove nothing.
constexpr std::int64_t kDeltasToJudge = 8;

std::int64_t estimate_tokens(std::int64_t deltas, std::int64_t bytes) {
  if (bytes <= deltas * kBytesOfOneToken) return deltas;
  return std::max(deltas, (bytes + kBytesPerToken - 1) / kBytesPerToken);
}

}  // namespace

Answer::Answer(Dialect dialect, std::int32_t choices, std::int32_t prompts)
    : dialect_(dialect),
      choices_(static_cast<std::uint32_t>(choices)),
      choices_per_prompt_(static_cast<std::uint32_t>(choices / prompts)) {
  HANSE_CHECK(choices >= 1 && static_cast<std::size_t>(choices) <= kChoicesMax);
  HANSE_CHECK(prompts >= 1 && choices % prompts == 0);
}

Emission Answer::take(const Delta& delta) {
  if (delta.usage) take_report(delta);
  if (!delta.has_choice) return {};
  if (delta.choice >= choices_) {
    unasked_ = true;
    return {};
  }
  if (finished_[delta.choice]) return {};
  const bool says_something =
      delta.is_progress() || delta.has_vendor_part || delta.finish != Finish::none;
  if (!says_something) return {};

  Emission emission{.forward = true};
  if (dialect_ == Dialect::chat) {
    emission.drop_role = delta.has_role && begun_[delta.choice];
    emission.lead_with_role = !delta.has_role && !begun_[delta.choice];
  }
  begun_.set(delta.choice);
  count(delta);
  return emission;
}

void Answer::count(const Delta& delta) {
  if (delta.is_progress()) progress_deltas_ += 1;
  if (!delta.text.empty() || !delta.refusal.empty()) text_deltas_ += 1;
  if (!delta.reasoning.empty()) reasoning_deltas_ += 1;
  text_bytes_ += static_cast<std::int64_t>(delta.text.size() + delta.refusal.size());
  reasoning_bytes_ += static_cast<std::int64_t>(delta.reasoning.size());
  tool_bytes_ += static_cast<std::int64_t>(delta.tool_calls.size() + delta.function_call.size());
  if (delta.finish == Finish::none) return;
  finished_.set(delta.choice);
  if (finish_ == Finish::none || finish_ == Finish::stop) finish_ = delta.finish;
}

void Answer::engine_done() { engine_done_ = true; }

bool Answer::exceeds(Tokens most) const {
  const std::int64_t tokens = most.count();
  return progress_deltas_ > 2 * tokens + kDeltasForgiven &&
         text_bytes() + tool_bytes_ > kBytesOfOneToken * (tokens + kDeltasForgiven);
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
    return add_report(*delta.usage, *delta.usage_of_choice);
  }
  reported_ = delta.usage;
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
  if (!reported_ || reports_missing) return estimate(prompt_estimate);
  Usage usage = *reported_;
  if (lacks_prompt_ || lacks_output_) fill_in(usage, prompt_estimate);
  usage.contradicted = usage.contradicted || unasked_ || contradicts_text(usage);
  return usage;
}

Usage Answer::estimate(Tokens prompt_estimate) const {
  Usage usage;
  usage.estimated = true;
  const std::int64_t other_deltas = progress_deltas_ - reasoning_deltas_;
  usage.tokens[TokenKind::prompt] = prompt_estimate;
  usage.tokens[TokenKind::output] =
      Tokens(estimate_tokens(other_deltas, text_bytes_ + tool_bytes_));
  usage.tokens[TokenKind::reasoning] = Tokens(estimate_tokens(reasoning_deltas_, reasoning_bytes_));
  return usage;
}

void Answer::fill_in(Usage& usage, Tokens prompt_estimate) const {
  const Usage counted = estimate(prompt_estimate);
  for (const TokenKind kind : kAllTokenKinds) {
    const bool generated = kind == TokenKind::output || kind == TokenKind::reasoning;
    if (generated ? lacks_output_ : lacks_prompt_) usage.tokens[kind] = counted.tokens[kind];
  }
  usage.estimated = true;
}

bool Answer::contradicts_text(const Usage& usage) const {
  const std::int64_t output = usage.tokens[TokenKind::output].count();
  const std::int64_t generated = output + usage.tokens[TokenKind::reasoning].count();
  const std::int64_t bytes = text_bytes();
  if (bytes > 0 && generated == 0) return true;
  if (bytes > (generated + 1) * kTokenBytesMax) return true;
  const std::int64_t deltas = text_deltas_ + reasoning_deltas_;
  if (deltas >= kDeltasToJudge && generated < deltas / 2) return true;
  // Tool calls and hidden reasoning are tokens without text here.
  if (tool_bytes_ > 0) return false;
  return output > bytes + kUnseenTokensPerChoice * static_cast<std::int64_t>(choices_);
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
