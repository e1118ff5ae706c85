// src/adapters/engines/response_decoder.h
// One engine's reply to one attempt: bytes in, split anywhere; deltas out, one
// at a time; then the end, or one failure that says what went wrong.
//
// It takes what comes rather than what was asked: events, or one whole JSON
// reply (which becomes deltas all the same), or an error in any of the shapes
// that engines have. It allocates only for what must be kept: an event that
// was split between two reads, a whole reply, an error's body.
//
//   decoder.begin({status, content_type, retry_after, now});
//   for each read:   decoder.feed(bytes);           // or feed_end(...)
//     for (;;) {
//       switch (decoder.next(delta)) {
//         case Step::delta:  ... take it; its views live until the next call
//         case Step::more:   ... leave the loop, read on
//         case Step::done:   ... the engine said that it is done
//         case Step::ended:  ... the body is over, nobody said done
//         case Step::failed: ... decoder.failure()
//       }
//     }
//
// done, ended and failed are final: next() repeats them. After `done` bytes
// may follow and are ignored.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/engines/engine.h"
#include "adapters/engines/sse.h"
#include "base/time.h"
#include "core/answer/delta.h"
#include "core/answer/failure.h"

namespace hanse::engines {

struct ReplyHead {
  std::int32_t status = 0;
  std::string_view content_type;  // empty: the header was absent
  std::string_view retry_after;   // likewise
  WallTime now;                   // a Retry-After may be a date
};

struct DecoderLimits {
  std::size_t event_bytes_max = std::size_t{1} << 20U;
  std::size_t reply_bytes_max = std::size_t{16} << 20U;
  std::size_t error_bytes_max = std::size_t{64} << 10U;  // the rest is not read
};

enum class BodyEnd : std::uint8_t {
  clean,  // by its length or its last chunk, or closed when that ends the body
  cut,    // reset, or closed before its length
};

enum class Step : std::uint8_t { delta, more, done, ended, failed };

class ResponseDecoder {
 public:
  // `engine` lives for ever; see find_engine(). `limits` are shared by all
  // decoders and outlive this one.
  ResponseDecoder(const Engine& engine, answer::Dialect dialect, const DecoderLimits& limits);

  // Requires: called once, before anything else.
  void begin(const ReplyHead& head);

  // Requires: next() has answered `more` since the last feed; `bytes` stay
  // until it does again.
  void feed(std::string_view bytes);
  void feed_end(BodyEnd how);

  Step next(answer::Delta& delta);

  // After Step::failed.
  [[nodiscard]] const answer::FailureReport& failure() const { return *failure_; }

  // The reply came as one JSON object and is there (from the first delta on):
  // for a client that wants it whole, `json` and `edits` of it are spliced as
  // they are. Its deltas are for counting. nullptr for a stream.
  [[nodiscard]] const answer::Delta* whole_reply() const;

  // For a client that wants a stream: makes the deltas of a whole reply look
  // like events of one. Called before begin().
  void turn_whole_into_events() { whole_into_events_ = true; }

 private:
  enum class Mode : std::uint8_t { before_head, sniff, events, whole, error_body, over };

  Step next_event(answer::Delta& delta);
  Step next_of_whole(answer::Delta& delta);
  Step read_event(answer::Delta& delta);
  Step finish_with(Step step);
  Step fail_with(answer::FailureReport report);
  Step fail_with(answer::Failure failure, std::string_view why);
  Step fail_of_error_body();
  Step fail_of_error_json(std::string_view json);
  bool sniff();
  bool keep(std::string_view bytes, std::size_t most);
  bool seen_before(std::string_view event_id);

  const Engine* engine_;
  const DecoderLimits* limits_;
  answer::Dialect dialect_;
  Mode mode_ = Mode::before_head;
  Step final_ = Step::more;
  bool whole_into_events_ = false;
  bool delivered_ = false;  // a delta has been given out
  bool over_ = false;       // feed_end() came
  BodyEnd how_ended_ = BodyEnd::clean;
  std::int32_t status_ = 0;
  std::optional<Duration> retry_after_;
  SseSplitter events_;
  // Ids of the last events: an event is a duplicate only by its id.
  std::array<std::uint64_t, 4> recent_ids_{};
  std::string_view input_;
  std::string kept_;        // a whole reply or an error's body so far
  std::string_view event_;  // under way: its choices come one by one
  std::uint32_t choices_given_ = 0;
  std::unique_ptr<answer::FailureReport> failure_;
  std::unique_ptr<answer::Delta> whole_;
};

}  // namespace hanse::engines
