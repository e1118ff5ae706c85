// src/adapters/api/whole_writer.h
// Replies in one piece: an engine's own, spliced; or put together out of the
// deltas of a stream, for engines that are only asked for streams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/api/stream_writer.h"
#include "base/usage.h"
#include "core/answer/delta.h"

namespace hanse::api {

// Appends an engine's whole reply with the gateway's id and model, without
// private members, and with two last ones: `usage`, as it is billed and in the
// shape that streams have, whatever the engine wrote, and the `hanse` object.
// Requires: `reply` is what ResponseDecoder::whole_reply() gave.
void write_whole_reply(const answer::Delta& reply, const ReplyIdentity& identity,
                       const Usage& usage, const Accounting& accounting, std::string& out);

// Puts a whole reply together out of the forwarded deltas of a stream: text,
// reasoning, refusals, tool calls merged by index, log-probabilities, finish.
// What only a vendor knows is left out.
class WholeAssembler {
 public:
  explicit WholeAssembler(answer::Dialect dialect) : dialect_(dialect) {}

  // Takes a delta that Answer::take() said to forward.
  void add(const answer::Delta& delta);

  // Bytes of the answer so far, for whoever bounds them.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  // Appends the reply. A choice without a finish says `owed`.
  void write(const ReplyIdentity& identity, const Usage& usage, const Accounting& accounting,
             std::string& out, answer::Finish owed = answer::Finish::stop) const;

 private:
  // All text in here is escaped as in JSON, without quotes unless it says so.
  struct ToolCall {
    std::int64_t index = 0;
    std::string id;
    std::string type;
    std::string name;
    std::string arguments;
    std::string rest;  // members that nobody knows, each with a comma before it
  };
  // One array of a `logprobs` object, without its brackets.
  struct LogprobsArray {
    std::string name;
    std::string elements;
  };
  struct Choice {
    explicit Choice(std::uint32_t place) : index(place) {}
    std::uint32_t index;
    std::string text;
    std::string reasoning;
    std::string refusal;
    std::string function_name;
    std::string function_arguments;
    std::vector<ToolCall> tool_calls;
    std::vector<LogprobsArray> logprobs;
    std::string finish_value;  // with quotes
  };

  void append(std::string_view piece, std::string& to);
  Choice& choice(std::uint32_t index);
  void add_tool_calls(std::string_view array, Choice& choice);
  void add_tool_call(std::string_view object, std::int64_t position, Choice& choice);
  void add_function(std::string_view object, std::string& name, std::string& arguments);
  void add_logprobs(std::string_view object, Choice& choice);
  static void write_message(const Choice& choice, std::string& out);
  static void write_tool_calls(const Choice& choice, std::string& out);
  static void write_logprobs(const Choice& choice, std::string& out);

  answer::Dialect dialect_;
  std::size_t bytes_ = 0;
  std::string fingerprint_;      // with quotes
  std::vector<Choice> choices_;  // in order of index
};

}  // namespace hanse::api
