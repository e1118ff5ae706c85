#include "adapters/journal/recovery.h"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "adapters/journal/entry_codec.h"
#include "adapters/journal/segment_reader.h"

namespace hanse::journal {
namespace {

using ledger::Position;

std::unexpected<Error> broken(std::string message) {
  return fail({ErrorCode::broken, Fault::us, Retry::no, std::move(message)});
}

// Whether the segment begins with a seal that was written to its end.
Result<bool> begins_with_whole_seal(Disk& disk, const std::string& directory,
                                    SegmentNumber number) {
  auto reader = SegmentReader::open(disk, directory, number);
  if (!reader && reader.error().code == ErrorCode::broken) return false;
  if (!reader) return std::unexpected(std::move(reader.error()));
  SegmentReader::Block block;
  Record record;
  bool first = true;
  for (;;) {
    const auto more = reader->next(block);
    if (!more) return std::unexpected(more.error());
    if (!*more) return false;
    for (auto bytes = block.body; !bytes.empty();) {
      const auto size = decode(bytes, record);
      if (!size) return false;
      const auto& body = record.entry.body;
      if (std::holds_alternative<ledger::SealEnded>(body)) return true;
      const bool in_seal = std::holds_alternative<ledger::SealBegun>(body) ||
                           std::holds_alternative<ledger::SealedAccount>(body) ||
                           std::holds_alternative<ledger::SealedHold>(body) ||
                           std::holds_alternative<ledger::SealedAttempt>(body);
      if (!in_seal || first != std::holds_alternative<ledger::SealBegun>(body)) return false;
      first = false;
      bytes = bytes.subspan(*size);
    }
  }
}

// The last bytes of a segment are its last chain value, if it ends whole.
Result<bool> continues(Disk& disk, const std::string& directory, SegmentNumber number) {
  const auto reader = SegmentReader::open(disk, directory, number);
  if (!reader) return std::unexpected(reader.error());
  const SegmentNumber before = number - SegmentNumber(1);
  const auto file = disk.open_read(directory + "/" + entries_name(before));
  if (!file) return std::unexpected(file.error());
  const auto size = (*file)->size();
  if (!size) return std::unexpected(size.error());
  Sha256 end;
  if (*size < kSegmentHeaderBytes + kBlockOverheadBytes) return false;
  const auto n = (*file)->read(*size - end.bytes.size(), end.bytes);
  if (!n) return std::unexpected(n.error());
  return end == reader->header().previous;
}

class Recovery {
 public:
  Recovery(Disk& disk, const std::string& directory, ledger::Ledger& ledger, const KnownEnd& known)
      : disk_(disk), directory_(directory), ledger_(ledger), known_(known) {}

  Result<std::optional<Recovered>> run() {
    auto numbers = list_segments(disk_, directory_);
    if (!numbers) return std::unexpected(std::move(numbers.error()));
    numbers_ = std::move(*numbers);
    if (auto done = drop_stillborn(); !done) return std::unexpected(std::move(done.error()));
    if (numbers_.empty()) return std::optional<Recovered>{};
    for (std::size_t i = 1; i < numbers_.size(); ++i) {
      if (numbers_[i] != numbers_[i - 1] + SegmentNumber(1)) {
        return broken(fmt::format("{}/{} is missing", directory_,
                                  entries_name(numbers_[i - 1] + SegmentNumber(1))));
      }
    }
    if (auto done = read_from_last_seal(); !done) return std::unexpected(std::move(done.error()));
    return std::optional(std::move(recovered_));
  }

 private:
  // A first start that died before it had written anything.
  Status drop_stillborn() {
    if (numbers_.size() != 1) return {};
    const auto reader = SegmentReader::open(disk_, directory_, numbers_.front());
    if (reader) return {};
    if (reader.error().code != ErrorCode::broken) return std::unexpected(reader.error());
    const auto sound = SegmentReader::sound_block_in(disk_, directory_, numbers_.front());
    if (!sound) return std::unexpected(sound.error());
    if (*sound) return std::unexpected(reader.error());
    const auto used = was_used(numbers_.front());
    if (!used) return std::unexpected(used.error());
    if (*used) return std::unexpected(reader.error());
    if (auto done = remove_segment(numbers_.front()); !done) return done;
    numbers_.clear();
    return {};
  }

