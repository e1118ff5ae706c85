#include "adapters/engines/metrics_reader.h"

#include <algorithm>
#include <charconv>

namespace hanse::engines {
namespace {

constexpr std::string_view kBlanks = " \t";

std::string_view without_blanks(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text;
}

// What follows the labels that `text` begins with; nothing when they do not
// end. A brace in quotes ends nothing.
std::optional<std::string_view> after_labels(std::string_view text) {
  bool quoted = false;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '}' && !quoted) {
      return text.substr(i + 1);
    }
  }
  return std::nullopt;
}

// The number of a sample whose name and labels have been read; a time may
// follow it.
std::optional<double> read_value(std::string_view text) {
  text = without_blanks(text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (!rest.empty() && kBlanks.find(rest.front()) == std::string_view::npos) return std::nullopt;
  return value;
}

// As an integer of `unit`; nothing unless it is between zero and `most`, which
// "NaN" and "Inf" are not.
std::optional<std::int32_t> whole(double value, double most, double unit) {
  if (!(value >= 0) || !(value <= most)) return std::nullopt;
  return static_cast<std::int32_t>(value * unit);
}

void add(std::optional<std::int32_t>& sum, double value) {
  const auto number = whole(value, MetricsReader::kSequencesMax, 1);
  if (number) sum = std::min(sum.value_or(0) + *number, MetricsReader::kSequencesMax);
}

void raise(std::optional<std::int32_t>& largest, double value) {
  const auto number = whole(value, 1, 1'000'000);
  if (number) largest = std::max(largest.value_or(0), *number);
}

}  // namespace

bool MetricsReader::push(std::string_view bytes) {
  bytes_ += bytes.size();
  if (bytes_ > kPageBytesMax) return false;
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view part = bytes.substr(0, end);
    line_too_long_ = line_too_long_ || line_.size() + part.size() > kLineBytesMax;
    if (!line_too_long_) line_.append(part);
    if (end == std::string_view::npos) return true;
    if (!line_too_long_) take_line(line_);
    line_.clear();
    line_too_long_ = false;
    bytes.remove_prefix(end + 1);
  }
  return true;
}

std::optional<EngineLoad> MetricsReader::finish() {
  if (bytes_ > kPageBytesMax) return std::nullopt;
  if (!line_too_long_) take_line(line_);
  line_.clear();
  if (!running_ && !waiting_) return std::nullopt;
  return EngineLoad{.running = running_.value_or(0),
                    .waiting = waiting_.value_or(0),
                    .kv_use_ppm = kv_use_[0] ? kv_use_[0] : kv_use_[1]};
}

void MetricsReader::take_line(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  line = without_blanks(line);
  const std::size_t name_end = line.find_first_of("{ \t");
  if (line.starts_with('#') || name_end == std::string_view::npos) return;
  const std::string_view name = line.substr(0, name_end);
  const bool is_wanted = name == names_.running || name == names_.waiting ||
                         name == names_.kv_use[0] || name == names_.kv_use[1];
  if (!is_wanted || name.empty()) return;

  std::optional<std::string_view> rest = without_blanks(line.substr(name_end));
  if (rest->starts_with('{')) rest = after_labels(*rest);
  const std::optional<double> value = rest ? read_value(*rest) : std::nullopt;
  if (!value) return;
  if (name == names_.running) add(running_, *value);
  if (name == names_.waiting) add(waiting_, *value);
  for (std::size_t i = 0; i < kv_use_.size(); ++i) {
    if (name == names_.kv_use[i]) raise(kv_use_[i], *value);
  }
}

}  // namespace hanse::engines
