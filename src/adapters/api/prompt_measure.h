// src/adapters/api/prompt_measure.h
// How much text a prompt holds.
//
// Without a tokenizer the bound on its tokens is its bytes: no token stands
// for less than one. So every text that an engine could render into the prompt
// counts, member names among it; media are counted apart, since their bytes say
// nothing of their tokens.
#pragma once

#include <cstdint>

#include "base/json_cursor.h"

namespace hanse::api {

struct PromptMeasure {
  std::int64_t text_bytes = 0;  // unescaped; a token number counts as one byte
  std::int32_t items = 0;       // messages, or prompts
  std::int32_t media = 0;       // images, audio, video, files
  bool misplaced = false;       // an element of a type that does not belong there
};

// Reads the value of `messages`. Requires: it is an array.
PromptMeasure measure_messages(JsonCursor& json);

// Reads the value of `prompt`: a string, a list of strings, a list of token
// numbers, or a list of such lists.
PromptMeasure measure_prompt(JsonCursor& json);

}  // namespace hanse::api
