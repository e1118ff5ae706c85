// src/adapters/engines/sse.h
// Server-sent events out of bytes that are split anywhere.
//
// Follows the WHATWG's "server-sent events" text: lines end in CR, LF or
// CRLF, a byte order mark may come first, comments begin with a colon, data of
// several lines is joined by LF. An event of one data line that lies in one
// read is given as a view of that read; only what is split is copied.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace hanse::engines {

struct SseEvent {
  std::string_view data;
  std::string_view name;        // of the `event` field
  std::string_view id;          // when this event has one
  bool has_line_feeds = false;  // the data came in several lines
};

class SseSplitter {
 public:
  enum class Found : std::uint8_t { event, more, oversize };

  // `event_bytes_max` bounds a line and an event's data.
  explicit SseSplitter(std::size_t event_bytes_max) : event_bytes_max_(event_bytes_max) {}

  // Takes the next event with data out of `input`, which is shortened by what
  // was read. `more`: the input is used up. The event's views live until the
  // next call, or until the bytes of `input` go, whichever is first.
  // `oversize` is final.
  Found next(std::string_view& input, SseEvent& event);

  // What stands unfinished when the bytes are over: an event whose blank line
  // is missing. The standard drops it; who wants to may look.
  Found finish(SseEvent& event);

 private:
  // Takes a line without its end, joined from several inputs if need be.
  bool next_line(std::string_view& input, std::string_view& line);
  void take_field(std::string_view line);
  void take_data(std::string_view value);
  void keep_data();
  void begin_event();
  [[nodiscard]] bool is_oversize() const { return data_.size() > event_bytes_max_; }

  // What is copied; most streams never need it.
  struct Copies {
    std::string partial_line;
    std::string line;  // a joined line, while it is looked at
    std::string data;  // of several lines, or of several inputs
    std::string name;
    std::string id;
  };
  Copies& copies();
  [[nodiscard]] bool has_partial_line() const {
    return copies_ != nullptr && !copies_->partial_line.empty();
  }

  std::size_t event_bytes_max_;
  std::unique_ptr<Copies> copies_;  // null until something is copied
  std::string_view data_;           // of the event under way
  bool has_data_ = false;
  bool data_is_joined_ = false;  // data_ is a view of the copies' data
  bool line_is_joined_ = false;  // the last line lay in the copies' line
  bool has_id_ = false;
  bool has_line_feeds_ = false;
  bool at_start_ = true;   // a byte order mark may come
  bool after_cr_ = false;  // an LF would belong to the last line's end
  bool given_ = false;     // the last call gave an event
};

}  // namespace hanse::engines
