// src/core/answer/repeat.h
// An answer told once more by an engine that cannot go on from the middle, and
// what of it the client does not have yet.
//
// The engine begins anew. As long as it says what the client was given
// already, nothing goes out; what comes after that does. The client must never
// read two answers spliced into one, so the first byte that differs ends it:
// the repeat has diverged. The same holds when a strand grows although another
// one of its choice has not yet come as far as before, or when a choice
// finishes early. The id of a tool call is an engine's invention: the client
// keeps the first. What a vendor adds beside the text is not held against a
// repeat that lacks it; it goes out only with what is new altogether.
//
// Texts are compared as what they mean: engines escape differently, and cut
// their events where they like.
//
// Plain state, as large as what was delivered.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/answer/delta.h"
#include "core/answer/transcript.h"

namespace hanse::answer {

// What a strand has gained, for the client.
struct Remainder {
  Strand::Kind kind = Strand::Kind::text;
  std::uint32_t choice = 0;
  std::uint32_t index = 0;
  std::string text;  // escaped as in JSON
};

class Repeat {
 public:
  enum class Verdict : std::uint8_t {
    known,     // the client has it
    fresh,     // it has none of it: the delta goes out as it is
    partly,    // of what it says only remainders() are new, and its finish
    diverged,  // another answer
  };

  // Requires: `delivered` is not lost.
  explicit Repeat(const Transcript& delivered);

  // Takes the next delta. After `diverged` it is over.
  Verdict take(const Delta& delta);

  // Of the last delta, when it was `partly` new; perhaps none but its finish.
  [[nodiscard]] const std::vector<Remainder>& remainders() const { return remainders_; }

 private:
  struct Expected {
    Strand::Kind kind = Strand::Kind::text;
    std::uint32_t choice = 0;
    std::uint32_t index = 0;
    std::string text;  // unescaped
    std::size_t matched = 0;
    std::string carry;  // half a character of the last delta, escaped
  };
  enum class Match : std::uint8_t { known, fresh, partly, diverged };

  Match match(const Piece& piece);
  [[nodiscard]] bool caught_up(std::uint32_t choice) const;
  bool remainders_can_be_told(const Delta& delta);
  [[nodiscard]] bool knows_call(const Delta& delta) const;

  std::vector<Expected> expected_;
  std::vector<Remainder> remainders_;
  std::vector<Piece> pieces_;  // scratch
};

}  // namespace hanse::answer
