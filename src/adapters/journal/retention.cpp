#include "adapters/journal/retention.h"

#include <optional>
#include <utility>
#include <vector>

#include "adapters/journal/format.h"
#include "adapters/journal/segment_reader.h"

namespace hanse::journal {
namespace {

struct PayloadFile {
  SegmentNumber segment;
  std::uint64_t bytes = 0;
};

// Those that are there, oldest first.
Result<std::vector<PayloadFile>> payload_files(Disk& disk, const std::string& directory,
                                               const std::vector<SegmentNumber>& segments) {
  std::vector<PayloadFile> files;
  for (const SegmentNumber segment : segments) {
    const auto file = disk.open_read(directory + "/" + payloads_name(segment));
    if (!file && file.error().code == ErrorCode::not_found) continue;
    if (!file) return std::unexpected(file.error());
    const auto bytes = (*file)->size();
    if (!bytes) return std::unexpected(bytes.error());
    files.push_back({.segment = segment, .bytes = *bytes});
  }
  return files;
}

// Nothing while that segment is in the making: its header is not whole yet.
Result<std::optional<WallTime>> begun_at(Disk& disk, const std::string& directory,
                                         SegmentNumber segment) {
  const auto reader = SegmentReader::open(disk, directory, segment);
  if (reader) return reader->header().begun_at;
  if (reader.error().code == ErrorCode::broken) return std::nullopt;
  return std::unexpected(reader.error());
}

}  // namespace

Result<RetentionReport> erase_old_payloads(Disk& disk, const std::string& directory,
                                           const RetentionRule& rule, WallTime now) {
  const auto segments = list_segments(disk, directory);
  if (!segments) return std::unexpected(segments.error());
  const auto files = payload_files(disk, directory, *segments);
  if (!files) return std::unexpected(files.error());

  RetentionReport report;
  for (const PayloadFile& file : *files) report.bytes_kept += file.bytes;
  for (const PayloadFile& file : *files) {
    if (file.segment == segments->back()) break;
    if (report.bytes_kept <= rule.bytes_max) {
      const auto left = begun_at(disk, directory, file.segment + SegmentNumber(1));
      if (!left) return std::unexpected(left.error());
      // All that follow are younger.
      if (!*left || elapsed(**left, now) < rule.retention) break;
    }
    if (auto done = disk.remove(directory + "/" + payloads_name(file.segment)); !done) {
      return std::unexpected(std::move(done.error()));
    }
    ++report.files_removed;
    report.bytes_removed += file.bytes;
    report.bytes_kept -= file.bytes;
  }
  // An erased record must not come back with the power.
  if (report.files_removed != 0) {
    if (auto done = disk.sync_directory(directory); !done) {
      return std::unexpected(std::move(done.error()));
    }
  }
  return report;
}

}  // namespace hanse::journal
