#include "adapters/http/head_writer.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <ctime>

#include "adapters/http/framing_rules.h"
#include "base/ascii.h"

namespace hanse::http {

void HeadWriter::text(std::string_view text) {
  if (text.size() > into_.size() - size_) {
    fits_ = false;
    return;
  }
  std::memcpy(into_.data() + size_, text.data(), text.size());
  size_ += text.size();
}

void HeadWriter::status_line(int status) {
  if (status == 200) return text("HTTP/1.1 200 OK\r\n");
  std::array<char, 8> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), status).ptr;
  text("HTTP/1.1 ");
  text({digits.data(), static_cast<std::size_t>(end - digits.data())});
  text(" ");
  text(reason_phrase(status));
  text("\r\n");
}

void HeadWriter::request_line(std::string_view method, std::string_view target) {
  text(method);
  text(" ");
  text(target);
  text(" HTTP/1.1\r\n");
}

void HeadWriter::field(std::string_view name, std::string_view value) {
  if (name.size() + value.size() + 4 > into_.size() - size_) {
    fits_ = false;
    return;
  }
  char* at = std::ranges::copy(name, into_.data() + size_).out;
  at = std::ranges::copy(std::string_view(": "), at).out;
  at = std::ranges::copy(value, at).out;
  std::ranges::copy(std::string_view("\r\n"), at);
  size_ += name.size() + value.size() + 4;
}

void HeadWriter::field(std::string_view name, std::uint64_t value) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  field(name, {digits.data(), static_cast<std::size_t>(end - digits.data())});
}

bool HeadWriter::fields(HeaderLines lines) {
  bool sound = true;
  for (const HeaderLine& line : lines) {
    if (classify_field(line.name) != FieldKind::ordinary ||
        equals_ignoring_case(line.name, "date")) {
      continue;
    }
    if (!is_token(line.name) || !is_field_value(line.value)) {
      sound = false;
      continue;
    }
    field(line.name, line.value);
  }
  return sound;
}

std::string_view DateText::at(WallTime time) {
  const std::int64_t second = time.count() / 1'000'000'000;
  if (second != second_) {
    second_ = second;
    const std::time_t seconds = second;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    size_ = std::strftime(text_.data(), text_.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
  }
  return {text_.data(), size_};
}

ChunkLine::ChunkLine(std::size_t size) : at_(text_.size()) {
  text_[--at_] = '\n';
  text_[--at_] = '\r';
  do {
    text_[--at_] = kHexDigits[size % 16];
    size /= 16;
  } while (size != 0);
}

}  // namespace hanse::http
