#include "drivers/serve/kept_snapshots.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "adapters/journal/payloads.h"
#include "adapters/journal/segment_reader.h"
#include "core/dispatch/record_codec.h"

namespace hanse::serve {
namespace {

// Enough of a record for its head.
constexpr std::size_t kRecordHeadBytesMax = 128;

// Of "<digest>.toml"; nothing for other files.
std::optional<Sha256> digest_of(std::string_view name) {
  constexpr std::string_view kEnding = ".toml";
  if (!name.ends_with(kEnding)) return std::nullopt;
  name.remove_suffix(kEnding.size());
  return sha256_from_hex(name);
}

}  // namespace

KeptSnapshots::KeptSnapshots(journal::Disk& disk, BooksFiles files)
    : disk_(disk), files_(std::move(files)) {}

void KeptSnapshots::use(const dispatch::SnapshotRef& snapshot) {
  const std::lock_guard lock(mutex_);
  std::erase_if(uses_, [](const Use& use) { return use.snapshot.expired(); });
  uses_.push_back({.digest = snapshot->digest, .snapshot = snapshot});
}

bool KeptSnapshots::in_use(const Sha256& digest) const {
  return std::ranges::any_of(
      uses_, [&](const Use& use) { return use.digest == digest && !use.snapshot.expired(); });
}

bool KeptSnapshots::is_kept(journal::SegmentNumber records) const {
  const std::string path = files_.journal.string() + "/" + journal::payloads_name(records);
  // A disk that does not say counts as having it.
  const auto file = disk_.open_read(path);
  return file || file.error().code != ErrorCode::not_found;
}

Result<std::set<Sha256>> KeptSnapshots::candidates() {
  const auto names = disk_.list(files_.snapshots.string());
  std::set<Sha256> found;
  if (!names && names.error().code == ErrorCode::not_found) return found;
  if (!names) return std::unexpected(names.error());
  const std::lock_guard lock(mutex_);
  for (const std::string& name : *names) {
    const auto digest = digest_of(name);
    if (!digest || in_use(*digest)) continue;
    const auto cited = cited_.find(*digest);
    if (cited != cited_.end() && is_kept(cited->second)) continue;
    found.insert(*digest);
  }
  return found;
}

Status KeptSnapshots::find_cited(std::set<Sha256>& unknown) {
  const auto segments = journal::list_segments(disk_, files_.journal.string());
  if (!segments) return std::unexpected(segments.error());
  for (const journal::SegmentNumber segment : *segments) {
    if (unknown.empty()) return {};
    bool readable = true;
    const auto visit = [&](std::span<const std::uint8_t> bytes) {
      const auto head =
          dispatch::read_record_head({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
      readable = head.has_value();
      if (readable && unknown.erase(head->snapshot) != 0) cited_[head->snapshot] = segment;
      return readable && !unknown.empty();
    };
    const Status visited = journal::visit_payloads(disk_, files_.journal.string(), segment,
                                                   kRecordHeadBytesMax, visit);
    if (!visited && visited.error().code == ErrorCode::not_found) continue;
    if (!visited) return visited;
    if (!readable) {
      return fail({ErrorCode::broken, Fault::us, Retry::no,
                   journal::payloads_name(segment) + " holds what is no record"});
    }
  }
  return {};
}

Result<std::int64_t> KeptSnapshots::erase_unused() {
  auto unknown = candidates();
  if (!unknown) return std::unexpected(std::move(unknown.error()));
  if (const Status found = find_cited(*unknown); !found) return std::unexpected(found.error());
  std::int64_t erased = 0;
  for (const Sha256& digest : *unknown) {
    const std::lock_guard lock(mutex_);
    if (in_use(digest)) continue;  // a reload has come back to it
    if (Status removed = disk_.remove(snapshot_file(files_, digest).string()); !removed) {
      return std::unexpected(std::move(removed.error()));
    }
    cited_.erase(digest);
    ++erased;
  }
  return erased;
}

}  // namespace hanse::serve
