#include "adapters/journal/payloads.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "adapters/journal/journal_reader.h"
#include "base/check.h"

namespace hanse::journal {
namespace {

std::string path_of(const std::string& directory, const PayloadPlace& place) {
  return directory + "/" + payloads_name(place.segment);
}

// A window of a file, moved over it from front to end.
class Window {
 public:
  explicit Window(const ReadFile& file) : file_(file), bytes_(kBytes) {}

  // The bytes at `offset`, fewer than asked for when the file ends first.
  // Requires: offsets rise; `size` is at most half the window.
  Result<std::span<const std::uint8_t>> at(std::uint64_t offset, std::size_t size) {
    if (offset + size > begins_ + filled_) {
      begins_ = offset;
      filled_ = 0;
      while (filled_ < bytes_.size()) {
        const auto n = file_.read(begins_ + filled_, std::span(bytes_).subspan(filled_));
        if (!n) return std::unexpected(n.error());
        if (*n == 0) break;
        filled_ += *n;
      }
    }
    const std::size_t from = std::min<std::size_t>(offset - begins_, filled_);
    return std::span(bytes_).subspan(from, std::min(size, filled_ - from));
  }

 private:
  static constexpr std::size_t kBytes = std::size_t{64} << 10U;

  const ReadFile& file_;
  std::vector<std::uint8_t> bytes_;
  std::uint64_t begins_ = 0;  // of bytes_, in the file
  std::size_t filled_ = 0;
};

// Fewer bytes than asked for when the file ends first.
Result<std::vector<std::uint8_t>> read(const ReadFile& file, std::uint64_t offset,
                                       std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  std::size_t done = 0;
  while (done < size) {
    const auto n = file.read(offset + done, std::span(bytes).subspan(done));
    if (!n) return std::unexpected(n.error());
    if (*n == 0) break;
    done += *n;
  }
  bytes.resize(done);
  return bytes;
}

}  // namespace

Result<Payload> read_payload(Disk& disk, const std::string& directory, const PayloadPlace& place) {
  const std::string path = path_of(directory, place);
  const auto file = disk.open_read(path);
  if (!file && file.error().code == ErrorCode::not_found) {
    return Payload{.state = Payload::State::erased, .bytes = {}};
  }
  if (!file) return std::unexpected(file.error());
  auto bytes = read(**file, place.offset, kPayloadHeaderBytes + place.mark.bytes);
  if (!bytes) return std::unexpected(std::move(bytes.error()));
  const auto missing = [](std::uint8_t byte) { return byte == 0; };
  if (std::ranges::all_of(*bytes, missing)) return Payload{};
  const auto damaged = [&] {
    return fail({ErrorCode::broken, Fault::us, Retry::no,
                 fmt::format("{} at offset {}: the payload of entry {} is not the one that the "
                             "chain speaks of",
                             path, place.offset, place.position.count())});
  };
  if (bytes->size() < kPayloadHeaderBytes + place.mark.bytes) return damaged();
  const auto header = decode_payload_header(std::span(*bytes).first<kPayloadHeaderBytes>());
  if (!header || header->position != place.position || header->bytes != place.mark.bytes) {
    return damaged();
  }
  if (header->erased) return Payload{.state = Payload::State::erased, .bytes = {}};
  bytes->erase(bytes->begin(), bytes->begin() + kPayloadHeaderBytes);
  if (salted_digest(header->salt, *bytes) != place.mark.salted_digest) return damaged();
  return Payload{.state = Payload::State::kept, .bytes = std::move(*bytes)};
}

Status visit_payloads(Disk& disk, const std::string& directory, SegmentNumber segment,
                      std::size_t bytes_max,
                      const std::function<bool(std::span<const std::uint8_t>)>& visit) {
  constexpr std::size_t kVisitedMax = 4'096;
  HANSE_CHECK(bytes_max <= kVisitedMax);
  const std::string path = directory + "/" + payloads_name(segment);
  const auto file = disk.open_read(path);
  if (!file) return std::unexpected(file.error());
  Window window(**file);
  for (std::uint64_t offset = kPayloadFileHeaderBytes;;) {
    const auto head = window.at(offset, kPayloadHeaderBytes);
    if (!head) return std::unexpected(head.error());
    if (head->size() < kPayloadHeaderBytes) return {};
    const auto header = decode_payload_header(head->first<kPayloadHeaderBytes>());
    if (!header) {
      return fail({ErrorCode::broken, Fault::us, Retry::no,
                   fmt::format("{} at offset {}: no payload begins here", path, offset)});
    }
    offset += kPayloadHeaderBytes;
    const auto bytes = window.at(offset, std::min<std::size_t>(bytes_max, header->bytes));
    if (!bytes) return std::unexpected(bytes.error());
    if (!header->erased && !visit(*bytes)) return {};
    offset += header->bytes;
  }
}

Result<std::optional<PayloadPlace>> find_payload(Disk& disk, const std::string& directory,
                                                 ledger::Position position) {
  auto reader = JournalReader::open(disk, directory, position - ledger::Position(1));
  if (!reader) return std::unexpected(std::move(reader.error()));
  PlacedRecord record;
  for (;;) {
    const auto more = reader->next(record);
    if (!more) return std::unexpected(more.error());
    if (!*more) {
      return fail({ErrorCode::not_found, Fault::client, Retry::no,
                   fmt::format("the journal has no entry {}", position.count())});
    }
    if (record.position == position) return record.payload;
  }
}

Status erase_payload(Disk& disk, const std::string& directory, const PayloadPlace& place) {
  std::vector<std::uint8_t> bytes(kPayloadHeaderBytes + place.mark.bytes);
  encode(
      PayloadHeader{
          .erased = true, .bytes = place.mark.bytes, .position = place.position, .salt = {}},
      std::span(bytes).first<kPayloadHeaderBytes>());
  const auto done = disk.overwrite(path_of(directory, place), place.offset, bytes);
  if (!done && done.error().code == ErrorCode::not_found) return {};
  return done;
}

}  // namespace hanse::journal
