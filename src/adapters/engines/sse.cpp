#include "adapters/engines/sse.h"

#include <cstring>

namespace hanse::engines {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// The first CR or LF, or npos. JSON holds neither, so two searches by memchr
// are faster than one that looks for both.
std::size_t find_line_end(std::string_view text) {
  const std::size_t lf = text.find('\n');
  const std::size_t cr = text.substr(0, lf).find('\r');
  return cr != std::string_view::npos ? cr : lf;
}

}  // namespace

bool SseSplitter::next_line(std::string_view& input, std::string_view& line) {
  if (after_cr_ && !input.empty()) {
    if (input.front() == '\n') input.remove_prefix(1);
    after_cr_ = false;
  }
  const std::size_t end = find_line_end(input);
  if (end == std::string_view::npos) {
    partial_line_.append(input);
    input = {};
    return false;
  }
  line_is_joined_ = !partial_line_.empty();
  if (!line_is_joined_) {
    line = input.substr(0, end);
  } else {
    partial_line_.append(input.substr(0, end));
    line_.swap(partial_line_);
    partial_line_.clear();
    line = line_;
  }
  after_cr_ = input[end] == '\r';
  input.remove_prefix(end + 1);
  return true;
}

void SseSplitter::take_field(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == 0) return;  // a comment
  const std::string_view name = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (name == "data") {
    take_data(value);
  } else if (name == "error") {
    // Older llama.cpp sends its errors in a field of that name.
    take_data(value);
    name_.assign(name);
  } else if (name == "event") {
    name_.assign(value);
  } else if (name == "id" && value.find('\0') == std::string_view::npos) {
    id_.assign(value);
    has_id_ = true;
  }
}

void SseSplitter::begin_event() {
  data_ = {};
  has_data_ = false;
  data_is_joined_ = false;
  has_id_ = false;
  has_line_feeds_ = false;
  name_.clear();
  // A single event of a megabyte must not be paid for by the stream's rest.
  constexpr std::size_t kKept = 4096;
  if (joined_data_.capacity() > kKept) std::string().swap(joined_data_);
  if (line_.capacity() > kKept) std::string().swap(line_);
  joined_data_.clear();
  given_ = false;
}

void SseSplitter::take_data(std::string_view value) {
  if (has_data_) {
    keep_data();
    joined_data_ += '\n';
    has_line_feeds_ = true;
    joined_data_.append(value);
    data_ = joined_data_;
    return;
  }
  data_ = value;
  has_data_ = true;
  // The next line may be joined in the buffer where this one lies.
  if (line_is_joined_) keep_data();
}

void SseSplitter::keep_data() {
  if (data_is_joined_ || !has_data_) return;
  joined_data_.assign(data_);
  data_ = joined_data_;
  data_is_joined_ = true;
}

SseSplitter::Found SseSplitter::next(std::string_view& input, SseEvent& event) {
  if (given_) begin_event();
  std::string_view line;
  while (next_line(input, line)) {
    if (at_start_) {
      at_start_ = false;
      if (line.starts_with(kByteOrderMark)) line.remove_prefix(kByteOrderMark.size());
    }
    if (!line.empty()) {
      take_field(line);
      if (is_oversize()) return Found::oversize;
      continue;
    }
    if (!has_data_) {
      begin_event();
      continue;
    }
    event = {.data = data_,
             .name = name_,
             .id = has_id_ ? std::string_view(id_) : std::string_view(),
             .has_line_feeds = has_line_feeds_};
    given_ = true;
    return Found::event;
  }
  keep_data();
  return partial_line_.size() > event_bytes_max_ ? Found::oversize : Found::more;
}

SseSplitter::Found SseSplitter::finish(SseEvent& event) {
  std::string_view ending = "\n\n";
  return next(ending, event);
}

}  // namespace hanse::engines
