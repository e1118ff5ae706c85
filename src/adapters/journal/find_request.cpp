#include "adapters/journal/find_request.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "adapters/journal/entry_codec.h"
#include "adapters/journal/segment_reader.h"

namespace hanse::journal {
namespace {

using ledger::Position;
using ledger::RequestNumber;

// Where a segment begins.
struct Beginning {
  Position first;
  RequestNumber used_up;  // this number and all before it came earlier
};

// Nothing while the segment has no entry yet.
Result<std::optional<Beginning>> beginning_of(Disk& disk, const std::string& directory,
                                              SegmentNumber number) {
  auto reader = SegmentReader::open(disk, directory, number);
  if (!reader) return std::unexpected(std::move(reader.error()));
  SegmentReader::Block block;
  do {
    const auto more = reader->next(block);
    if (!more) return std::unexpected(more.error());
    if (!*more) return std::nullopt;
  } while (block.body.empty());
  Record record;
  const auto read = decode(block.body, record);
  Beginning beginning{.first = reader->header().first, .used_up = {}};
  if (const auto* seal = std::get_if<ledger::SealBegun>(&record.entry.body); seal && read) {
    beginning.used_up = {seal->epoch, seal->last_sequence};
    return beginning;
  }
  // The first segment, or one whose seal a crash has prevented.
  if (const auto* epoch = std::get_if<ledger::EpochStarted>(&record.entry.body); epoch && read) {
    beginning.used_up = {epoch->epoch, 0};
    return beginning;
  }
  return fail({ErrorCode::broken, Fault::us, Retry::no,
               reader->path() + " begins with neither a seal nor an epoch"});
}

// The first entry of the last segment that begins before the request came;
// nothing when there is none.
Result<std::optional<Position>> begin_before(Disk& disk, const std::string& directory,
                                             RequestNumber request) {
  const auto numbers = list_segments(disk, directory);
  if (!numbers) return std::unexpected(numbers.error());
  if (numbers->empty()) {
    return fail(
        {ErrorCode::not_found, Fault::client, Retry::no, directory + ": there is no journal here"});
  }
  std::optional<Position> found;
  std::size_t low = 0;
  std::size_t high = numbers->size();
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const auto beginning = beginning_of(disk, directory, (*numbers)[middle]);
    // The last one may be in the making.
    const bool may_be_unfinished = middle + 1 == numbers->size() && middle != 0;
    if (!beginning && !may_be_unfinished) return std::unexpected(beginning.error());
    if (beginning && *beginning && (*beginning)->used_up < request) {
      found = (*beginning)->first;
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return found;
}

// What an entry tells of one request.
struct Telling {
  enum class What : std::uint8_t {
    nothing,
    open,
    closed,
    never,  // a later number came first
  };

  What operator()(const ledger::HoldOpened& entry) const {
    if (entry.request == request) return What::open;
    return later(entry.request);
  }
  What operator()(const ledger::SealedHold& entry) const {
    return entry.hold.request == request ? What::open : What::nothing;
  }
  What operator()(const ledger::RequestRefused& entry) const {
    return entry.request == request ? What::closed : later(entry.request);
  }
  What operator()(const ledger::EpochStarted& entry) const { return later({entry.epoch, 0}); }
  What operator()(const ledger::RequestClosed& entry) const { return closed(entry.request); }
  What operator()(const ledger::HoldReleased& entry) const { return closed(entry.request); }
  What operator()(const ledger::RequestLost& entry) const { return closed(entry.request); }
  What operator()(const auto&) const { return What::nothing; }

  [[nodiscard]] What closed(RequestNumber number) const {
    return number == request ? What::closed : What::nothing;
  }
  [[nodiscard]] What later(RequestNumber number) const {
    return number > request ? What::never : What::nothing;
  }

  RequestNumber request;
};

}  // namespace

Result<PlacedRecord> find_request_end(Disk& disk, const std::string& directory,
                                      const ledger::RequestId& request) {
  const auto never = [&] {
    return fail({ErrorCode::not_found, Fault::client, Retry::no,
                 fmt::format("the journal in {} knows no request {}", directory,
                             ledger::to_string(request))});
  };
  const auto begin = begin_before(disk, directory, request.number);
  if (!begin) return std::unexpected(begin.error());
  auto reader = JournalReader::open(disk, directory, begin->value_or(Position(1)) - Position(1));
  if (!reader) return std::unexpected(std::move(reader.error()));
  if (reader->journal() != request.journal) {
    return invalid_input(fmt::format("{} is a request of journal {}; the one in {} is {}",
                                     ledger::to_string(request), ledger::to_string(request.journal),
                                     directory, ledger::to_string(reader->journal())));
  }
  if (!*begin) return never();

  bool open = false;
  PlacedRecord record;
  for (;;) {
    const auto more = reader->next(record);
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
    switch (std::visit(Telling{request.number}, record.record.entry.body)) {
      case Telling::What::nothing: break;
      case Telling::What::open: open = true; break;
      case Telling::What::closed: return record;
      case Telling::What::never:
        if (!open) return never();
        break;
    }
  }
  if (!open) return never();
  return fail({ErrorCode::unavailable, Fault::client, Retry::later,
               fmt::format("request {} has not ended yet: its record is written when it does",
                           ledger::to_string(request))});
}

}  // namespace hanse::journal
