#include "adapters/http/chunk_decoder.h"

#include <algorithm>
#include <cstring>

#include "adapters/http/framing_rules.h"

namespace hanse::http {

namespace {

constexpr unsigned kDigitsMax = 15;

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

ChunkDecoder::Decoded ChunkDecoder::decode(std::span<char> bytes, const Limits& limits) {
  char* body = bytes.data();  // where the first data lies; later data follows it
  std::size_t body_size = 0;
  std::size_t at = 0;
  Outcome outcome = Outcome::more;
  while (at < bytes.size() && outcome == Outcome::more) {
    if (state_ != State::data) {
      outcome = step(bytes[at++], limits);
      continue;
    }
    const auto run =
        static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, bytes.size() - at));
    if (body_size == 0) {
      body = bytes.data() + at;
    } else {
      std::memmove(body + body_size, bytes.data() + at, run);
    }
    body_size += run;
    at += run;
    remaining_ -= run;
    if (remaining_ == 0) state_ = State::data_cr;
  }
  return {.outcome = outcome, .used = at, .body = {body, body_size}};
}

ChunkDecoder::Outcome ChunkDecoder::step(char c, const Limits& limits) {
  const bool in_trailers = state_ >= State::trailer_first;
  if (in_trailers && ++trailer_bytes_ > limits.trailer_bytes_max + 2) {
    return Outcome::trailers_too_large;
  }
  switch (state_) {
    case State::size_first:
    case State::size: {
      if (c == '\r' && state_ == State::size) {
        state_ = State::size_lf;
        return Outcome::more;
      }
      const int value = hex_value(c);
      if (value < 0 || ++digits_ > kDigitsMax) return Outcome::bad;
      remaining_ = remaining_ * 16 + static_cast<std::uint64_t>(value);
      state_ = State::size;
      return Outcome::more;
    }
    case State::size_lf:
      if (c != '\n') return Outcome::bad;
      if (remaining_ > limits.body_bytes_max - std::min(total_, limits.body_bytes_max)) {
        return Outcome::body_too_large;
      }
      total_ += remaining_;
      digits_ = 0;
      state_ = remaining_ == 0 ? State::trailer_first : State::data;
      return Outcome::more;
    case State::data: return Outcome::bad;  // not reached: decode() takes data by runs
    case State::data_cr: state_ = State::data_lf; return c == '\r' ? Outcome::more : Outcome::bad;
    case State::data_lf:
      state_ = State::size_first;
      return c == '\n' ? Outcome::more : Outcome::bad;
    case State::trailer_first:
      state_ = c == '\r' ? State::last_lf : State::trailer_name;
      return c == '\r' || is_token_character(c) ? Outcome::more : Outcome::bad;
    case State::trailer_name:
      if (c == ':') state_ = State::trailer_value;
      return c == ':' || is_token_character(c) ? Outcome::more : Outcome::bad;
    case State::trailer_value:
      if (c == '\r') state_ = State::trailer_lf;
      return c == '\r' || is_value_character(c) ? Outcome::more : Outcome::bad;
    case State::trailer_lf:
      state_ = State::trailer_first;
      return c == '\n' ? Outcome::more : Outcome::bad;
    case State::last_lf: return c == '\n' ? Outcome::end : Outcome::bad;
  }
  return Outcome::bad;
}

}  // namespace hanse::http
