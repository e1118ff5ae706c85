#include "adapters/journal/journal_reader.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "adapters/journal/recovery.h"

namespace hanse::journal {
namespace {

using ledger::Position;

std::unexpected<Error> broken(std::string message) {
  return fail({ErrorCode::broken, Fault::us, Retry::no, std::move(message)});
}

// The last segment that begins at or before the entry after `after`.
Result<SegmentNumber> segment_for(Disk& disk, const std::string& directory,
                                  const std::vector<SegmentNumber>& numbers, Position after) {
  for (auto it = numbers.rbegin(); it != numbers.rend(); ++it) {
    const auto reader = SegmentReader::open(disk, directory, *it);
    // The last one may be in the making.
    if (!reader && it == numbers.rbegin() && numbers.size() > 1) continue;
    if (!reader) return std::unexpected(reader.error());
    if (reader->header().first <= after + Position(1)) return *it;
  }
  return broken(fmt::format("{}: the journal no longer reaches back to entry {}", directory,
                            after.count() + 1));
}

}  // namespace

JournalReader::JournalReader(Disk& disk, std::string directory, SegmentReader segment)
    : disk_(&disk),
      directory_(std::move(directory)),
      segment_(std::move(segment)),
      journal_(segment_.header().journal),
      begins_at_(segment_.last()),
      position_(begins_at_) {}

Result<JournalReader> JournalReader::open(Disk& disk, std::string directory, Position after) {
  const auto numbers = list_segments(disk, directory);
  if (!numbers) return std::unexpected(numbers.error());
  if (numbers->empty()) {
    return fail(
        {ErrorCode::not_found, Fault::client, Retry::no, directory + ": there is no journal here"});
  }
  const auto wanted = segment_for(disk, directory, *numbers, after);
  if (!wanted) return std::unexpected(wanted.error());
  const auto begin = last_segment_to_begin_at(disk, directory, *numbers, *wanted);
  if (!begin) return std::unexpected(begin.error());
  auto segment = SegmentReader::open(disk, directory, *begin);
  if (!segment) return std::unexpected(std::move(segment.error()));
  return JournalReader(disk, std::move(directory), std::move(*segment));
}

Result<bool> JournalReader::next(ledger::PlacedEntry& entry) {
  PlacedRecord record;
  auto more = next(record);
  if (more && *more) entry = {.position = record.position, .entry = record.record.entry};
  return more;
}

Result<bool> JournalReader::next(PlacedRecord& record) {
  const auto damaged = [this](std::string_view what) {
    return broken(fmt::format("{} at offset {}: {}", segment_.path(), block_.offset, what));
  };
  while (left_.empty()) {
    if (entries_left_ != 0) return damaged("a block miscounts itself");
    auto more = next_block();
    if (!more || !*more) return more;
  }
  const auto size = decode(left_, record.record);
  if (!size) return damaged(size.error().message);
  if (entries_left_ == 0) return damaged("a block miscounts itself");
  left_ = left_.subspan(*size);
  --entries_left_;
  position_ += Position(1);
  record.position = position_;
  record.payload.reset();
  if (record.record.payload) {
    record.payload = PayloadPlace{.segment = segment_.header().number,
                                  .offset = payload_offset_,
                                  .position = position_,
                                  .mark = *record.record.payload};
    payload_offset_ += kPayloadHeaderBytes + record.record.payload->bytes;
  }
  return true;
}

Result<bool> JournalReader::next_block() {
  for (;;) {
    const auto more = segment_.next(block_);
    if (!more) return more;
    if (*more) {
      left_ = block_.body;
      entries_left_ = block_.header.entries;
      payload_offset_ = block_.header.payload_begin;
      return true;
    }
    const auto look_again = pass_end();
    if (!look_again || !*look_again) return look_again;
  }
}

// No block begins where the segment was read to. False when this is the end
// of the journal for now; true when there is reason to look again.
Result<bool> JournalReader::pass_end() {
  const SegmentNumber number = segment_.header().number + SegmentNumber(1);
  auto next = SegmentReader::open(*disk_, directory_, number);
  const bool is_last = !next && next.error().code == ErrorCode::not_found;
  if (is_last) {
    if (!segment_.damage()) return false;
    const auto ahead = segment_.sound_block_ahead();
    if (!ahead) return std::unexpected(ahead.error());
    if (!*ahead) return false;
  } else if (!next) {
    // In the making, or left so by a crash?
    const auto begun = SegmentReader::sound_block_in(*disk_, directory_, number);
    if (!begun) return std::unexpected(begun.error());
    if (!*begun) return false;
  }
  // A writer may have gone on between the two looks.
  if (std::exchange(looked_again_at_, segment_.offset()) != segment_.offset()) return true;
  if (!is_last && !next) return std::unexpected(std::move(next.error()));
  if (segment_.damage()) {
    return broken(fmt::format("{} at offset {}: {}, and sound blocks follow", segment_.path(),
                              segment_.offset(), *segment_.damage()));
  }
  if (next->header().previous != segment_.chain() || next->last() != segment_.last() ||
      next->header().journal != journal_) {
    return broken(next->path() + " does not continue " + segment_.path());
  }
  segment_ = std::move(*next);
  looked_again_at_ = 0;
  return true;
}

std::optional<std::string> JournalReader::torn() const {
  if (!segment_.damage()) return std::nullopt;
  return fmt::format("{} at offset {}: {}", segment_.path(), segment_.offset(), *segment_.damage());
}

}  // namespace hanse::journal
