// src/adapters/api/whole_writer.h
// Replies in one piece: an engine's own, spliced; or put together out of the
// deltas of a stream, for engines that are only asked for streams.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/api/stream_writer.h"
#include "base/result.h"
#include "base/usage.h"
#include "core/answer/answer.h"
#include "core/answer/delta.h"

namespace hanse::api {

// Appends an engine's whole reply with the gateway's id and model, without
// private members, and with a `hanse` object as its last member; `usage` is
// added when the engine gave none.
// Requires: `reply` is what ResponseDecoder::whole_reply() gave.
void write_whole_reply(const answer::Delta& reply, const ReplyIdentity& identity,
                       const Usage& usage, const Accounting& accounting, std::string& out);

// Puts a whole reply together out of the forwarded deltas of a stream: text,
// reasoning, refusals, tool calls merged by index, log-probabilities, finish.
// Holds the answer, so its bytes count against the shard's bound: bytes().
class WholeAssembler {
 public:
  explicit WholeAssembler(answer::Dialect dialect) : dialect_(dialect) {}

  // Takes a delta that Answer::take() said to forward.
  void add(const answer::Delta& delta);

  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  // Appends the reply. A choice without a finish says "stop".
  void write(const ReplyIdentity& identity, const Usage& usage, const Accounting& accounting,
             std::string& out) const;

 private:
  struct ToolCall {
    std::uint32_t index = 0;
    std::string id, type, name, arguments;  // JSON-escaped
    std::string rest;                       // members that nobody knows, each with a comma before
  };
  struct Choice {
    std::uint32_t index = 0;
    std::string text, reasoning, refusal;  // JSON-escaped
    bool has_text = false;                 // an empty text is not null
    std::string function_name, function_arguments;
    std::vector<ToolCall> tool_calls;
    std::string logprobs;      // merged, in the making
    std::string finish_value;  // with quotes
  };
  Choice& choice(std::uint32_t index);

  answer::Dialect dialect_;
  std::size_t bytes_ = 0;
  std::vector<Choice> choices_;
};

}  // namespace hanse::api