  // Whether more has been written than a first start writes before all of it is
  // on disk: then nothing is stillborn, and what is missing is missed.
  Result<bool> was_used(SegmentNumber number) {
    constexpr std::uint64_t kFirstStartBytes = 1024;
    const auto entries = size_of(entries_name(number));
    if (!entries) return fail(entries.error());
    if (*entries > kFirstStartBytes) return true;
    const auto payloads = size_of(payloads_name(number));
    if (!payloads) return fail(payloads.error());
    return *payloads > kPayloadFileHeaderBytes;
  }

  // Of a file that may not be there.
  Result<std::uint64_t> size_of(const std::string& name) {
    const auto file = disk_.open_read(directory_ + "/" + name);
    if (!file && file.error().code == ErrorCode::not_found) return 0;
    if (!file) return fail(file.error());
    return (*file)->size();
  }

  Status read_from_last_seal() {
    auto begin = last_segment_to_begin_at(disk_, directory_, numbers_, numbers_.back());
    if (!begin) return std::unexpected(std::move(begin.error()));
    // When the segment before does not end as the header says, what is wrong
    // must be found there.
    while (*begin > numbers_.front()) {
      const auto joined = continues(disk_, directory_, *begin);
      if (!joined) return std::unexpected(joined.error());
      if (*joined) break;
      begin = last_segment_to_begin_at(disk_, directory_, numbers_, *begin - SegmentNumber(1));
      if (!begin) return std::unexpected(std::move(begin.error()));
    }
    std::optional<SegmentReader> before;
    for (auto it = std::ranges::find(numbers_, *begin); it != numbers_.end(); ++it) {
      auto reader = SegmentReader::open(disk_, directory_, *it);
      if (!reader && before && reader.error().code == ErrorCode::broken) {
        return cut(*before, reader.error().message, it);
      }
      if (!reader) return std::unexpected(std::move(reader.error()));
      if (!before) {
        ledger_.begin_at(reader->last());
      } else if (reader->header().previous != before->chain() || reader->last() != before->last() ||
                 reader->header().journal != before->header().journal) {
        return cut(*before, "the next segment does not continue this one", it);
      }
      if (auto read = read_segment(*reader); !read) return read;
      before = std::move(*reader);
      if (before->damage()) return cut(*before, *before->damage(), it + 1);
      remember(*before);
    }
    return check_known_end(*before, before->path());
  }

  // What the books know has been on the disk, so no crash has taken it; and
  // other entries must never stand under its numbers.
  Status check_known_end(const SegmentReader& reader, const std::string& where) const {
    if (!known_) return {};
    const auto known = known_(reader.header().journal);
    if (!known) return std::unexpected(known.error());
    if (*known <= reader.last()) return {};
    return fail({ErrorCode::conflict, Fault::us, Retry::no,
                 fmt::format("the books know entry {} of this journal, which ends at {} ({}): it "
                             "has lost its end. Put the journal's files back; or, to go on from "
                             "what is left of it, run `hanse books rebuild`",
                             known->count(), reader.last().count(), where)});
  }

  Status read_segment(SegmentReader& reader) {
    payload_end_ = kPayloadFileHeaderBytes;
    boot_ = reader.header().machine_boot;
    SegmentReader::Block block;
    Record record;
    for (;;) {
      const auto more = reader.next(block);
      if (!more) return std::unexpected(more.error());
      if (!*more) return {};
      claim_ = std::max(claim_, block.header.durable);
      payload_end_ = block.header.payload_begin;
      std::uint32_t entries = 0;
      for (auto bytes = block.body; !bytes.empty(); ++entries) {
        const auto size = decode(bytes, record);
        if (!size) return at(reader, block, size.error().message);
        const auto applied = ledger_.apply(record.entry);
        if (!applied) return at(reader, block, applied.error().message);
        if (const auto* epoch = std::get_if<ledger::EpochStarted>(&record.entry.body)) {
          boot_ = epoch->machine_boot;
        }
        if (record.payload) payload_end_ += kPayloadHeaderBytes + record.payload->bytes;
        ++recovered_.report.entries_read;
        bytes = bytes.subspan(*size);
      }
      if (entries != block.header.entries) return at(reader, block, "a block miscounts itself");
    }
  }

