#include "core/ledger/request_id.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/check.h"
#include "base/digest.h"

namespace hanse::ledger {
namespace {

constexpr std::string_view kDigits = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::string_view kPrefix = "req_";
constexpr std::size_t kBytes = 25;  // 128 + 24 + 48 bits
constexpr std::size_t kEpochBytes = 3;
constexpr std::size_t kSequenceBytes = 6;
static_assert(kRequestIdChars == kPrefix.size() + kBytes * 8 / 5);

void put_big_endian(std::int64_t value, std::size_t bytes, std::uint8_t* to) {
  for (std::size_t i = 0; i < bytes; ++i) {
    to[bytes - 1 - i] = static_cast<std::uint8_t>(value & 0xFF);
    value >>= 8;
  }
}

std::int64_t take_big_endian(const std::uint8_t* from, std::size_t bytes) {
  std::int64_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value = value * 256 + from[i];
  return value;
}

}  // namespace

std::string to_string(const JournalId& id) { return to_hex(std::span(id.bytes)); }

Result<JournalId> parse_journal_id(std::string_view text) {
  JournalId id;
  if (text.size() != 2 * id.bytes.size()) {
    return invalid_input("a journal id is 32 hexadecimal digits");
  }
  for (std::size_t i = 0; i < id.bytes.size(); ++i) {
    const int high = lower_hex_value(text[2 * i]);
    const int low = lower_hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return invalid_input("a journal id is 32 hexadecimal digits");
    id.bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return id;
}

std::array<char, kRequestIdChars> to_chars(const RequestId& id) {
  HANSE_CHECK(id.number.epoch >= Epoch(0) && id.number.epoch <= kEpochMax);
  HANSE_CHECK(id.number.sequence >= 0 && id.number.sequence <= kSequenceMax);
  std::array<std::uint8_t, kBytes> bytes{};
  std::copy(id.journal.bytes.begin(), id.journal.bytes.end(), bytes.begin());
  put_big_endian(id.number.epoch.count(), kEpochBytes, bytes.data() + 16);
  put_big_endian(id.number.sequence, kSequenceBytes, bytes.data() + 16 + kEpochBytes);

  std::array<char, kRequestIdChars> text{};
  std::copy(kPrefix.begin(), kPrefix.end(), text.begin());
  char* out = text.data() + kPrefix.size();
  for (std::size_t i = 0; i < kBytes; i += 5) {
    const auto group = static_cast<std::uint64_t>(take_big_endian(bytes.data() + i, 5));
    for (unsigned shift = 40; shift > 0;) {
      shift -= 5;
      *out++ = kDigits[(group >> shift) & 31U];
    }
  }
  return text;
}

std::string to_string(const RequestId& id) {
  const auto text = to_chars(id);
  return {text.data(), text.size()};
}

Result<RequestId> parse_request_id(std::string_view text) {
  const auto refused = [] {
    return invalid_input("a request id is \"req_\" and 40 digits out of " + std::string(kDigits) +
                         "; what was turned away before it was decided has another and no record");
  };
  if (text.size() != kRequestIdChars || !text.starts_with(kPrefix)) return refused();
  std::array<std::uint8_t, kBytes> bytes{};
  const std::string_view digits = text.substr(kPrefix.size());
  for (std::size_t i = 0; i < kBytes; i += 5) {
    std::int64_t group = 0;
    for (const char c : digits.substr(i / 5 * 8, 8)) {
      const std::size_t digit = kDigits.find(c);
      if (digit == std::string_view::npos) return refused();
      group = group * 32 + static_cast<std::int64_t>(digit);
    }
    put_big_endian(group, 5, bytes.data() + i);
  }
  RequestId id;
  std::copy_n(bytes.begin(), id.journal.bytes.size(), id.journal.bytes.begin());
  id.number.epoch = Epoch(take_big_endian(bytes.data() + 16, kEpochBytes));
  id.number.sequence = take_big_endian(bytes.data() + 16 + kEpochBytes, kSequenceBytes);
  return id;
}

}  // namespace hanse::ledger
