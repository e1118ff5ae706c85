// src/core/answer/answer.h
// One answer out of one or more attempts.
//
// Engines differ in what they get wrong: a second role, usage in the middle,
// no finish, nothing after the finish. The answer takes their deltas and says
// what of each goes to the client, so that the client's stream has one id, a
// role first, one finish per choice, and one usage at its end. An answer is
// complete when every choice has finished or the engine said that it is done
// after at least one finish; anything else is a break, by whatever bytes it
// ends.
//
// Plain state: no I/O, no clock. Live and in simulation the same.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bounded.h"
#include "base/usage.h"
#include "core/answer/delta.h"

namespace hanse::answer {

// What of a delta goes to the client.
struct Emission {
  bool forward = false;     // the event, with the gateway's id and model
  bool drop_usage = false;  // without its usage: that is sent at the end, if at all
  bool lead_with_role = false;  // an event with the role must go first
};

class Answer {
 public:
  static constexpr std::size_t kChoicesMax = 128;  // OpenAI's own bound on `n`

  explicit Answer(std::int32_t choices);

  // Takes the next delta of the attempt under way.
  Emission take(const Delta& delta);

  // The engine said `[DONE]`, or its whole reply has ended properly.
  void engine_done();

  [[nodiscard]] bool complete() const;
  // Whether the client has been given any part of the answer.
  [[nodiscard]] bool begun() const { return begun_; }

  // Deltas that moved the answer on. Engines send one token a delta, or a few.
  [[nodiscard]] std::int64_t progress_deltas() const { return progress_deltas_; }
  // Bytes of JSON-escaped text and reasoning so far.
  [[nodiscard]] std::int64_t text_bytes() const { return text_bytes_; }
  [[nodiscard]] Finish finish() const { return finish_; }

  // The usage to book: the engine's report, flagged when it contradicts the
  // text; else counted here (deltas for output, `prompt_estimate` for the
  // prompt) and marked as estimated.
  [[nodiscard]] Usage usage(Tokens prompt_estimate) const;

 private:
  std::int32_t choices_;
  std::int64_t progress_deltas_ = 0;
  std::int64_t reasoning_deltas_ = 0;
  std::int64_t text_bytes_ = 0;
  std::optional<Usage> reported_;
  Finish finish_ = Finish::none;
  InlineVector<bool, kChoicesMax> finished_;
  bool begun_ = false;
  bool engine_done_ = false;
};

}  // namespace hanse::answer