  static std::unexpected<Error> at(const SegmentReader& reader, const SegmentReader::Block& block,
                                   std::string_view what) {
    return broken(fmt::format("{} at offset {}: {}", reader.path(), block.offset, what));
  }

  // The journal ends where `reader` stopped, if that can be.
  Status cut(SegmentReader& reader, const std::string& why,
             std::vector<SegmentNumber>::iterator later) {
    auto behind = reader.sound_block_ahead();
    if (!behind) return std::unexpected(std::move(behind.error()));
    for (auto it = later; it != numbers_.end(); ++it) {
      const auto found = SegmentReader::sound_block_in(disk_, directory_, *it);
      if (!found) return std::unexpected(found.error());
      if (*found) behind = std::max(behind->value_or(Position(0)), **found);
    }
    const std::string where =
        fmt::format("{} at offset {}: {}", reader.path(), reader.offset(), why);
    const Position claim = std::max(claim_, behind->value_or(Position(0)));
    if (*behind) {
      constexpr std::array<std::uint8_t, 16> kUnknown{};
      const auto boot = disk_.machine_boot();
      const bool power_went = boot_ != kUnknown && boot != kUnknown && boot != boot_;
      if (!power_went || claim > reader.last()) {
        return broken(where + ", and sound blocks follow: this is damage, not the end of a crash");
      }
    }
    if (auto known = check_known_end(reader, where); !known) return known;
    RecoveryReport& report = recovered_.report;
    report.cut = where;
    for (auto it = later; it != numbers_.end(); ++it) {
      if (auto done = remove_segment(*it); !done) return done;
    }
    remember(reader);
    const auto file = disk_.open_read(reader.path());
    if (!file) return std::unexpected(file.error());
    const auto size = (*file)->size();
    if (!size) return std::unexpected(size.error());
    report.bytes_cut += *size - reader.offset();
    return disk_.truncate(reader.path(), reader.offset());
  }

  Status remove_segment(SegmentNumber number) {
    ++recovered_.report.segments_removed;
    if (auto done = disk_.remove(directory_ + "/" + entries_name(number)); !done) return done;
    return disk_.remove(directory_ + "/" + payloads_name(number));
  }

  void remember(const SegmentReader& reader) {
    recovered_.segment = reader.header();
    recovered_.entries_bytes = reader.offset();
    recovered_.payload_bytes = payload_end_;
    recovered_.chain = reader.chain();
    recovered_.last = reader.last();
  }

  Disk& disk_;
  const std::string& directory_;
  ledger::Ledger& ledger_;
  const KnownEnd& known_;
  std::vector<SegmentNumber> numbers_;
  Recovered recovered_;
  std::uint64_t payload_end_ = kPayloadFileHeaderBytes;
  Position claim_;  // the highest durable position that a block claims
  std::array<std::uint8_t, 16> boot_{};
};

}  // namespace

Result<std::optional<Recovered>> recover(Disk& disk, const std::string& directory,
                                         ledger::Ledger& ledger, const KnownEnd& known) {
  return Recovery(disk, directory, ledger, known).run();
}

Result<SegmentNumber> last_segment_to_begin_at(Disk& disk, const std::string& directory,
                                               const std::vector<SegmentNumber>& numbers,
                                               SegmentNumber at_most) {
  for (auto it = numbers.rbegin(); it != numbers.rend(); ++it) {
    if (*it > at_most) continue;
    if (*it == SegmentNumber(1)) return *it;
    const auto whole = begins_with_whole_seal(disk, directory, *it);
    if (!whole) return std::unexpected(whole.error());
    if (*whole) return *it;
  }
  return broken(directory + ": no segment is left at which the books could begin");
}

}  // namespace hanse::journal
