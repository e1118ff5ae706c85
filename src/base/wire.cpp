#include "base/wire.h"

#include <fmt/format.h>

#include "base/check.h"

namespace hanse {
namespace {

// Enough for a small value, little enough to be cheap to fill with zeros.
constexpr std::size_t kGrowthBytes = 256;

}  // namespace

void WireWriter::grow(std::size_t bytes) {
  const auto used = static_cast<std::size_t>(next_ - out_.data());
  out_.resize(used + bytes + kGrowthBytes);
  next_ = out_.data() + used;
  end_ = out_.data() + out_.size();
}

std::uint8_t WireReader::byte() {
  const std::string_view bytes = raw(1);
  return bytes.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(bytes[0]);
}

std::uint64_t WireReader::varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const std::uint8_t next = byte();
    if (!ok()) return 0;
    // The tenth byte has room for one bit only.
    if (shift == 63 && next > 1) break;
    value |= std::uint64_t{next & 0x7FU} << shift;
    if (next < 0x80) {
      if (next == 0 && shift != 0) break;  // a shorter encoding exists
      return value;
    }
  }
  fail("not a varint");
  return 0;
}

std::int64_t WireReader::zigzag() {
  const std::uint64_t value = varint();
  return static_cast<std::int64_t>((value >> 1U) ^ (~(value & 1U) + 1U));
}

template <typename Word>
Word WireReader::fixed() {
  Word value = 0;
  const std::string_view bytes = raw(sizeof value);
  if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

std::uint32_t WireReader::fixed32() { return fixed<std::uint32_t>(); }
std::uint64_t WireReader::fixed64() { return fixed<std::uint64_t>(); }

std::string_view WireReader::raw(std::size_t size) {
  if (!ok()) return {};
  if (size > left()) {
    fail("bytes are missing");
    return {};
  }
  const std::string_view bytes = bytes_.substr(offset_, size);
  offset_ += size;
  return bytes;
}

std::string_view WireReader::text(std::size_t size_max) { return raw(up_to(size_max)); }

std::uint64_t WireReader::up_to(std::uint64_t max) {
  const std::uint64_t value = varint();
  if (value <= max) return value;
  fail("a value past its range");
  return 0;
}

void WireReader::fail(std::string_view what) {
  HANSE_CHECK(!what.empty());
  if (ok()) failed_ = what;
}

Status WireReader::status() const {
  if (ok()) return {};
  return hanse::fail({ErrorCode::broken, Fault::us, Retry::no,
                      fmt::format("damaged at byte {}: {}", offset_, failed_)});
}

Status WireReader::finish() {
  if (left() != 0) fail("more bytes than there should be");
  return status();
}

}  // namespace hanse
