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

SseSplitter::Copies& SseSplitter::copies() {
  if (copies_ == nullptr) copies_ = std::make_unique<Copies>();
  return *copies_;
}

bool SseSplitter::next_line(std::string_view& input, std::string_view& line) {
  if (after_cr_ && !input.empty()) {
    if (input.front() == '\n') input.remove_prefix(1);
    after_cr_ = false;
  }
  const std::size_t end = find_line_end(input);
  if (end == std::string_view::npos) {
    if (!input.empty()) copies().partial_line.append(input);
    input = {};
    return false;
  }
  line_is_joined_ = has_partial_line();
  if (!line_is_joined_) {
    line = input.substr(0, end);
  } else {
    copies_->partial_line.append(input.substr(0, end));
    copies_->line.swap(copies_->partial_line);
    copies_->partial_line.clear();
    line = copies_->line;
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
    copies().name.assign(name);
  } else if (name == "event") {
    copies().name.assign(value);
  } else if (name == "id" && value.find('\0') == std::string_view::npos) {
    copies().id.assign(value);
    has_id_ = true;
  }
}

void SseSplitter::begin_event() {
  data_ = {};
  has_data_ = false;
  data_is_joined_ = false;
  has_id_ = false;
  has_line_feeds_ = false;
  given_ = false;
  if (copies_ == nullptr) return;
  // A single event of a megabyte must not be paid for by the stream's rest.
  constexpr std::size_t kKept = 4096;
  if (copies_->data.capacity() > kKept) std::string().swap(copies_->data);
  if (copies_->line.capacity() > kKept) std::string().swap(copies_->line);
  copies_->data.clear();
  copies_->name.clear();
}

void SseSplitter::take_data(std::string_view value) {
  if (has_data_) {
    keep_data();
    copies_->data += '\n';
    has_line_feeds_ = true;
    copies_->data.append(value);
    data_ = copies_->data;
    return;
  }
  data_ = value;
  has_data_ = true;
  // The next line may be joined in the buffer where this one lies.
  if (line_is_joined_) keep_data();
}

void SseSplitter::keep_data() {
  if (data_is_joined_ || !has_data_) return;
  copies().data.assign(data_);
  data_ = copies_->data;
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
             .name = copies_ != nullptr ? std::string_view(copies_->name) : std::string_view(),
             .id = has_id_ ? std::string_view(copies_->id) : std::string_view(),
             .has_line_feeds = has_line_feeds_};
    given_ = true;
    return Found::event;
  }
  keep_data();
  return has_partial_line() && copies_->partial_line.size() > event_bytes_max_ ? Found::oversize
                                                                               : Found::more;
}

SseSplitter::Found SseSplitter::finish(SseEvent& event) {
  std::string_view ending = "\n\n";
  return next(ending, event);
}

}  // namespace hanse::engines
