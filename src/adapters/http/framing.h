// src/adapters/http/framing.h
// Where one HTTP/1.1 message ends and the next begins, without sockets.
//
// Two programs that disagree about that let a client smuggle a request past
// the first of them. So the rules are stricter than the standard asks: what
// is odd is refused, nothing is repaired, and nothing is handed on as it came.
// llhttp reads heads; framing_rules.h and chunk_decoder.h add what it lets
// through.
//
// A parser takes bytes as they come, in pieces of any size; the messages, and
// whether there is a refusal after them, are the same for any cut. It keeps one head (bounded) and
// no body: body bytes are decoded in place, in the caller's buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "adapters/http/chunk_decoder.h"
#include "adapters/http/framing_limits.h"
#include "adapters/http/head_reader.h"
#include "adapters/http/message.h"

namespace hanse::http {

enum class FramingEvent : std::uint8_t {
  more,      // all bytes are used and the message goes on
  head,      // the head is complete; feed the rest again
  complete,  // the message is complete; bytes after `used` are not its own
  refused,   // the connection has no meaning any more; ask refusal()
};

struct Fed {
  FramingEvent event = FramingEvent::more;
  std::size_t used = 0;
  // Body bytes among the used ones, decoded and moved together, in place.
  std::string_view body;
};

// Reads the requests of one connection, one after the other.
class RequestParser {
 public:
  RequestParser(HeadPool& heads, const FramingLimits& limits);

  // Requires: the last event was neither complete nor refused.
  Fed feed(std::span<char> bytes);
  // For the next request; the head is forgotten.
  void restart();

  // From the event `head` until restart() or release_head().
  [[nodiscard]] const RequestHead& head() const { return head_; }
  void release_head();

  // Requires: the last event was `refused`.
  [[nodiscard]] const Refusal& refusal() const { return *refusal_; }
  // Any byte of the present request has been seen.
  [[nodiscard]] bool begun() const { return begun_; }
  [[nodiscard]] bool has_body() const { return has_body_; }
  // Known in advance unless chunked.
  [[nodiscard]] std::uint64_t body_bytes_left() const { return remaining_; }
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }
  [[nodiscard]] bool expects_continue() const { return expects_continue_; }

 private:
  enum class State : std::uint8_t { head, length, chunked, done };

  Fed feed_head(std::span<char> bytes);
  Fed feed_length(std::span<char> bytes);
  Fed feed_chunked(std::span<char> bytes);
  bool check_head();
  bool check_framing(const HeadReader::Framing& framing);
  bool refuse(const Refusal& refusal);

  HeadPool& heads_;
  const FramingLimits& limits_;
  RequestHead head_;
  HeadPool::Lent reader_;  // null before the first byte and without a head
  ChunkDecoder chunks_;
  std::uint64_t remaining_ = 0;
  const Refusal* refusal_ = nullptr;
  State state_ = State::head;
  bool begun_ = false;
  bool has_body_ = false;
  bool keep_alive_ = false;
  bool expects_continue_ = false;
};

// Reads the responses of one connection. Interim (1xx) responses are skipped.
class ResponseParser {
 public:
  ResponseParser(HeadPool& heads, const FramingLimits& limits);

  // For the next response. `head_only` when the request was HEAD.
  void restart(bool head_only);
  // Requires: the last event was neither complete nor refused.
  Fed feed(std::span<char> bytes);
  // The peer has closed in order (a reset is never in order). True when that
  // completes the response, because nothing but closing ends it.
  [[nodiscard]] bool finish();

  [[nodiscard]] const ResponseHead& head() const { return head_; }
  void release_head();

  // Requires: the last event was `refused`. The status is always 502.
  [[nodiscard]] Refusal refusal() const;
  // Any byte since restart() has been seen.
  [[nodiscard]] bool begun() const { return begun_; }
  // Whether the connection may carry another call; known with the head.
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }

 private:
  enum class State : std::uint8_t { head, length, chunked, until_close, done };

  Fed feed_head(std::span<char> bytes);
  Fed feed_length(std::span<char> bytes);
  Fed feed_chunked(std::span<char> bytes);
  bool check_head();
  bool refuse(const Refusal& refusal);

  HeadPool& heads_;
  const FramingLimits& limits_;
  ResponseHead head_;
  HeadPool::Lent reader_;  // null before the first byte and without a head
  ChunkDecoder chunks_;
  std::uint64_t remaining_ = 0;
  const Refusal* refusal_ = nullptr;
  unsigned interim_ = 0;
  State state_ = State::head;
  bool head_only_ = false;
  bool begun_ = false;
  bool keep_alive_ = false;
};

}  // namespace hanse::http
