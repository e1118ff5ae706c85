#include "adapters/http/head_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/ascii.h"
#include "base/check.h"

namespace hanse::http {

namespace {

// Connection rarely names anything but close; a long list only costs time.
constexpr unsigned kConnectionTokensMax = 32;

// Calls `visit` with each element of a comma-separated list; false stops.
template <typename Visit>
bool for_each_element(std::string_view list, Visit&& visit) {
  while (true) {
    const auto comma = list.find(',');
    std::string_view element = list.substr(0, comma);
    while (!element.empty() && (element.front() == ' ' || element.front() == '\t')) {
      element.remove_prefix(1);
    }
    while (!element.empty() && (element.back() == ' ' || element.back() == '\t')) {
      element.remove_suffix(1);
    }
    if (!element.empty() && !visit(element)) return false;
    if (comma == std::string_view::npos) return true;
    list.remove_prefix(comma + 1);
  }
}

std::optional<std::uint64_t> parse_length(std::string_view text) {
  std::uint64_t length = 0;
  const char* end = text.data() + text.size();
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [stop, error] = std::from_chars(text.data(), end, length);
  if (error != std::errc() || stop != end) return std::nullopt;
  return length;
}

}  // namespace

HeadReader::HeadReader(BufferPool& pool) { headers_.text_ = Buffer(pool); }

void HeadReader::restart(Kind kind, const FramingLimits& limits) {
  HANSE_CHECK(limits.head_bytes_max <= 65'000);
  kind_ = kind;
  limits_ = &limits;
  llhttp_init(&llhttp_, kind_ == Kind::request ? HTTP_REQUEST : HTTP_RESPONSE, &settings(kind_));
  headers_.release();
  bytes_ = 0;
  method_ = target_ = protocol_ = version_ = {};
  refusal_ = nullptr;
  framing_ = {};
  part_ = Part::none;
  names_fields_ = false;
}

const llhttp_settings_t& HeadReader::settings(Kind kind) {
  static const auto request = [] {
    llhttp_settings_t made{};
    made.on_method = on_span<Part::method>;
    made.on_url = on_span<Part::target>;
    made.on_protocol = on_span<Part::protocol>;
    made.on_version = on_span<Part::version>;
    made.on_header_field = on_span<Part::name>;
    made.on_header_value = on_span<Part::value>;
    made.on_headers_complete = on_headers_complete;
    return made;
  }();
  static const auto response = [] {
    llhttp_settings_t made{};
    made.on_protocol = on_span<Part::protocol>;
    made.on_version = on_span<Part::version>;
    made.on_status = on_span<Part::status>;
    made.on_header_field = on_span<Part::name>;
    made.on_header_value = on_span<Part::value>;
    made.on_headers_complete = on_headers_complete;
    return made;
  }();
  return kind == Kind::request ? request : response;
}

HeadReader::Outcome HeadReader::read(std::string_view bytes, std::size_t& used) {
  used = 0;
  // A response begins with its version; llhttp would skip empty lines first.
  if (kind_ == Kind::response && bytes_ == 0 && !bytes.empty() && bytes.front() != 'H') {
    refuse(refusals::kBadStatusLine);
    return Outcome::refused;
  }
  const std::string_view slice = bytes.substr(0, limits_->head_bytes_max - bytes_);
  llhttp_.data = this;
  data_ = slice.data();
  const int error = llhttp_execute(&llhttp_, slice.data(), slice.size());
  if (error != HPE_OK && error != HPE_PAUSED) return refused_by_llhttp(error);
  used = error == HPE_PAUSED
             ? static_cast<std::size_t>(llhttp_get_error_pos(&llhttp_) - slice.data())
             : slice.size();
  if (!headers_.text_.append(slice.substr(0, used))) {
    refuse(refusals::kNoMemory);
    return Outcome::refused;
  }
  bytes_ += static_cast<std::uint32_t>(used);
  if (error == HPE_PAUSED) return read_fields() ? Outcome::complete : Outcome::refused;
  if (bytes_ >= limits_->head_bytes_max) {
    refuse(part_ == Part::target ? refusals::kTargetTooLong : refusals::kHeadTooLarge);
    return Outcome::refused;
  }
  return Outcome::more;
}

template <HeadReader::Part part>
int HeadReader::on_span(llhttp_t* llhttp, const char* at, std::size_t size) {
  auto& self = *static_cast<HeadReader*>(llhttp->data);
  return self.take(part, self.bytes_ + static_cast<std::uint32_t>(at - self.data_),
                   static_cast<std::uint32_t>(size));
}

int HeadReader::on_headers_complete(llhttp_t* llhttp) {
  static_cast<void>(llhttp);
  return HPE_PAUSED;
}

// Notes where a part lies. Parts that arrive in several reads are contiguous
// in the stored text, so only their first position counts.
int HeadReader::take(Part part, std::uint32_t at, std::uint32_t size) {
  const bool first = part != part_;
  part_ = part;
  const auto extend = [&](Extent& extent) {
    if (first) extent.at = at;
    extent.size += size;
  };
  switch (part) {
    case Part::none: break;
    case Part::method: extend(method_); break;
    case Part::target:
      extend(target_);
      if (target_.size > limits_->target_bytes_max) return refuse(refusals::kTargetTooLong);
      break;
    case Part::protocol: extend(protocol_); break;
    case Part::version: extend(version_); break;
    case Part::status:
      if (!is_field_value({data_ + (at - bytes_), size})) return refuse(refusals::kBadStatusLine);
      break;
    case Part::name:
      if (first && begin_field(at) != 0) return HPE_USER;
      headers_.entries_.back().name_size =
          static_cast<std::uint16_t>(headers_.entries_.back().name_size + size);
      break;
    case Part::value: {
      Headers::Entry& entry = headers_.entries_.back();
      if (first) entry.value_at = static_cast<std::uint16_t>(at);
      entry.value_size = static_cast<std::uint16_t>(entry.value_size + size);
      break;
    }
  }
  return 0;
}

int HeadReader::begin_field(std::uint32_t at) {
  if (headers_.entries_.size() == limits_->fields_max) return refuse(refusals::kTooManyFields);
  if (headers_.entries_.capacity() == 0) headers_.entries_.reserve(16);
  headers_.entries_.push_back({.name_at = static_cast<std::uint16_t>(at)});
  return 0;
}

int HeadReader::refuse(const Refusal& refusal) {
  refusal_ = &refusal;
  return HPE_USER;
}

HeadReader::Outcome HeadReader::refused_by_llhttp(int error) {
  if (refusal_ != nullptr) return Outcome::refused;
  const std::string_view reason = llhttp_get_error_reason(&llhttp_);
  const bool request = kind_ == Kind::request;
  switch (error) {
    case HPE_INVALID_METHOD: refuse(refusals::kBadMethod); break;
    case HPE_INVALID_URL: refuse(refusals::kBadTarget); break;
    case HPE_PAUSED_H2_UPGRADE: refuse(refusals::kBadVersion); break;
    case HPE_INVALID_VERSION:
      refuse(reason == "Invalid HTTP version" ? refusals::kBadVersion
             : request                        ? refusals::kBadRequestLine
                                              : refusals::kBadStatusLine);
      break;
    case HPE_INVALID_CONSTANT:
      refuse(request ? refusals::kBadRequestLine : refusals::kBadStatusLine);
      break;
    case HPE_INVALID_STATUS: refuse(refusals::kBadStatusLine); break;
    case HPE_UNEXPECTED_CONTENT_LENGTH: refuse(refusals::kTwoLengths); break;
    case HPE_INVALID_CONTENT_LENGTH:
      refuse(reason.contains("Transfer-Encoding") ? refusals::kLengthAndCoding
                                                  : refusals::kBadLength);
      break;
    case HPE_INVALID_TRANSFER_ENCODING:
      refuse(reason.contains("Content-Length") ? refusals::kLengthAndCoding : refusals::kBadCoding);
      break;
    case HPE_CR_EXPECTED:
    case HPE_LF_EXPECTED: refuse(refusals::kBadLineEnd); break;
    default: refuse(refusals::kBadField); break;
  }
  return Outcome::refused;
}

std::string_view HeadReader::text(std::size_t at, std::size_t size) const {
  return headers_.text_.view().substr(at, size);
}

bool HeadReader::read_fields() {
  auto kept = headers_.entries_.begin();
  headers_.marks_ = 0;
  bool coded = false;
  for (auto& entry : headers_.entries_) {
    std::string_view value = text(entry.value_at, entry.value_size);
    while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
    entry.value_size = static_cast<std::uint16_t>(value.size());
    const std::string_view name = text(entry.name_at, entry.name_size);
    entry.initial = to_lower(name.front());
    const FieldKind kind = classify_field(name);
    if (kind == FieldKind::imitation) continue;
    if (kind == FieldKind::transfer_encoding) {
      if (coded) return refuse(refusals::kTwoCodings) == 0;
      coded = true;
    }
    if (kind != FieldKind::ordinary && !read_field(entry, kind)) return false;
    headers_.marks_ |= Headers::mark(entry.name_size, entry.initial);
    *kept++ = entry;
  }
  headers_.entries_.erase(kept, headers_.entries_.end());
  if (framing_.length && framing_.chunked) return refuse(refusals::kLengthAndCoding) == 0;
  if (names_fields_) mark_named_fields();
  return true;
}

bool HeadReader::read_field(Headers::Entry& entry, FieldKind kind) {
  const std::string_view value = text(entry.value_at, entry.value_size);
  switch (kind) {
    case FieldKind::host:
      ++framing_.hosts;
      framing_.host = {.at = entry.value_at, .size = entry.value_size};
      return true;
    case FieldKind::content_length:
      if (framing_.length) return refuse(refusals::kTwoLengths) == 0;
      framing_.length = parse_length(value);
      entry.hop_by_hop = true;
      return framing_.length ? true : refuse(refusals::kBadLength) == 0;
    case FieldKind::transfer_encoding:
      framing_.chunked = equals_ignoring_case(value, "chunked");
      entry.hop_by_hop = true;
      return framing_.chunked ? true : refuse(refusals::kBadCoding) == 0;
    case FieldKind::connection:
      entry.hop_by_hop = true;
      return read_connection(value) ? true : refuse(refusals::kBadConnection) == 0;
    case FieldKind::expect:
      entry.hop_by_hop = true;
      (equals_ignoring_case(value, "100-continue") ? framing_.expects_continue
                                                   : framing_.expects_other) = true;
      return true;
    default: entry.hop_by_hop = true; return true;
  }
}

bool HeadReader::read_connection(std::string_view value) {
  unsigned tokens = 0;
  return for_each_element(value, [&](std::string_view token) {
    if (equals_ignoring_case(token, "close")) {
      framing_.close = true;
    } else if (equals_ignoring_case(token, "keep-alive")) {
      framing_.keep_alive = true;
    } else {
      names_fields_ = true;
    }
    return ++tokens <= kConnectionTokensMax;
  });
}

void HeadReader::mark_named_fields() {
  for (const auto& entry : headers_.entries_) {
    if (!equals_ignoring_case(text(entry.name_at, entry.name_size), "connection")) continue;
    for_each_element(text(entry.value_at, entry.value_size), [&](std::string_view token) {
      for (auto& named : headers_.entries_) {
        if (named.name_size == token.size() &&
            equals_ignoring_case(text(named.name_at, named.name_size), token)) {
          named.hop_by_hop = true;
        }
      }
      return true;
    });
  }
}

std::optional<Version> HeadReader::version() const {
  // Text, because llhttp says 0.9 for a request line without a version. The
  // protocol's other values are RTSP and ICE.
  const std::string_view said = text(version_.at, version_.size);
  if (text(protocol_.at, protocol_.size) != "HTTP") return std::nullopt;
  if (said == "1.1") return Version::http_1_1;
  if (said == "1.0") return Version::http_1_0;
  return std::nullopt;
}

bool HeadReader::spaced_well() const {
  return method_.end() + 1 == target_.at && target_.end() + 1 == protocol_.at;
}

HeadPool::Lent HeadPool::lend() {
  if (spare_.empty()) return {new HeadReader(buffers_), GiveBack{this}};
  HeadReader* const reader = spare_.back().release();
  spare_.pop_back();
  return {reader, GiveBack{this}};
}

void HeadPool::give(HeadReader* reader) {
  std::unique_ptr<HeadReader> back(reader);
  back->release();
  if (spare_.size() < kSpareMax) spare_.push_back(std::move(back));
}

}  // namespace hanse::http
