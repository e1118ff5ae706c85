// src/core/answer/answer.h
// One answer out of one or more attempts.
//
// Engines differ in what they get wrong: a second role, usage in the middle,
// no finish, more after the finish. The answer takes their deltas and says
// what of each goes to the client, so that the client's stream has one id, a
// role first, one finish per choice, and one usage at its end.
//
// A role alone is not forwarded: it goes out with the first delta that says
// something. So nothing reaches the client before the engine has shown that
// it works, and a failure until then is still free to become a status code or
// an attempt elsewhere.
//
// An answer is complete when no choice is left open: every choice that spoke
// has finished, and either all choices of the question did or the engine said
// `[DONE]`. An engine that says `[DONE]` without any finish at all ends its
// answer too, and the missing finishes are owed to the client. So does a
// gateway that stops an engine which does not keep to the output limit. Anything
// else is a break, by whatever bytes it ends.
//
// Plain state: no I/O, no clock. Live and in simulation the same.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>

#include "base/usage.h"
#include "core/answer/delta.h"

namespace hanse::answer {

// What of a delta goes to the client.
struct Emission {
  bool forward = false;         // the event, with the gateway's id and model
  bool drop_role = false;       // without its role: the client has one
  bool lead_with_role = false;  // an event with the role must go first

  bool operator==(const Emission&) const = default;
};

class Answer {
 public:
  static constexpr std::size_t kChoicesMax = 128;  // OpenAI's own bound on `n`

  // Requires: of all prompts together at most kChoicesMax, as read questions
  // have.
  explicit Answer(const Question& question)
      : Answer(question.dialect, question.choices * question.prompts, question.prompts) {}
  // `choices` are those of all prompts together.
  // Requires: 1 <= choices <= kChoicesMax; prompts divides choices.
  Answer(Dialect dialect, std::int32_t choices, std::int32_t prompts = 1);

  // Takes the next delta of the attempt under way. A choice past the
  // question's, and anything after a choice's finish, is not forwarded.
  Emission take(const Delta& delta);

  // The engine said `[DONE]`, or its whole reply has ended properly.
  void engine_done();

  // Whether far more has come than `most`, the output limit of all choices
  // together. Deltas and bytes must both say so: some engines send a letter a
  // delta, others a page.
  [[nodiscard]] bool exceeds(Tokens most) const;
  // The engine is stopped: the answer is complete as it stands, and its open
  // choices have met the limit.
  // Requires: begun().
  void end_at_limit();

  [[nodiscard]] bool complete() const;
  // Whether the client has been given any part of the answer.
  [[nodiscard]] bool begun() const { return begun_.any(); }

  // Calls `visit(choice)` for each choice of a complete answer that spoke and
  // whose finish never came: the client is owed `owed_finish()`.
  template <typename Visit>
  void for_each_owed_finish(Visit&& visit) const {
    const auto open = begun_ & ~finished_;
    for (std::uint32_t i = 0; open.any() && i < kChoicesMax; ++i) {
      if (open[i]) visit(i);
    }
  }

  [[nodiscard]] Finish owed_finish() const {
    return ended_at_limit_ ? Finish::length : Finish::stop;
  }

  // Deltas that moved the answer on. Engines send one token a delta, or a few.
  [[nodiscard]] std::int64_t progress_deltas() const { return progress_deltas_; }
  // Bytes of JSON-escaped text and reasoning so far.
  [[nodiscard]] std::int64_t text_bytes() const { return text_bytes_ + reasoning_bytes_; }
  // The first finish that is not `stop`, else `stop` once there is one.
  [[nodiscard]] Finish finish() const { return finish_; }

  // The usage to book: the engine's report, flagged when it contradicts the
  // text; else counted here (`prompt_estimate` for the prompt; deltas for the
  // output, or a token per four bytes when deltas are long) and marked as
  // estimated; so is the one side that a report lacks. When each choice reports
  // for itself, outputs add up, and each prompt counts once.
  [[nodiscard]] Usage usage(Tokens prompt_estimate) const;

 private:
  void count(const Delta& delta);
  void take_report(const Delta& delta);
  void add_report(const Usage& usage, std::uint32_t choice);
  [[nodiscard]] Usage estimate(Tokens prompt_estimate) const;
  void fill_in(Usage& usage, Tokens prompt_estimate) const;
  [[nodiscard]] bool contradicts_text(const Usage& usage) const;

  Dialect dialect_;
  std::uint32_t choices_;
  std::uint32_t choices_per_prompt_;
  std::int64_t progress_deltas_ = 0;
  std::int64_t text_deltas_ = 0;
  std::int64_t reasoning_deltas_ = 0;
  std::int64_t text_bytes_ = 0;
  std::int64_t reasoning_bytes_ = 0;
  std::int64_t tool_bytes_ = 0;
  std::optional<Usage> reported_;
  bool lacks_prompt_ = false;  // the report does
  bool lacks_output_ = false;
  // When each choice reports for itself: whose report is in, and for which
  // prompts their prompt tokens are.
  std::bitset<kChoicesMax> choices_reported_;
  bool unasked_ = false;  // a choice came that nobody had asked for
  std::bitset<kChoicesMax> prompts_reported_;
  Finish finish_ = Finish::none;
  std::bitset<kChoicesMax> begun_;
  std::bitset<kChoicesMax> finished_;
  bool engine_done_ = false;
  bool ended_at_limit_ = false;
};

}  // namespace hanse::answer
