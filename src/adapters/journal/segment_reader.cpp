#include "adapters/journal/segment_reader.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

namespace hanse::journal {
namespace {

constexpr std::size_t kReadAheadBytes = std::size_t{256} << 10;

}  // namespace

SegmentReader::SegmentReader(std::unique_ptr<ReadFile> file, std::string path)
    : file_(std::move(file)), path_(std::move(path)) {}

Result<SegmentReader> SegmentReader::open(Disk& disk, const std::string& directory,
                                          SegmentNumber number) {
  std::string path = directory + "/" + entries_name(number);
  auto file = disk.open_read(path);
  if (!file) return std::unexpected(std::move(file.error()));
  SegmentReader reader(std::move(*file), std::move(path));
  // Nothing ahead: many are opened for their headers alone.
  std::array<std::uint8_t, kSegmentHeaderBytes> head{};
  std::size_t there = 0;
  while (there < head.size()) {
    const auto n = reader.file_->read(there, std::span(head).subspan(there));
    if (!n) return std::unexpected(n.error());
    if (*n == 0) break;
    there += *n;
  }
  if (there < head.size()) {
    return fail(
        {ErrorCode::broken, Fault::us, Retry::no, reader.path_ + ": its header is cut short"});
  }
  auto header = decode_segment_header(head);
  if (header && header->number != number) {
    header = fail({ErrorCode::broken, Fault::us, Retry::no,
                   fmt::format("its header says that it is segment {}", header->number.count())});
  }
  if (!header) {
    header.error().message = reader.path_ + ": " + header.error().message;
    return std::unexpected(std::move(header.error()));
  }
  reader.header_ = *header;
  reader.chain_ = chain_of(head);
  reader.last_ = header->first - ledger::Position(1);
  reader.offset_ = kSegmentHeaderBytes;
  return reader;
}

Result<bool> SegmentReader::next(Block& block) {
  damage_.reset();
  const auto damaged = [this](std::string why) -> Result<bool> {
    damage_ = std::move(why);
    return false;
  };
  auto bytes = peek(kBlockHeaderBytes);
  if (!bytes) return std::unexpected(bytes.error());
  if (bytes->empty()) return false;
  if (bytes->size() < kBlockHeaderBytes) return damaged("a block's header is cut short");
  const auto header = decode_block_header(*bytes);
  if (!header) return damaged("no block begins here");
  const std::size_t size = header->body_bytes + kBlockOverheadBytes;
  bytes = peek(size);
  if (!bytes) return std::unexpected(bytes.error());
  if (bytes->size() < size) return damaged("a block is cut short");
  if (!block_is_whole(*bytes)) return damaged("a block's checksum does not fit");
  const Sha256 chain = computed_chain(*bytes, chain_);
  if (chain != stored_chain(*bytes)) return damaged("a block does not continue the chain");
  if (header->first != last_ + ledger::Position(1)) {
    return damaged(fmt::format("a block begins with entry {} where {} must follow",
                               header->first.count(), last_.count() + 1));
  }
  block = {.header = *header,
           .offset = offset_,
           .body = bytes->subspan(kBlockHeaderBytes, header->body_bytes)};
  chain_ = chain;
  last_ += ledger::Position(header->entries);
  offset_ += size;
  return true;
}

Result<std::optional<ledger::Position>> SegmentReader::sound_block_in(Disk& disk,
                                                                      const std::string& directory,
                                                                      SegmentNumber number) {
  std::string path = directory + "/" + entries_name(number);
  auto file = disk.open_read(path);
  if (!file) return std::unexpected(std::move(file.error()));
  return SegmentReader(std::move(*file), std::move(path)).sound_block_ahead();
}

Result<std::optional<ledger::Position>> SegmentReader::sound_block_ahead() {
  std::optional<ledger::Position> claim;
  const std::uint64_t stopped = offset_;
  for (;;) {
    const auto window = peek(kBlockBytesMax);
    if (!window) {
      offset_ = stopped;
      return std::unexpected(window.error());
    }
    if (window->size() < kBlockOverheadBytes) break;
    const auto* const at = static_cast<const std::uint8_t*>(
        std::memchr(window->data(), 'H', window->size() - kBlockOverheadBytes + 1));
    if (at == nullptr) {
      offset_ += window->size() - kBlockOverheadBytes + 1;
      continue;
    }
    const auto skipped = static_cast<std::size_t>(at - window->data());
    if (skipped != 0) {
      offset_ += skipped;  // so that a whole block fits into the window
      continue;
    }
    const auto header = decode_block_header(*window);
    const std::size_t size = header ? header->body_bytes + kBlockOverheadBytes : 0;
    if (header && size <= window->size() && block_is_whole(window->first(size))) {
      claim = std::max(claim.value_or(ledger::Position(0)), header->durable);
      offset_ += size;
      continue;
    }
    ++offset_;
  }
  offset_ = stopped;
  return claim;
}

Result<std::span<const std::uint8_t>> SegmentReader::peek(std::size_t size) {
  const bool in_buffer = offset_ >= buffer_offset_ && offset_ <= buffer_offset_ + buffered_;
  std::size_t begin = in_buffer ? static_cast<std::size_t>(offset_ - buffer_offset_) : 0;
  if (!in_buffer) {
    buffer_offset_ = offset_;
    buffered_ = 0;
  }
  if (buffered_ - begin < size) {
    // Room for several windows, so that bytes are moved seldom.
    const std::size_t room = std::max(4 * size, kReadAheadBytes);
    if (buffer_.size() < room) buffer_.resize(room);
    if (begin + size > buffer_.size()) {
      std::memmove(buffer_.data(), buffer_.data() + begin, buffered_ - begin);
      buffered_ -= begin;
      buffer_offset_ = offset_;
      begin = 0;
    }
    while (buffered_ - begin < size) {
      const auto n = file_->read(buffer_offset_ + buffered_, std::span(buffer_).subspan(buffered_));
      if (!n) return std::unexpected(n.error());
      if (*n == 0) break;
      buffered_ += *n;
    }
  }
  const std::size_t there = std::min(size, buffered_ - begin);
  return std::span<const std::uint8_t>(buffer_).subspan(begin, there);
}

Result<std::vector<SegmentNumber>> list_segments(Disk& disk, const std::string& directory) {
  const auto names = disk.list(directory);
  if (!names) return std::unexpected(names.error());
  std::vector<SegmentNumber> numbers;
  for (const std::string& name : *names) {
    if (const auto number = segment_of(name)) numbers.push_back(*number);
  }
  return numbers;
}

}  // namespace hanse::journal
