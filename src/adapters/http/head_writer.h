// src/adapters/http/head_writer.h
// Heads to send, written into a buffer of the caller's. Nothing that could
// end a line early gets in, and framing fields are never the caller's.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "adapters/http/message.h"
#include "base/time.h"

namespace hanse::http {

class HeadWriter {
 public:
  explicit HeadWriter(std::span<char> into) : into_(into) {}

  void status_line(int status);
  // Requires: both are tokens without white space.
  void request_line(std::string_view method, std::string_view target);
  // Requires: name and value are sound.
  void field(std::string_view name, std::string_view value);
  void field(std::string_view name, std::uint64_t value);
  // Skips framing fields (Content-Length, Transfer-Encoding, Connection, ...),
  // Date, and lines that are not sound; says whether all others were.
  bool fields(HeaderLines lines);
  void end() { text("\r\n"); }
  void text(std::string_view text);

  // False when something did not fit.
  [[nodiscard]] bool fits() const { return fits_; }
  [[nodiscard]] std::string_view view() const { return {into_.data(), size_}; }

 private:
  std::span<char> into_;
  std::size_t size_ = 0;
  bool fits_ = true;
};

// "Mon, 23 Nov 2026 04:36:01 GMT", made once per second.
class DateText {
 public:
  std::string_view at(WallTime time);

 private:
  std::int64_t second_ = -1;
  std::array<char, 32> text_{};
  std::size_t size_ = 0;
};

// "1f\r\n", the line before a chunk of that size.
class ChunkLine {
 public:
  explicit ChunkLine(std::size_t size);
  [[nodiscard]] std::string_view view() const { return {text_.data() + at_, text_.size() - at_}; }

 private:
  std::array<char, 18> text_{};
  std::size_t at_;
};

}  // namespace hanse::http
