#include "adapters/http/framing.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace hanse::http {

namespace {

// A body of `remaining` bytes takes what there is of it.
Fed take_run(std::span<char> bytes, std::uint64_t& remaining) {
  const auto run = static_cast<std::size_t>(std::min<std::uint64_t>(remaining, bytes.size()));
  remaining -= run;
  return {.event = remaining == 0 ? FramingEvent::complete : FramingEvent::more,
          .used = run,
          .body = {bytes.data(), run}};
}

}  // namespace

RequestParser::RequestParser(HeadPool& heads, const FramingLimits& limits)
    : heads_(heads), limits_(limits) {}

void RequestParser::restart() {
  release_head();
  chunks_.restart();
  remaining_ = 0;
  refusal_ = nullptr;
  state_ = State::head;
  begun_ = has_body_ = keep_alive_ = expects_continue_ = false;
}

void RequestParser::release_head() {
  head_.headers_ = &Headers::none();
  reader_.reset();
}

bool RequestParser::refuse(const Refusal& refusal) {
  refusal_ = &refusal;
  state_ = State::done;
  return false;
}

Fed RequestParser::feed(std::span<char> bytes) {
  HANSE_CHECK(state_ != State::done);
  begun_ = begun_ || !bytes.empty();
  switch (state_) {
    case State::head: return feed_head(bytes);
    case State::length: return feed_length(bytes);
    default: return feed_chunked(bytes);
  }
}

Fed RequestParser::feed_head(std::span<char> bytes) {
  Fed fed;
  if (!reader_) {
    reader_ = heads_.lend();
    reader_->restart(HeadReader::Kind::request, limits_);
    head_.headers_ = &reader_->headers();
  }
  const auto outcome = reader_->read({bytes.data(), bytes.size()}, fed.used);
  if (outcome == HeadReader::Outcome::more) return fed;
  if (outcome == HeadReader::Outcome::refused) {
    refuse(*reader_->refusal());
    fed.event = FramingEvent::refused;
    return fed;
  }
  fed.event = check_head() ? FramingEvent::head : FramingEvent::refused;
  return fed;
}

bool RequestParser::check_head() {
  const auto version = reader_->version();
  if (!version) return refuse(refusals::kBadVersion);
  if (!reader_->spaced_well()) return refuse(refusals::kBadRequestLine);
  const auto narrow = [](std::uint32_t n) { return static_cast<std::uint16_t>(n); };
  head_.version_ = *version;
  head_.method_at_ = narrow(reader_->method().at);
  head_.method_size_ = narrow(reader_->method().size);
  head_.target_at_ = narrow(reader_->target().at);
  head_.target_size_ = narrow(reader_->target().size);
  head_.path_size_ =
      narrow(static_cast<std::uint32_t>(std::min(head_.target().find('?'), head_.target().size())));
  if (classify_method(head_.method()) == MethodKind::refused) {
    return refuse(refusals::kMethodNotImplemented);
  }
  if (!is_target(head_.target())) return refuse(refusals::kBadTarget);
  return check_framing(reader_->framing());
}

bool RequestParser::check_framing(const HeadReader::Framing& framing) {
  const bool old = head_.version_ == Version::http_1_0;
  if (framing.hosts > 1) return refuse(refusals::kTwoHosts);
  if (framing.hosts == 0 && !old) return refuse(refusals::kNoHost);
  if (framing.hosts == 1 &&
      !is_host_value(head_.headers_->text().substr(framing.host.at, framing.host.size))) {
    return refuse(refusals::kBadHost);
  }
  if (framing.chunked && old) return refuse(refusals::kCodingInOldVersion);
  if (framing.length && *framing.length > limits_.body_bytes_max) {
    return refuse(refusals::kBodyTooLarge);
  }
  if (framing.expects_other) return refuse(refusals::kBadExpectation);
  expects_continue_ = framing.expects_continue;
  keep_alive_ = !framing.close && (!old || framing.keep_alive);
  remaining_ = framing.length.value_or(0);
  has_body_ = framing.chunked || remaining_ > 0;
  state_ = framing.chunked ? State::chunked : State::length;
  return true;
}

Fed RequestParser::feed_length(std::span<char> bytes) {
  const Fed fed = take_run(bytes, remaining_);
  if (fed.event == FramingEvent::complete) state_ = State::done;
  return fed;
}

Fed RequestParser::feed_chunked(std::span<char> bytes) {
  const auto decoded = chunks_.decode(bytes, {.body_bytes_max = limits_.body_bytes_max,
                                              .trailer_bytes_max = limits_.trailer_bytes_max});
  Fed fed{.event = FramingEvent::more, .used = decoded.used, .body = decoded.body};
  switch (decoded.outcome) {
    case ChunkDecoder::Outcome::more: return fed;
    case ChunkDecoder::Outcome::end:
      state_ = State::done;
      fed.event = FramingEvent::complete;
      return fed;
    case ChunkDecoder::Outcome::bad: refuse(refusals::kBadChunk); break;
    case ChunkDecoder::Outcome::body_too_large: refuse(refusals::kBodyTooLarge); break;
    case ChunkDecoder::Outcome::trailers_too_large: refuse(refusals::kTrailersTooLarge); break;
  }
  fed.event = FramingEvent::refused;
  return fed;
}

