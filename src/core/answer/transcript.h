// src/core/answer/transcript.h
// What a client has been given of an answer, kept while the answer is under
// way: another engine can go on only from what is already out.
//
// An answer is a bundle of strands: the text of a choice is one, its reasoning
// another, the name and the arguments of each tool call two more, and what no
// one here knows but a vendor and its clients one of their own. Within a
// strand the order of the bytes is all that counts; how they were cut into
// events is the engine's business.
//
// Plain state. Bounded by kBytesMax and kStrandsMax; an answer that is longer is not kept and
// cannot be gone on with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/answer/delta.h"

namespace hanse::answer {

struct Strand {
  enum class Kind : std::uint8_t {
    text,
    reasoning,
    refusal,
    tool_id,    // an engine invents it: no two attempts say the same
    tool_type,  // `function`
    tool_name,
    tool_arguments,
    tool_other,     // members that are not known here, as they stand
    function_name,  // of the older kind of call
    function_arguments,
    vendor,  // what else is said beside the text, likewise
  };

  Kind kind = Kind::text;
  std::uint32_t choice = 0;
  std::uint32_t index = 0;  // of the tool call within its choice
  std::string text;         // escaped as in JSON, without quotes

  [[nodiscard]] bool is(Kind k, std::uint32_t of_choice, std::uint32_t at) const {
    return kind == k && choice == of_choice && index == at;
  }
};

// Whether the model has written it as a part of a call.
constexpr bool is_of_call(Strand::Kind kind) {
  return kind == Strand::Kind::tool_name || kind == Strand::Kind::tool_arguments ||
         kind == Strand::Kind::tool_other || kind == Strand::Kind::function_name ||
         kind == Strand::Kind::function_arguments;
}

// A piece of a delta: what it adds to one strand, escaped as in JSON.
struct Piece {
  Strand::Kind kind = Strand::Kind::text;
  std::uint32_t choice = 0;
  std::uint32_t index = 0;
  std::string_view text = {};
};

// Replaces `pieces` by those of `delta`: of a tool call its id, its type, its
// name and its arguments, in this order. One that says only its index has none.
void pieces_of(const Delta& delta, std::vector<Piece>& pieces);

class Transcript {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{1} << 20U;
  // They are looked through one by one, and a site decides how many there are.
  static constexpr std::size_t kStrandsMax = 1024;

  // Takes what a delta that went to the client says.
  void add(const Delta& delta);
  void add(const Piece& piece);

  // Whether it became too long, or of too many strands, and was let go.
  [[nodiscard]] bool lost() const { return lost_; }
  [[nodiscard]] const std::vector<Strand>& strands() const { return strands_; }

  // Whether it is the text of the first choice and nothing else but a vendor's
  // additions, whole down to its last character: then an engine can be asked to
  // go on from it.
  [[nodiscard]] bool is_plain_text() const;
  // That text. Requires: is_plain_text().
  [[nodiscard]] std::string_view plain_text() const;

 private:
  void let_go();
  void append(Strand::Kind kind, std::uint32_t choice, std::uint32_t index, std::string_view text);

  std::vector<Strand> strands_;  // in order of their beginning
  std::size_t bytes_ = 0;
  bool lost_ = false;
};

// Whether `escaped`, the inside of a JSON string, ends with the first half of
// a surrogate pair: the second comes with the next event.
bool ends_in_half_a_character(std::string_view escaped);

}  // namespace hanse::answer
