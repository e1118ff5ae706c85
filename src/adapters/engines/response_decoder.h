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
// may follow and are ignored. `ended` comes only after a delta: whether the
// answer was complete by then is answer::Answer's to say.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/engines/engine.h"
#include "adapters/engines/reply_reader.h"
#include "adapters/engines/sse.h"
#include "base/time.h"
#include "core/answer/delta.h"
#include "core/answer/failure.h"

namespace hanse::engines {

struct ReplyHead {
  std::int32_t status = 0;
  std::string_view content_type = {};  // empty: the header was absent
  std::string_view retry_after = {};   // likewise
  WallTime now = {};                   // a Retry-After may be a date
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

// What a reply in one piece is turned into.
enum class WholeReplies : std::uint8_t {
  as_they_are,  // for a client that wants a whole reply too: see whole_reply()
  into_events,  // for a client that wants a stream
};

struct DecoderOptions {
  answer::Dialect dialect = answer::Dialect::chat;
  WholeReplies whole_replies = WholeReplies::into_events;
  DecoderLimits limits = {};
};

class ResponseDecoder {
 public:
  // `engine` lives for ever; see find_engine(). `options` are shared by many
  // decoders and outlive this one.
  ResponseDecoder(const Engine& engine, const DecoderOptions& options);
  // Views of its buffers are out in the world.
  ResponseDecoder(const ResponseDecoder&) = delete;
  ResponseDecoder& operator=(const ResponseDecoder&) = delete;

  // Requires: called once, before anything else.
  void begin(const ReplyHead& head);

  // Requires: next() has answered `more` since the last feed; `bytes` stay
  // until it does again.
  void feed(std::string_view bytes);
  // The body is over, one way or the other; next() says what follows from it.
  void feed_end(BodyEnd how);

  Step next(answer::Delta& delta);

  // After Step::failed.
  [[nodiscard]] const answer::FailureReport& failure() const { return *failure_; }

  // With WholeReplies::as_they_are, from the first delta on, when the reply is
  // one JSON object: its `json` and `edits` are for splicing, the deltas given
  // out for counting. nullptr for a stream, whose deltas are to be assembled.
  [[nodiscard]] const answer::Delta* whole_reply() const { return whole_.get(); }

 private:
  enum class Mode : std::uint8_t { sniff, events, whole, lines_of_whole, error_body, over };

  Step next_by_mode(answer::Delta& delta);
  Step next_event(answer::Delta& delta);
  Step next_of_events_end();
  Step next_choice(answer::Delta& delta);
  Step take_event(std::string_view json, answer::Delta& delta);
  Step take_error_event(std::string_view data);
  Step take_whole(answer::Delta& delta);
  Step take_line_of_whole(answer::Delta& delta);
  [[nodiscard]] bool others_finish(std::string_view reply, std::uint32_t choices) const;
  Step take_error_body();
  std::optional<Step> sniff();
  // Moves the input into kept_. False: it exceeds `most`.
  bool keep_input(std::size_t most);
  bool is_repeated(const SseEvent& event);

  Step give(std::string_view object, std::uint32_t choices, answer::Delta& delta);
  void attribute_usage(answer::Delta& delta);
  Step finish_with(Step step);
  Step fail_with(answer::FailureReport report);
  Step fail_with(answer::Failure failure, std::string_view why);
  Step fail_by_words(const ErrorWords& words);

  const Engine* engine_;
  const DecoderOptions* options_;
  Mode mode_ = Mode::sniff;
  Step final_ = Step::more;
  bool delivered_ = false;  // a delta has been given out
  bool body_over_ = false;
  BodyEnd how_ended_ = BodyEnd::clean;
  std::int32_t status_ = 0;
  std::optional<Duration> retry_after_;
  SseSplitter splitter_;
  // Fingerprints of the last events that had an id: a duplicate has the id and
  // the data of one of them. Most engines give no ids and need no memory for it.
  struct Named {
    std::uint32_t id = 0;
    std::uint32_t data = 0;
  };
  static constexpr std::size_t kNamedMax = 64;
  std::unique_ptr<std::array<Named, kNamedMax>> recent_;
  std::size_t recent_next_ = 0;    // events with an id so far
  bool ids_name_nothing_ = false;  // the site gives one id to several events
  std::string_view input_;
  // A whole reply or an error's body so far; an event that had to be joined.
  std::string kept_;
  // An object with several choices makes a delta of each.
  std::string_view object_;
  std::uint32_t choices_given_ = 0;
  std::uint32_t choices_in_object_ = 0;
  std::uint32_t choice_last_ = 0;  // that spoke
  std::unique_ptr<answer::FailureReport> failure_;
  std::unique_ptr<answer::Delta> whole_;
};

}  // namespace hanse::engines