ResponseParser::ResponseParser(HeadPool& heads, const FramingLimits& limits)
    : heads_(heads), limits_(limits) {}

void ResponseParser::restart(bool head_only) {
  release_head();
  chunks_.restart();
  remaining_ = 0;
  refusal_ = nullptr;
  interim_ = 0;
  state_ = State::head;
  head_only_ = head_only;
  begun_ = keep_alive_ = false;
}

void ResponseParser::release_head() {
  head_.headers_ = &Headers::none();
  reader_.reset();
}

Refusal ResponseParser::refusal() const {
  Refusal told = *refusal_;
  told.status = 502;
  return told;
}

bool ResponseParser::refuse(const Refusal& refusal) {
  refusal_ = &refusal;
  state_ = State::done;
  keep_alive_ = false;
  return false;
}

Fed ResponseParser::feed(std::span<char> bytes) {
  HANSE_CHECK(state_ != State::done);
  begun_ = begun_ || !bytes.empty();
  switch (state_) {
    case State::head: return feed_head(bytes);
    case State::length: return feed_length(bytes);
    case State::chunked: return feed_chunked(bytes);
    default: return {.used = bytes.size(), .body = {bytes.data(), bytes.size()}};
  }
}

Fed ResponseParser::feed_head(std::span<char> bytes) {
  Fed fed;
  if (!reader_) {
    reader_ = heads_.lend();
    reader_->restart(HeadReader::Kind::response, limits_);
    head_.headers_ = &reader_->headers();
  }
  while (fed.used < bytes.size()) {
    std::size_t used = 0;
    const auto rest = bytes.subspan(fed.used);
    const auto outcome = reader_->read({rest.data(), rest.size()}, used);
    fed.used += used;
    if (outcome == HeadReader::Outcome::more) return fed;
    if (outcome == HeadReader::Outcome::refused) {
      refuse(*reader_->refusal());
      fed.event = FramingEvent::refused;
      return fed;
    }
    const int status = reader_->status();
    const bool interim = status >= 100 && status < 200 && status != 101 && reader_->version();
    if (!interim) {
      fed.event = check_head() ? FramingEvent::head : FramingEvent::refused;
      return fed;
    }
    if (++interim_ > limits_.interim_max) {
      refuse(refusals::kTooManyInterim);
      fed.event = FramingEvent::refused;
      return fed;
    }
    reader_->restart(HeadReader::Kind::response, limits_);
  }
  return fed;
}

bool ResponseParser::check_head() {
  const auto version = reader_->version();
  if (!version) return refuse(refusals::kBadVersion);
  const int status = reader_->status();
  if (status == 101) return refuse(refusals::kSwitching);
  if (status < 200 || status > 599) return refuse(refusals::kBadStatus);
  const HeadReader::Framing& framing = reader_->framing();
  const bool old = *version == Version::http_1_0;
  if (framing.chunked && old) return refuse(refusals::kCodingInOldVersion);
  head_.version_ = *version;
  head_.status_ = static_cast<std::uint16_t>(status);
  head_.content_length_ = framing.length;
  keep_alive_ = !framing.close && (!old || framing.keep_alive);
  if (head_only_ || status == 204 || status == 304) {
    state_ = State::length;
  } else if (framing.chunked) {
    state_ = State::chunked;
  } else if (framing.length) {
    remaining_ = *framing.length;
    state_ = State::length;
  } else {
    state_ = State::until_close;
    keep_alive_ = false;
  }
  return true;
}

Fed ResponseParser::feed_length(std::span<char> bytes) {
  const Fed fed = take_run(bytes, remaining_);
  if (fed.event == FramingEvent::complete) state_ = State::done;
  return fed;
}

Fed ResponseParser::feed_chunked(std::span<char> bytes) {
  constexpr auto kNoLimit = std::numeric_limits<std::uint64_t>::max();
  const auto decoded = chunks_.decode(
      bytes, {.body_bytes_max = kNoLimit, .trailer_bytes_max = limits_.trailer_bytes_max});
  Fed fed{.event = FramingEvent::more, .used = decoded.used, .body = decoded.body};
  if (decoded.outcome == ChunkDecoder::Outcome::more) return fed;
  if (decoded.outcome == ChunkDecoder::Outcome::end) {
    state_ = State::done;
    fed.event = FramingEvent::complete;
    return fed;
  }
  refuse(decoded.outcome == ChunkDecoder::Outcome::bad ? refusals::kBadChunk
                                                       : refusals::kTrailersTooLarge);
  fed.event = FramingEvent::refused;
  return fed;
}

bool ResponseParser::finish() {
  if (state_ != State::until_close) return false;
  state_ = State::done;
  return true;
}

}  // namespace hanse::http
