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
// After a break the next attempt takes the answer up in one of three ways: it
// begins anew, as long as nothing has been forwarded; it continues behind the
// last byte, by an engine that was given what is there; or it repeats the whole
// answer and only what the client lacks is forwarded (see Repeat). Whichever
// it is, the client reads one stream and pays for one answer: what billed()
// says. What the attempt's site is owed says usage().
//
// Plain state: no I/O, no clock. Live and in simulation the same.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/usage.h"
#include "core/answer/delta.h"
#include "core/answer/repeat.h"
#include "core/answer/transcript.h"

namespace hanse::answer {

// What of a delta goes to the client.
struct Emission {
  bool forward = false;         // the event, with the gateway's id and model
  bool drop_role = false;       // without its role: the client has one
  bool lead_with_role = false;  // an event with the role must go first
  // Not the event, but what remainders() says, and its finish if it has one.
  bool remainder = false;

  bool operator==(const Emission&) const = default;
};

// Whether the answer is kept for the case that it breaks.
enum class Keep : std::uint8_t { nothing, transcript };

// How an attempt takes the answer up.
enum class TakeUp : std::uint8_t {
  anew,       // from the beginning, with nothing delivered
  continued,  // behind the last byte delivered
  repeated,   // from the beginning, only what is new goes out
};

// By what means a broken answer can be gone on with.
enum class Resumable : std::uint8_t {
  no,
  by_repeating,
  // Also by continuing, at an engine that is known to go on from a last message
  // of the assistant.
  by_continuing,
  // Likewise at any engine: it is a completion, whose prompt grows.
  by_appending,
};

std::string_view to_string(TakeUp how);

class Answer {
 public:
  static constexpr std::size_t kChoicesMax = 128;  // OpenAI's own bound on `n`

  // Requires: of all prompts together at most kChoicesMax, as read questions
  // have.
  explicit Answer(const Question& question, Keep keep = Keep::nothing)
      : Answer(question.dialect, question.choices * question.prompts, question.prompts, keep) {}
  // `choices` are those of all prompts together.
  // Requires: 1 <= choices <= kChoicesMax; prompts divides choices.
  Answer(Dialect dialect, std::int32_t choices, std::int32_t prompts = 1,
         Keep keep = Keep::nothing);

  // Takes the next delta of the attempt under way. A choice past the
  // question's, and anything after a choice's finish, is not forwarded.
  Emission take(const Delta& delta);
  // What the last emission was about, if it was a remainder.
  [[nodiscard]] const std::vector<Remainder>& remainders() const;
  // The attempt cannot be believed any further: it repeats another answer, or
  // ends with tool calls that it has not made. It is to be given up.
  [[nodiscard]] bool diverged() const { return diverged_; }
  [[nodiscard]] bool contradicts_itself() const { return contradicts_itself_; }

  // The attempt is over without completing the answer; the next one takes it
  // up so. Requires: `anew` only while !begun(), and no other way then;
  // `continued` only if resumable() says so: by_continuing or by_appending.
  void next_attempt(TakeUp how);
  // How what has been forwarded could be gone on with.
  [[nodiscard]] Resumable resumable() const;
  // The text to go on from. Requires: it can be continued.
  [[nodiscard]] std::string_view text_so_far() const { return transcript_->plain_text(); }

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

  // Deltas that moved the client's answer on. Engines send one token a delta, or
  // a few.
  [[nodiscard]] std::int64_t progress_deltas() const { return delivered_.progress; }
  // Those of the attempt under way, also if the client knew what they say.
  [[nodiscard]] std::int64_t attempt_deltas() const { return attempt_.progress; }
  // Tokens that the attempt has made, as far as can be told from its deltas.
  [[nodiscard]] std::int64_t attempt_tokens() const { return attempt_.tokens(); }
  // Likewise of what the client has been given, over all attempts.
  [[nodiscard]] std::int64_t delivered_tokens() const { return delivered_.tokens(); }
  // Whether the attempt has shown that it answers.
  [[nodiscard]] bool attempt_begun() const { return attempt_begun_; }
  // Bytes of text and reasoning so far, as UTF-8.
  [[nodiscard]] std::int64_t text_bytes() const { return delivered_.bytes(); }
  // The first finish that is not `stop`, else `stop` once there is one.
  [[nodiscard]] Finish finish() const { return finish_; }

  // What the attempt's site is owed for: the engine's report, flagged when it
  // contradicts the text; else counted here (`prompt_estimate` for the prompt; deltas for the
  // output, or a token per four bytes when deltas are long) and marked as
  // estimated; so is the one side that a report lacks. When each choice reports
  // for itself, outputs add up, and each prompt counts once.
  [[nodiscard]] Usage usage(Tokens prompt_estimate) const;
  // What the client's answer has used as if no attempt had broken: the prompt
  // once, without what later attempts had to read of the answer, and all output
  // delivered. Marked as estimated where it had to be counted here.
  [[nodiscard]] Usage billed(Tokens prompt_estimate) const;

 private:
  // What deltas have brought.
  struct Counts {
    std::int64_t progress = 0;
    std::int64_t text = 0;
    std::int64_t reasoning = 0;
    std::int64_t text_bytes = 0;
    std::int64_t reasoning_bytes = 0;
    std::int64_t tool_bytes = 0;

    static Counts of(const Delta& delta);
    void add(const Counts& more);
    void add(const Remainder& remainder);
    [[nodiscard]] std::int64_t bytes() const { return text_bytes + reasoning_bytes; }
    [[nodiscard]] std::int64_t output_tokens() const;
    [[nodiscard]] std::int64_t reasoning_tokens() const;
    [[nodiscard]] std::int64_t tokens() const { return output_tokens() + reasoning_tokens(); }
    [[nodiscard]] bool exceeds(std::int64_t tokens) const;
  };

  Emission forward(const Delta& delta, const Counts& counts);
  Emission take_repeated(const Delta& delta, const Counts& counts);
  void note_finish(const Delta& delta);
  void take_report(const Delta& delta);
  void add_report(const Usage& usage, std::uint32_t choice);
  [[nodiscard]] Tokens reading(Tokens prompt_estimate) const;
  static Usage estimate(Tokens prompt_estimate, const Counts& counts);
  void fill_in(Usage& usage, Tokens prompt_estimate) const;
  [[nodiscard]] bool contradicts_text(const Usage& usage) const;

  Dialect dialect_;
  std::uint32_t choices_;
  std::uint32_t choices_per_prompt_;
  Counts delivered_;                      // to the client, by all attempts
  Counts attempt_;                        // made by the one under way
  std::int64_t tokens_before_ = 0;        // delivered when it began
  std::optional<Transcript> transcript_;  // when it is kept
  std::unique_ptr<Repeat> repeat_;        // when the attempt is one
  TakeUp taken_up_ = TakeUp::anew;        // by the attempt
  bool attempt_begun_ = false;
  bool diverged_ = false;
  bool contradicts_itself_ = false;
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
  std::bitset<kChoicesMax> called_;  // a tool
  std::bitset<kChoicesMax> finished_;
  std::bitset<kChoicesMax> attempt_finished_;  // by the one under way
  bool engine_done_ = false;
  bool ended_at_limit_ = false;
};

}  // namespace hanse::answer
