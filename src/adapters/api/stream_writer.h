// src/adapters/api/stream_writer.h
// The client's event stream: the engine's own events with the gateway's id,
// model and creation time in place, roles first, usage last.
//
// Bytes are appended to the caller's buffer, which is used again: in steady
// state an event allocates nothing.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "adapters/api/errors.h"
#include "base/money.h"
#include "base/usage.h"
#include "core/answer/answer.h"
#include "core/answer/delta.h"

namespace hanse::api {

// What the client is to know an answer by.
struct ReplyIdentity {
  answer::Dialect dialect = answer::Dialect::chat;
  std::string_view request_id;  // made into "chatcmpl-<request id>" or "cmpl-<request id>"
  std::string_view alias;       // the model as the client asked for it
  std::int64_t created_unix_seconds = 0;
};

// What an answer cost, and where it came from: the `hanse` object.
struct Accounting {
  std::string_view request_id;
  std::string_view site;
  std::int32_t attempts = 1;
  std::string_view rescue = {};  // how a broken answer was gone on with; empty: it did not break
  Money cost = {};
  std::string_view currency = {};
};

class StreamWriter {
 public:
  // Copies what it needs of `identity`, in one string.
  explicit StreamWriter(const ReplyIdentity& identity);

  // What of `delta` goes to the client, as Answer::take() said. Appends
  // nothing when it is not to be forwarded.
  void write(const answer::Delta& delta, const answer::Emission& emission, std::string& out) const;

  // What a repeated answer adds to what the client has: `remainders` of `delta`,
  // and its finish if it has one.
  void write_remainders(const answer::Delta& delta, std::span<const answer::Remainder> remainders,
                        std::string& out) const;

  // A finish that the engine owed to `choice`.
  void write_owed_finish(std::uint32_t choice, answer::Finish finish, std::string& out) const;

  // The last chunk before [DONE]: empty `choices`, the usage of the whole
  // answer, and the `hanse` object. Only for a client that asked for it.
  void write_usage(const Usage& usage, const Accounting& accounting, std::string& out) const;

  void write_done(std::string& out) const;

  // An error in mid-stream; after it the stream ends without [DONE].
  void write_error(const Problem& problem, std::string& out) const;

  // Appends an event's or a whole reply's JSON with what is the gateway's put
  // in, and without what is not for the client.
  struct EditOptions {
    bool drop_role = false;
  };
  void append_edited(const answer::Delta& delta, EditOptions options, std::string& out) const;

  [[nodiscard]] std::string_view quoted_id() const {
    return std::string_view(bytes_).substr(0, id_end_);
  }
  [[nodiscard]] std::string_view quoted_model() const {
    return std::string_view(bytes_).substr(id_end_, model_end_ - id_end_);
  }
  [[nodiscard]] std::string_view created() const {
    return std::string_view(bytes_).substr(model_end_);
  }

 private:
  void write_head(std::string& out) const;
  void write_role(std::uint32_t choice, std::string& out) const;
  // One of them, or several pieces of one tool call, as one event.
  void write_remainder(std::span<const answer::Remainder> together, std::string& out) const;
  // `finish` with its quotes.
  void write_finish(std::uint32_t choice, std::string_view finish, std::string& out) const;

  answer::Dialect dialect_;
  std::uint32_t id_end_ = 0;
  std::uint32_t model_end_ = 0;
  std::string bytes_;  // id with quotes, model with quotes, created
};

// `{"prompt_tokens":...}` and `{"request_id":...}`, for streams and whole
// replies alike.
void append_usage(const Usage& usage, std::string& out);
void append_hanse(const Usage& usage, const Accounting& accounting, std::string& out);

}  // namespace hanse::api
