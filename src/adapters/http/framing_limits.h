// src/adapters/http/framing_limits.h
// How large the parts of a message may be, and why one was refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hanse::http {

struct FramingLimits {
  // Bytes of a head as sent, first line included. At most 65,000.
  std::size_t head_bytes_max = std::size_t{32} << 10U;
  std::size_t target_bytes_max = std::size_t{8} << 10U;
  std::size_t fields_max = 100;
  // Bytes of a request's body, decoded.
  std::uint64_t body_bytes_max = std::uint64_t{16} << 20U;
  std::size_t trailer_bytes_max = std::size_t{4} << 10U;
  // 1xx responses skipped before the real one.
  unsigned interim_max = 8;
};

// Why a message was refused: the status a client gets (always 502 for a
// response), a stable word, and a sentence. All static text.
struct Refusal {
  int status = 0;
  std::string_view code;  // "bad_request_line", "two_lengths", ...
  std::string_view message;

  explicit operator bool() const { return status != 0; }
};

}  // namespace hanse::http
