// src/adapters/engines/whole_to_event.h
// A whole reply as the events of a stream that would have said the same.
#pragma once

#include <string>
#include <string_view>

#include "core/answer/question.h"

namespace hanse::engines {

// For each choice an event with all it says and its finish, then the usage;
// without [DONE]. Members that nobody knows are kept.
// Requires: `reply` was read as a whole reply and found to be an answer.
std::string events_of_whole(std::string_view reply, answer::Dialect dialect);

}  // namespace hanse::engines
