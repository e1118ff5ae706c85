// src/drivers/replay/story.h
// The text of simulated answers, made so that a splice shows.
//
// A token reads "voice.number ". The number counts from the beginning of the
// answer, so a token that is lost, said twice or out of order breaks the row.
// The voice is who says it: the same for all engines when the model is asked
// to be deterministic, another for each attempt when it is not. So two answers
// spliced into one change the voice in the middle, which only an engine may do
// that was told to go on from what is there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/money.h"

namespace hanse::replay {

using Voice = std::uint32_t;

// Appends the tokens [from, to).
void tell(Voice voice, Tokens from, Tokens to, std::string& out);

// How many whole tokens a text has.
Tokens tokens_in(std::string_view text);

struct StoryRules {
  Tokens changes_of_voice_max{0};
};

// What is wrong with a text that a client has been given, if anything is: then
// it is no prefix of one coherent answer.
std::optional<std::string> fault_in(std::string_view text, const StoryRules& rules);

}  // namespace hanse::replay
