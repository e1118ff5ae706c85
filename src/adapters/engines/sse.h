// src/adapters/engines/sse.h
// Server-sent events out of bytes that are split anywhere.
//
// Follows the WHATWG's "server-sent events" text: lines end in CR, LF or
// CRLF, a byte order mark may come first, comments begin with a colon, data of
// several lines is joined by LF, an unfinished event at the end does not
// count. An event of one data line that lies in one read is given as a view of
// that read; only what is split is copied.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace hanse::engines {

struct SseEvent {
  std::string_view data;
  std::string_view name;  // of the `event` field
  std::string_view id;
  bool is_error_field = false;  // came in a field `error:`, as old llama.cpp writes
};

class SseSplitter {
 public:
  enum class Found : std::uint8_t { event, more, oversize };

  explicit SseSplitter(std::size_t event_bytes_max) : event_bytes_max_(event_bytes_max) {}

  // Takes the next event out of `input`, which is shortened by what was read.
  // `more`: the input is used up. The event's views live until the next call
  // or until the input goes, whichever is first.
  Found next(std::string_view& input, SseEvent& event);

 private:
  std::size_t event_bytes_max_;
};

}  // namespace hanse::engines
