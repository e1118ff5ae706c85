// src/adapters/engines/reply_reader.h
// One JSON object of an engine, read into a delta: an event of a stream, or a
// reply in one piece. Both dialects, one pass.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "adapters/engines/engine.h"
#include "core/answer/delta.h"
#include "core/answer/question.h"

namespace hanse::engines {

enum class ReplyShape : std::uint8_t { event, whole };

// The words of an engine's error, unescaped, bounded.
struct ErrorWords {
  std::string message;
  std::string type;
  std::string code;
  std::string param;

  [[nodiscard]] EngineError at(std::int32_t http_status) const {
    return {
        .http_status = http_status, .message = message, .type = type, .code = code, .param = param};
  }
};

enum class ReplyKind : std::uint8_t {
  answer,     // the delta is filled
  nothing,    // valid, but nothing of an answer: a ping, say
  error,      // the engine tells of an error
  malformed,  // not JSON, not an object, or members of the wrong type
};

struct ReplyReading {
  const Engine& engine;
  answer::Dialect dialect = answer::Dialect::chat;
  ReplyShape shape = ReplyShape::event;
  // Which of the choices in it the delta is about; usage comes with the first.
  std::uint32_t which = 0;
};

struct ReplyFound {
  ReplyKind kind = ReplyKind::malformed;
  std::uint32_t choices = 0;  // in the object
  std::string_view why;       // of malformed
};

// Reads `json`, which the delta's views will point into. `words` is filled
// only for errors.
ReplyFound read_reply(std::string_view json, const ReplyReading& reading, answer::Delta& delta,
                      ErrorWords& words);

// Reads the error in the body of an answer with an error's status, in any of
// the shapes that engines and proxies have. False: it is no JSON of an error.
bool read_error_body(std::string_view body, ErrorWords& words);

// Reads an error that an engine tells of among its events, in another shape than
// an `error` member, which read_reply() knows. False: the event is something
// else, such as a ping: words alone are no error there.
bool read_error_in_stream(std::string_view event, ErrorWords& words);

}  // namespace hanse::engines
