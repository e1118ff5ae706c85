// src/adapters/http/chunk_decoder.h
// The chunked transfer coding (RFC 9112, 7.1), without its loose ends.
//
// Chunk extensions have no use and a history of smuggling: they are refused,
// as are white space, bare line feeds and sizes of more than 15 digits. With
// them goes every way to send many bytes that mean nothing. Trailers are
// checked, bounded and thrown away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace hanse::http {

class ChunkDecoder {
 public:
  enum class Outcome : std::uint8_t { more, end, bad, body_too_large, trailers_too_large };

  struct Limits {
    std::uint64_t body_bytes_max = 0;
    std::size_t trailer_bytes_max = 0;
  };

  struct Decoded {
    Outcome outcome = Outcome::more;
    std::size_t used = 0;
    // In place: the data of all chunks among the used bytes, moved together.
    std::string_view body;
  };

  void restart() { *this = ChunkDecoder(); }
  // Requires: the last outcome was `more`.
  Decoded decode(std::span<char> bytes, const Limits& limits);

 private:
  enum class State : std::uint8_t {
    size_first,
    size,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_first,
    trailer_name,
    trailer_value,
    trailer_lf,
    last_lf,
  };

  Outcome step(char c, const Limits& limits);

  std::uint64_t remaining_ = 0;  // of this chunk
  std::uint64_t total_ = 0;      // announced so far
  std::uint32_t trailer_bytes_ = 0;
  std::uint8_t digits_ = 0;
  State state_ = State::size_first;
};

}  // namespace hanse::http
