// src/adapters/api/request_codec.h
// A client's body, read and checked: what is asked, and where in the bytes.
//
// The whole body is walked, also what nobody here reads, so that what leaves
// for an engine is valid JSON, in UTF-8, without two members of one name, and
// not nested deeper than engines bear. Errors name line and column.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "adapters/api/errors.h"
#include "core/answer/question.h"

namespace hanse::api {

// What reading a question may need to keep; used again, keeps its capacity.
// Belongs to the request, for `Question::model` may point into it.
struct QuestionScratch {
  std::string model;  // when the body writes it with escapes
};

// Levels of objects and arrays in a body, the outermost among them.
inline constexpr std::size_t kRequestDepthMax = 256;
// Members of the outermost object.
inline constexpr std::size_t kRequestMembersMax = 128;

// No bytes past the body's end are touched.
// Fails: with a problem of status 400 that names the place or the field; 413
// past 4 GiB. What is only the engine's business (an empty list of messages,
// say) passes.
std::expected<answer::Question, Problem> read_question(answer::Dialect dialect,
                                                       std::string_view body,
                                                       QuestionScratch& scratch);

}  // namespace hanse::api
